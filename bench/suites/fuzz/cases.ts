/** The cases of a run: each follows from the seed and its number, and is tried on one of three layers. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { convNet, mlp } from '../../../test/kit/model.ts'
import { type Dice, diceOf } from './dice.ts'
import { mutateData } from './mutate-data.ts'
import { mutateModel } from './mutate-model.ts'

/** Small models as they come, from the project's own cases where they are here. */
const ROOT = join(process.cwd(), '..', 'shared', 'cases')
const LARGEST = 60_000

export interface FuzzCase {
  kind: 'model' | 'data'
  bytes: Buffer
}

export function openCases(seed: number, canary: string): (index: number) => FuzzCase {
  const models = subjects()
  return (index) => {
    const dice = diceOf(seed, index)
    if (dice.chance(0.35)) return { kind: 'data', bytes: mutateData(['x', 'input'], dice) }
    return { kind: 'model', bytes: mutant(models, dice, canary) }
  }
}

function mutant(models: readonly Buffer[], dice: Dice, canary: string): Buffer {
  return mutateModel(dice.of(models), dice, canary)
}

function subjects(): Buffer[] {
  const here = existsSync(ROOT) ? readdirSync(ROOT).map((name) => join(ROOT, name, 'model.onnx')) : []
  const files = here.filter(existsSync).map((path) => readFileSync(path))
  return [Buffer.from(mlp()), Buffer.from(convNet({ width: 4 })), ...files.filter(({ length }) => length <= LARGEST)]
}

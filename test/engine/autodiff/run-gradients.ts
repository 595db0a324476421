/** Runs a model's gradients, and measures the same gradients by finite differences. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CustomRules, differentiate } from '../../../src/engine/autodiff/differentiate.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { check } from '../../../src/engine/ir/check.ts'
import type { DType } from '../../../src/engine/ir/dtype.ts'
import { type Model, Value } from '../../../src/engine/ir/graph.ts'
import { at, entryOf } from '../../../src/engine/ir/list.ts'
import { decodeModel } from '../../../src/engine/onnx/index.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import type { RunTensor, Session } from '../../../src/engine/runtime/runtime.ts'
import { openWorkspace } from '../../../src/engine/runtime/workspace.ts'

export type Feeds = Readonly<Record<string, RunTensor>>
export type Floats = Float32Array | Float64Array

const runtime = openRuntime(1)

/** Gives `use` a directory of its own. */
async function inDirectory<T>(use: (workspace: ReturnType<typeof openWorkspace>) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-autodiff-'))
  try {
    return await use(openWorkspace(directory))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const inDirectoryLoad = <T>(model: Model, use: (session: Session) => Promise<T>): Promise<T> =>
  inDirectory(async (workspace) => {
    const session = await runtime.load(workspace.save('model.onnx', model), { optimization: 'all' })
    try {
      return await use(session)
    } finally {
      await session.release()
    }
  })

export const produced = ({ graph }: Model): Value[] =>
  [...graph.nodes].flatMap((node) => node.outputs.filter((v) => v !== null))

/** Fills in dtypes and shapes as ONNX Runtime infers them. */
export async function inferTypes(model: Model): Promise<void> {
  const { outputs } = model.graph
  const kept = [...outputs]
  outputs.push(...produced(model).filter((value) => !kept.includes(value)))
  const infos = await inDirectory(async (workspace) => {
    const session = await runtime.load(workspace.save('typed.onnx', model), { optimization: 'disabled' })
    await session.release()
    return new Map(session.outputs.map((info) => [info.name, info]))
  })
  outputs.splice(0, outputs.length, ...kept)
  for (const value of produced(model)) {
    const info = infos.get(value.name)
    if (info?.dtype) [value.dtype, value.shape] = [info.dtype, info.shape]
  }
}

/** Adds inputs `d/<output>` and outputs with the gradient of Σ output · d/<output> by each of `wrt`; returns the gradients' names. */
export function addGradients(model: Model, wrt: readonly Value[], custom?: CustomRules): Map<string, string> {
  const { graph } = model
  const seeds = new Map(
    graph.outputs.filter(({ dtype }) => isFloat(dtype)).map((Y) => [Y, new Value(`d/${Y.name}`, Y.dtype, Y.shape)]),
  )
  graph.inputs.push(...seeds.values())
  const gradients = differentiate(graph, seeds, wrt, custom)
  check(model)
  graph.outputs.push(...new Set(gradients.values()))
  return new Map([...gradients].map(([value, gradient]) => [value.name, gradient.name]))
}

export const isFloat = (dtype: DType | undefined): boolean => dtype === 'float32' || dtype === 'float64'

/** Runs the model once. */
export const runOnce = (model: Model, feeds: Feeds): Promise<Record<string, RunTensor>> =>
  inDirectoryLoad(model, (session) => session.run(feeds))

export const readModel = (path: string): Model => decodeModel(path).model

/** Numbers between -2 and 2 in random order, none near another or near 0, so that no step crosses a kink. */
export function spaced(count: number, seed: number, positive = false): number[] {
  const random = randomSource(seed)
  const gap = 4 / Math.max(count, 4)
  const values = Array.from(
    { length: count },
    (_, i) => (i - (count - 1) / 2 + (count % 2 === 1 ? 0.37 : 0) + 0.11 * random()) * gap,
  )
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[values[i], values[j]] = [at(values, j), at(values, i)]
  }
  return positive ? values.map((x) => 0.3 + (x + 2) * 0.3) : values
}

/** Central differences of Σ output · d/output by every element of `feeds[name]`. */
export function finiteDifferences(
  model: Model,
  feeds: Feeds,
  upstream: Feeds,
  name: string,
  step: number,
): Promise<Float64Array> {
  return inDirectoryLoad(model, async (session) => {
    const { data, dims, dtype } = entryOf(feeds, name)
    const source = data as Floats
    const moveBy = async (index: number, offset: number): Promise<[sum: number, at: number]> => {
      const moved = source.slice()
      moved[index]! += offset
      return [weighted(await session.run({ ...feeds, [name]: { data: moved, dims, dtype } }), upstream), moved[index]!]
    }
    const result = new Float64Array(source.length)
    for (let i = 0; i < source.length; i++) {
      const [[high, above], [low, below]] = [await moveBy(i, step), await moveBy(i, -step)]
      result[i] = (high - low) / (above - below)
    }
    return result
  })
}

function weighted(outputs: Feeds, upstream: Feeds): number {
  let sum = 0
  for (const [name, { data }] of Object.entries(upstream)) {
    const y = entryOf(outputs, name.slice(2)).data as Floats
    for (let i = 0; i < y.length; i++) sum += y[i]! * (data as Floats)[i]!
  }
  return sum
}

/** One test per golden case and option set: what we make of it against what ONNX Runtime made of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Model } from '../../../src/engine/ir/graph.ts'
import { decodeModel } from '../../../src/engine/onnx/index.ts'
import { casesWith, type Expected, type GoldenCase, openCase, skip, type TensorEntry } from './cases.ts'
import { dataOf, runFile, runModel, sqnr, stepsApart } from './runs.ts'
import { constantNames, edges, histogram } from './tables.ts'

/** Where ONNX Runtime is wrong and we are not: why, and the quality that ours must reach instead. */
export interface Deviation {
  case: string
  sets: readonly string[]
  why: string
  leastSqnrDb: number
  /** differences in the operators are part of it */
  otherOperators?: true
  /** theirs has the better numbers here and is still no model to follow */
  mayBeWorse?: true
}

export interface Suite {
  sets: readonly string[]
  quantize: (golden: GoldenCase) => void
  tensorsOf: (model: Model) => Record<string, TensorEntry>
  deviations: readonly Deviation[]
  /** cases whose nodes have no names: what is derived from them is called otherwise */
  madeUpNames?: readonly string[]
  /** `case set` of what is not reproduced yet */
  notYet: readonly string[]
}

const STEPS = 3

const sorted = <T>(table: Record<string, T>): [string, T][] =>
  Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1))
const listed = ({ scaleHex, zeroPoint, axis, dtype, quantized }: TensorEntry) => ({
  scaleHex: [scaleHex].flat(),
  zeroPoint: [zeroPoint].flat(),
  axis,
  dtype,
  ...(quantized && { quantized }),
})

function assertOperators(model: Model, { operators }: Expected): void {
  assert.deepEqual(sorted(histogram(model)), sorted(operators))
}

function assertTensors(found: Record<string, TensorEntry>, { tensors }: Expected): void {
  assert.deepEqual(Object.keys(found).sort(), Object.keys(tensors).sort())
  for (const [name, entry] of Object.entries(tensors)) assert.deepEqual(listed(found[name]!), listed(entry), name)
}

/** Node by node the same operators between values of the same names. */
function assertSameGraph(model: Model, file: string): void {
  const theirs = decodeModel(file).model
  assert.deepEqual(edges(model), edges(theirs))
  assert.deepEqual(constantNames(model), constantNames(theirs))
}

async function assertSameResults({ model, input, file, expected, floatOutputs }: GoldenCase): Promise<void> {
  if (!expected.outputs) return
  const ours = await runModel(model, input)
  const float = dataOf(floatOutputs)
  const apart = stepsApart(float, ours, await runFile(file, input))
  assert.ok(apart <= STEPS, `${apart} steps from ONNX Runtime's file`)
  const recorded = stepsApart(float, ours, dataOf(expected.outputs))
  assert.ok(recorded <= STEPS, `${recorded} steps from the recorded outputs`)
}

async function assertDeviation(golden: GoldenCase, deviation: Deviation): Promise<void> {
  const { model, input, floatOutputs, expected } = golden
  if (!deviation.otherOperators) assertOperators(model, expected)
  const ours = sqnr(dataOf(floatOutputs), await runModel(model, input))
  assert.ok(ours >= deviation.leastSqnrDb, `${ours} dB`)
  if (!deviation.mayBeWorse)
    assert.ok(
      ours > (expected.sqnrDbToFloat ?? Number.NEGATIVE_INFINITY),
      `not better than ${expected.sqnrDbToFloat} dB`,
    )
}

async function assertParity(golden: GoldenCase, { tensorsOf, madeUpNames }: Suite): Promise<void> {
  assertOperators(golden.model, golden.expected)
  assertTensors(tensorsOf(golden.model), golden.expected)
  if (!madeUpNames?.includes(golden.name)) assertSameGraph(golden.model, golden.file)
  await assertSameResults(golden)
}

/** Registers the tests of a suite. */
export function testParity(suite: Suite): void {
  for (const set of suite.sets) {
    for (const name of casesWith(set)) {
      const todo = suite.notYet.includes(`${name} ${set}`) ? 'not reproduced yet' : false
      test(`${name} ${set}`, { skip: skip || todo }, async () => {
        const golden = openCase(name, set)
        suite.quantize(golden)
        const deviation = suite.deviations.find((row) => row.case === name && row.sets.includes(set))
        await (deviation ? assertDeviation(golden, deviation) : assertParity(golden, suite))
      })
    }
  }
}

/** Measures the gradients of a case by finite differences of ONNX Runtime's own forward pass. */

import assert from 'node:assert/strict'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { entryOf } from '../../../src/engine/ir/list.ts'
import { print } from '../../../src/engine/ir/print.ts'
import type { RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { FewbitError } from '../../../src/shared/errors.ts'
import { type Case, type FloatType, type Inputs, kitOf } from './cases.ts'
import {
  addGradients,
  type Feeds,
  type Floats,
  finiteDifferences,
  inferTypes,
  runOnce,
  spaced,
} from './run-gradients.ts'

const FREE = 4

const arrayOf = (dtype: FloatType, values: readonly number[]) =>
  dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values)

/** float64 steps may be small; float32 ones must outgrow the rounding, unless the function is a straight line */
const PRECISION = {
  float64: { step: 1e-5, tolerance: 1e-6 },
  float32: { step: 2 ** -7, tolerance: 4e-3 },
  line: { step: 0.5, tolerance: 1e-4 },
}

function declare(of: Case, dtype: FloatType) {
  const k = kitOf(dtype, of.opset ?? 17)
  const inputs = Object.fromEntries(
    Object.entries(of.inputs).map(([name, shape]) => [name, k.input(name, shape, dtype)] as const),
  )
  const made = of.build(k, inputs as Inputs)
  const outputs = (Array.isArray(made) ? made : [made]) as Value[]
  k.model.graph.outputs.push(...outputs)
  return { model: k.model, inputs, outputs }
}

const isPositive = ({ positive }: Case, name: string): boolean =>
  positive === true || (positive?.includes(name) ?? false)

function feedsOf(of: Case, dtype: FloatType): Record<string, RunTensor> {
  return Object.fromEntries(
    Object.entries(of.inputs).map(([name, shape], i) => {
      const dims = shape.map((dim) => (typeof dim === 'number' ? dim : dim === 'M' ? 1 : FREE))
      const count = dims.reduce((a, b) => a * b, 1)
      return [name, { dtype, dims, data: arrayOf(dtype, spaced(count, i + 1, isPositive(of, name))) }]
    }),
  )
}

async function examineAs(of: Case, dtype: FloatType): Promise<void> {
  const { model, inputs } = declare(of, dtype)
  await inferTypes(model)
  const plain = declare(of, dtype).model
  const feeds = feedsOf(of, dtype)
  const forward = await runOnce(plain, feeds)
  const upstream: Record<string, RunTensor> = Object.fromEntries(
    Object.entries(forward).map(([name, { dims, data }], i) => [
      `d/${name}`,
      { dtype, dims, data: arrayOf(dtype, spaced((data as Floats).length, 100 + i)) },
    ]),
  )
  const names = addGradients(model, Object.values(inputs))
  const results = await runOnce(model, { ...feeds, ...upstream })
  const { step, tolerance } = PRECISION[dtype === 'float32' && of.linear ? 'line' : dtype]
  for (const name of Object.keys(inputs)) {
    const expected = await finiteDifferences(plain, feeds, upstream as Feeds, name, step)
    const gradient = names.get(name)
    const actual = gradient
      ? entryOf(results, gradient)
      : { dims: entryOf(feeds, name).dims, data: new Float64Array(expected.length) }
    assert.deepEqual(actual.dims, entryOf(feeds, name).dims, `shape of d ${name}`)
    const scale = Math.max(1, ...expected.map(Math.abs))
    expected.forEach((value, i) => {
      const got = Number(actual.data[i]!)
      assert.ok(
        Math.abs(got - value) <= tolerance * scale,
        `${dtype} d ${name}[${i}] is ${got}, measured ${value}\n${print(model)}`,
      )
    })
  }
}

const lacksKernel = (error: unknown): boolean =>
  error instanceof FewbitError &&
  (['model_operator_unsupported', 'model_load_failed'].includes(error.code) ||
    /does not support double/.test(error.message))

/** Fails where a gradient differs from what is measured: in float64, or in float32 where ONNX Runtime has no other kernel. */
export async function examine(of: Case): Promise<void> {
  await examineAs(of, 'float64').catch((error: unknown) => {
    if (!lacksKernel(error)) throw error
    return examineAs(of, 'float32')
  })
}

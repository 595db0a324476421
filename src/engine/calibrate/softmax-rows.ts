/** The maxima of the rows that Softmax normalizes, and what stands for minus infinity while they are measured. */
import { addInitializer, addNode, int, ints } from '../ir/build.ts'
import { freshName, type Graph, type Model, Value } from '../ir/graph.ts'
import { int64 } from '../ir/tensor.ts'
import { reachesSoftmax } from '../passes/finite-masks.ts'
import type { RunTensor } from '../runtime/runtime.ts'
import type { Statistics } from './observers/observer.ts'

/** from this operator set on Softmax has rows, and ReduceMax takes its axes as an input */
const [ROWS, AXES_AS_INPUT] = [13, 18]

/** Adds the maximum of every row to the model's outputs, as [value, output]. The model is changed. */
export function addPeaks(model: Model, rows: readonly { value: Value; axis: number }[]): Map<string, string> {
  const opset = model.opsets.get('') ?? 0
  if (opset < ROWS) return new Map()
  return new Map(
    rows.map(({ value, axis }) => {
      const asInput = opset >= AXES_AS_INPUT
      const inputs = asInput ? [value, addInitializer(model, model.graph, 'axes', int64([1], [axis]))] : [value]
      const output = new Value(freshName(model, `${value.name}_peaks`), 'float32')
      addNode(model, model.graph, 'ReduceMax', inputs, {
        outputs: [output],
        attributes: { ...(!asInput && { axes: ints([axis]) }), keepdims: int(0) },
      })
      model.graph.outputs.push(output)
      return [value.name, output.name]
    }),
  )
}

/** a row whose maximum is below this is masked as a whole */
const ALL_MASKED = -1000

/** Keeps the smallest maximum of a row in the statistics of the value. */
export function notePeak(statistics: Map<string, Statistics>, name: string, result: RunTensor | undefined): void {
  const found = statistics.get(name)
  if (!found || !(result?.data instanceof Float32Array)) return
  const peak = result.data.reduce((least, x) => (x > ALL_MASKED && x < least ? x : least), Number.POSITIVE_INFINITY)
  if (Number.isFinite(peak)) statistics.set(name, { ...found, peak: Math.min(found.peak ?? peak, peak) })
}

/** Names of the float inputs that lead to nothing but Softmax. */
export const maskInputs = ({ inputs }: Graph): Set<string> =>
  new Set(inputs.filter((value) => value.dtype === 'float32' && reachesSoftmax(value)).map(({ name }) => name))

/** exp of it is 0 in every sum, and ranges that hold it can be measured */
const MASK = -1e9

/** Minus infinity in a mask, and numbers near the smallest float, as a number that can be measured. */
export function withFiniteMasks(
  feeds: Record<string, RunTensor>,
  masks: ReadonlySet<string>,
): Record<string, RunTensor> {
  const replaced = [...masks].flatMap((name) => {
    const tensor = feeds[name]
    if (!(tensor?.data instanceof Float32Array) || tensor.data.every((x) => x >= MASK)) return []
    return [[name, { ...tensor, data: tensor.data.map((x) => Math.max(x, MASK)) }] as const]
  })
  return replaced.length === 0 ? feeds : { ...feeds, ...Object.fromEntries(replaced) }
}

/**
 * Self-attention that ONNX Runtime's optimizer wrote as one operator: its projections hold most of a transformer's weights, and no integer
 * form of the operator knows them. Source: ONNX Runtime, docs/ContribOperators.md.
 */
import { int, ints } from '../../ir/build.ts'
import { codeOf } from '../../ir/dtype.ts'
import type { Value } from '../../ir/graph.ts'
import type { Rewrite, Writer } from './writer.ts'

/** what its own kernel adds to the scores of what a mask hides */
const HIDDEN = -10_000

/** Softmax(Q · Kᵀ · scale + mask + bias) · V, where Q, K and V are projections of the input; past states and rotations stay in one operator. */
export const attention: Rewrite = (w) => {
  const { node } = w
  const [input, weights, bias, mask, past, scoresBias, pastLength] = node.inputs
  const heads = node.int('num_heads', 0)
  const width = weights?.shape?.[1]
  if (!input || !weights || typeof width !== 'number' || heads === 0 || past || pastLength || !isPlain(w)) return null
  const offsets = mask ? maskOffsets(w, mask, input) : undefined
  if (offsets === null) return null
  const size = width / 3
  const [q, k, v] = project(w, { input, weights, bias: bias ?? null, size })
  const split = (value: Value, perm: readonly number[]) =>
    w.step('Transpose', [w.step('Reshape', [value, w.ints('heads', [0, 0, heads, size / heads])])], {
      perm: ints(perm),
    })
  const products = w.step('MatMul', [split(q!, [0, 2, 1, 3]), split(k!, [0, 2, 3, 1])])
  const scale = node.float('scale', 0) || 1 / Math.sqrt(size / heads)
  const scaled = w.step('Mul', [products, w.number('scale', scale)])
  const terms = [offsets, scoresBias ?? undefined].filter((term) => term !== undefined)
  const scores = terms.reduce((sum, term) => w.step('Add', [sum, term]), scaled)
  const shares = w.step('Softmax', [scores], { axis: int(-1) })
  const seen = w.step('Transpose', [w.step('MatMul', [shares, split(v!, [0, 2, 1, 3])])], { perm: ints([0, 2, 1, 3]) })
  return [w.step('Reshape', [seen, w.ints('whole', [0, 0, size])])]
}

const isPlain = ({ node }: Writer): boolean =>
  !node.int('unidirectional', 0) &&
  !node.int('do_rotary', 0) &&
  !node.ints('qkv_hidden_sizes') &&
  !node.int('past_present_share_buffer', 0)

interface Projection {
  input: Value
  weights: Value
  bias: Value | null
  size: number
}

/** [rows, places, size] each */
function project(w: Writer, { input, weights, bias, size }: Projection): Value[] {
  const product = w.step('MatMul', [input, weights])
  const whole = bias ? w.step('Add', [product, bias]) : product
  return [0, 1, 2].map((i) =>
    w.step('Slice', [whole, w.ints('start', [i * size]), w.ints('end', [(i + 1) * size]), w.ints('axis', [2])]),
  )
}

/** What a mask adds to scores [rows, heads, queries, keys]; null where its form is another. */
function maskOffsets(w: Writer, mask: Value, input: Value): Value | null {
  const rank = mask.shape?.length
  if (rank !== 1 && rank !== 2) return null
  if (rank === 1 && !holdsLengths(mask, input)) return null
  const kept = rank === 2 ? mask : withinLengths(w, mask, input)
  const hides = w.step('Sub', [w.number('one', 1), w.step('Cast', [kept], { to: int(codeOf('float32')) })])
  const offsets = w.step('Mul', [hides, w.number('hidden', w.node.float('mask_filter_value', HIDDEN))])
  return w.step('Unsqueeze', [offsets, w.ints('axes', [1, 2])])
}

/** Other vectors hold starts and ends, or lengths that add up. */
const holdsLengths = (mask: Value, input: Value): boolean =>
  mask.producer?.opType === 'ReduceSum' || (mask.shape?.[0] != null && mask.shape[0] === input.shape?.[0])

/** Whether each place [rows, places] comes before the end of its row. */
function withinLengths(w: Writer, lengths: Value, input: Value): Value {
  const scalar = (value: Value) => w.step('Squeeze', [value, w.ints('first', [0])])
  const count = w.step('Slice', [w.step('Shape', [input]), w.ints('second', [1]), w.ints('third', [2])])
  const places = w.step('Range', [scalar(w.ints('zero', [0])), scalar(count), scalar(w.ints('step', [1]))])
  const ends = w.step('Unsqueeze', [w.step('Cast', [lengths], { to: int(codeOf('int64')) }), w.ints('last', [1])])
  return w.step('Less', [places, ends])
}

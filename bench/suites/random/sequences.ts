/** Blocks of random graphs on sequences, [N, T, C], and on vectors, [N, C]. */
import type { Value } from '../../../src/engine/ir/graph.ts'
import type { Random, State } from './builder.ts'
import type { Block } from './graph.ts'
import { activate } from './shared.ts'

const product = (m: Random, { value, dims }: State, out: number): State => {
  const y = m.op('MatMul', [value, m.weights([dims.at(-1)!, out])])
  return { value: m.chance(0.7) ? m.op('Add', [y, m.weights([out])]) : y, dims: [...dims.slice(0, -1), out] }
}

const mean = (m: Random, x: Value, axis: number, keepdims: number): Value =>
  m.opset >= 18
    ? m.op('ReduceMean', [x, m.whole([axis])], { keepdims })
    : m.op('ReduceMean', [x], { axes: [axis], keepdims })

function layerNorm(m: Random, { value, dims }: State): State {
  const c = dims.at(-1)!
  const [gain, bias] = [m.weights([c]), m.weights([c])]
  if (m.opset >= 17 && m.chance(0.5))
    return { value: m.op('LayerNormalization', [value, gain, bias], { axis: -1 }), dims }
  const centered = m.op('Sub', [value, mean(m, value, -1, 1)])
  const variance = mean(m, m.op('Mul', [centered, centered]), -1, 1)
  const spread = m.op('Sqrt', [m.op('Add', [variance, m.number(1e-5)])])
  return { value: m.op('Add', [m.op('Mul', [m.op('Div', [centered, spread]), gain]), bias]), dims }
}

function attention(m: Random, state: State): State {
  const c = state.dims.at(-1)!
  const [q, k, v] = [product(m, state, c), product(m, state, c), product(m, state, c)]
  const keys = m.op('Transpose', [k.value], { perm: [0, 2, 1] })
  const scores = m.op('Div', [m.op('MatMul', [q.value, keys]), m.number(Math.sqrt(c))])
  const weights = m.op('Softmax', [scores], { axis: m.opset >= 13 ? -1 : 2 })
  return product(m, { value: m.op('MatMul', [weights, v.value]), dims: state.dims }, c)
}

const inTime = (m: Random, { value, dims: [t, c] }: State): State => {
  const channels = m.op('Transpose', [value], { perm: [0, 2, 1] })
  const y = m.op('Conv', [channels, m.weights([c!, c!, 3])], { kernel_shape: [3], pads: [1, 1] })
  return { value: m.op('Transpose', [y], { perm: [0, 2, 1] }), dims: [t!, c!] }
}

/** LSTM and GRU read [T, N, C] and give [T, 1, N, H]. */
function recurrent(m: Random, { value, dims: [t, c] }: State, type: 'LSTM' | 'GRU'): State {
  const gates = type === 'LSTM' ? 4 : 3
  const hidden = m.pick([4, 8])
  const steps = m.op('Transpose', [value], { perm: [1, 0, 2] })
  const weights = [m.weights([1, gates * hidden, c!]), m.weights([1, gates * hidden, hidden])]
  const y = m.op(type, [steps, ...weights, m.weights([1, 2 * gates * hidden])], { hidden_size: hidden })
  const flat = m.opset >= 13 ? m.op('Squeeze', [y, m.whole([1])]) : m.op('Squeeze', [y], { axes: [1] })
  return { value: m.op('Transpose', [flat], { perm: [1, 0, 2] }), dims: [t!, hidden] }
}

const residual =
  (block: (m: Random, state: State) => State) =>
  (m: Random, state: State): State => ({ value: m.op('Add', [block(m, state).value, state.value]), dims: state.dims })

const feedForward = (m: Random, state: State): State =>
  product(m, activate(m, product(m, state, 2 * state.dims.at(-1)!)), state.dims.at(-1)!)

export const SEQUENCE_BLOCKS: readonly Block[] = [
  { name: 'product', apply: (m, s) => activate(m, product(m, s, m.pick([4, 8, 16, 96]))) },
  { name: 'layer-norm', apply: layerNorm },
  { name: 'attention', apply: residual(attention) },
  { name: 'feed-forward', apply: residual(feedForward) },
  { name: 'conv-1d', apply: inTime },
  { name: 'lstm', apply: (m, s) => recurrent(m, s, 'LSTM') },
  { name: 'gru', apply: (m, s) => recurrent(m, s, 'GRU') },
]

export const SEQUENCE_ENDS: readonly Block[] = [
  { name: 'mean', apply: (m, { value, dims }) => ({ value: mean(m, value, 1, 0), dims: [dims[1]!] }) },
  {
    name: 'first',
    apply: (m, { value, dims }) => ({
      value: m.op('Gather', [value, m.constant('first', { dtype: 'int64', shape: [], data: new Uint8Array(8) })], {
        axis: 1,
      }),
      dims: [dims[1]!],
    }),
  },
]

function gemm(m: Random, { value, dims: [c] }: State): State {
  const out = m.pick([3, 8, 16, 96])
  const transB = m.pick([0, 1])
  const inputs = [value, m.weights(transB ? [out, c!] : [c!, out]), ...(m.chance(0.7) ? [m.weights([out])] : [])]
  return { value: m.op('Gemm', inputs, { transB, ...(m.chance(0.2) && { alpha: 0.5 }) }), dims: [out] }
}

function gated(m: Random, state: State): State {
  const [a, b] = [product(m, state, 8), product(m, state, 8)]
  return { value: m.op('Mul', [a.value, m.op('Sigmoid', [b.value])]), dims: a.dims }
}

export const VECTOR_BLOCKS: readonly Block[] = [
  { name: 'gemm', apply: (m, s) => activate(m, gemm(m, s)) },
  { name: 'matmul', apply: (m, s) => activate(m, product(m, s, m.pick([6, 8, 128]))) },
  { name: 'gated', apply: gated },
  { name: 'two-layers', apply: residual(feedForward) },
  {
    name: 'normalize',
    apply: (m, { value, dims }) => ({ value: m.op('LpNormalization', [value], { axis: 1, p: 2 }), dims }),
  },
]

export const VECTOR_ENDS: readonly Block[] = [
  { name: 'classes', apply: gemm },
  {
    name: 'softmax',
    apply: (m, s) => {
      const { value, dims } = gemm(m, s)
      return { value: m.op('Softmax', [value], { axis: 1 }), dims }
    },
  },
]

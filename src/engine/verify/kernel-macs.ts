/** Multiply-accumulates of the kernels that ONNX Runtime executes, from the shapes that they saw. */
import type { ExecutedKernel } from '../runtime/runtime.ts'

type Shape = readonly number[]
type Macs = (inputs: readonly Shape[], outputs: readonly Shape[]) => number

const size = (shape: Shape = []): number => shape.reduce((product, dim) => product * dim, 1)
const lastOf = (shape: Shape = []): number => shape.at(-1) ?? 1

/** Every output element sums over the channels and the window of its group. */
const convolution =
  (weight: number): Macs =>
  (inputs, [y]) =>
    size(y) * size(inputs[weight]?.slice(1))

/** [batch, m, k] · [batch, k, n], either of them transposed: √(mk · kn · mn) = mkn. */
const product =
  (right: number): Macs =>
  ([a, ...others], [y]) =>
    size(y?.slice(0, -2)) * Math.sqrt(lastTwo(a) * lastTwo(others[right - 1]) * lastTwo(y))

const lastTwo = (shape: Shape = []): number => size(shape.slice(-2))

/** x [steps, sequences, features], weights for inputs and states of all directions. */
const recurrent: Macs = ([x, w, r]) => size(x?.slice(0, 2)) * (size(w) + size(r))

/** Projects x [batch, tokens, features] by one matrix, then scores and sums. */
const attention: Macs = ([x, w], [y]) => size(x?.slice(0, -1)) * size(w) + 2 * size(y) * (x?.at(-2) ?? 1)

/** Scores of queries against keys [..., tokens, features], and the sum of values. */
const scoresAndSum: Macs = ([query, key]) => 2 * size(query) * (key?.at(-2) ?? 1)

/** Which kernels multiply, and how much. Weights of MatMulNBits are packed: the depth is that of the activation. */
const MACS: Readonly<Record<string, Macs>> = {
  Conv: convolution(1),
  FusedConv: convolution(1),
  NhwcFusedConv: convolution(1),
  ConvInteger: convolution(1),
  QLinearConv: convolution(3),
  ConvTranspose: ([x, w]) => size(x) * size(w?.slice(1)),
  Gemm: product(1),
  FusedGemm: product(1),
  QGemm: product(3),
  MatMul: product(1),
  FusedMatMul: product(1),
  TransposeMatMul: product(1),
  MatMulInteger: product(1),
  MatMulIntegerToFloat: product(1),
  DynamicQuantizeMatMul: product(1),
  QLinearMatMul: product(3),
  Einsum: product(1),
  MatMulNBits: ([a], [y]) => size(y) * lastOf(a),
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  DynamicQuantizeLSTM: recurrent,
  Attention: (inputs, outputs) => (inputs[0]?.length === 4 ? scoresAndSum : attention)(inputs, outputs),
  QAttention: attention,
  MultiHeadAttention: scoresAndSum,
  GroupQueryAttention: scoresAndSum,
}

/** Multiply-accumulates of one run of a kernel; 0 of one that does not multiply. */
export const macsOfKernel = ({ opType, inputs, outputs }: ExecutedKernel): number =>
  Object.hasOwn(MACS, opType) ? MACS[opType]!(inputs, outputs) : 0

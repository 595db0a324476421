/** Matrix products. */
import type { Node, Value } from '../ir/graph.ts'
import { activation, bias, defineOp, sizeOf, weight } from './define.ts'

export const LINEAR = [
  defineOp({
    name: 'Gemm',
    class: 'multiply',
    inputs: ['A', 'B', 'C?'],
    outputs: ['Y'],
    quant: { A: activation, B: weight((node) => (node.int('transB', 0) ? 0 : 1)), C: bias('A', 'B'), Y: activation },
    refuses: refuseGemm,
    inputChannels: {
      axis: 1,
      of: (node) => (outer, _, inner) => (node.int('transB', 0) ? inner : outer),
    },
    macs: (node) => sizeOf(node.outputs[0]?.shape) * depthOfGemm(node),
  }),
  defineOp({
    name: 'MatMul',
    class: 'multiply',
    inputs: ['A', 'B'],
    outputs: ['Y'],
    quant: { A: activation, B: weight((_, rank) => (rank === 2 ? 1 : null)), Y: activation },
    refuses: (node) =>
      node.inputs.some((value) => rankOf(value) === 1) ? 'a vector operand has no integer kernel' : null,
    inputChannels: { axis: -1, of: () => (outer) => outer },
    macs: (node) => sizeOf(node.outputs[0]?.shape) * depthOfMatMul(node),
  }),
]

const rankOf = (value: Value | null): number | undefined => value?.shape?.length

function refuseGemm(node: Node): string | null {
  if (!node.inputs[1]?.isConstant) return 'its weight is not a constant'
  if (node.float('alpha', 1) !== 1 || node.float('beta', 1) !== 1)
    return 'alpha and beta could not be folded into its constants'
  const c = node.inputs[2]
  if (c && !(c.isConstant && c.tensor?.shape.length === 1)) return 'its bias is not a constant vector'
  return null
}

const lastDim = (value: Value | null): number => sizeOf([1, ...(value?.shape?.slice(-1) ?? [null])])
const depthOfMatMul = (node: Node): number => {
  const fromA = lastDim(node.inputs[0])
  return Number.isNaN(fromA) ? sizeOf([1, ...(node.inputs[1]?.shape?.slice(-2, -1) ?? [null])]) : fromA
}
const depthOfGemm = (node: Node): number => {
  const shape = node.inputs[1]?.tensor?.shape
  return shape ? shape[node.int('transB', 0) ? 1 : 0] : Number.NaN
}

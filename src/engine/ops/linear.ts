/** Matrix products. */

import type { Node, Value } from '../ir/graph.ts'
import { at } from '../ir/list.ts'
import { activation, bias, floatOp, integerOp, type OpTable, sizeOf, weight } from './define.ts'
import { einsumGradients, refusesEinsum } from './gradients/einsum.ts'
import { gemmGradients, matMulGradients, operandsHaveRank } from './gradients/linear.ts'

export const LINEAR = {
  Gemm: integerOp({
    class: 'multiply',
    inputs: ['A', 'B', 'C?'],
    outputs: ['Y'],
    quant: { A: activation, B: weight((node) => (node.int('transB', 0) ? 0 : 1)), C: bias('A', 'B'), Y: activation },
    refuses: refuseGemm,
    inputChannels: { axis: 1, of: (node) => (outer, _, inner) => (node.int('transB', 0) ? inner : outer) },
    macs: (node) => sizeOf(node.outputs[0]?.shape) * depthOfGemm(node),
    gradient: (g, { A, B }, { Y: dY }, _outputs, node) => ({
      ...gemmGradients(g, A, B, dY, node),
      C: () => g.scale(dY, node.float('beta', 1)),
    }),
    refusesGradient: operandsHaveRank,
    broadcasts: true,
    example: 'Y = Gemm(A[4,8], B[8,3], C[3])',
  }),
  MatMul: integerOp({
    class: 'multiply',
    inputs: ['A', 'B'],
    outputs: ['Y'],
    quant: { A: activation, B: weight((_, rank) => (rank === 2 ? 1 : null)), Y: activation },
    refuses: ({ inputs }) =>
      inputs.some((value) => value?.shape?.length === 1) ? 'a vector operand has no integer kernel' : null,
    inputChannels: { axis: -1, of: () => (outer) => outer },
    macs: (node) => sizeOf(node.outputs[0]?.shape) * depthOfMatMul(node),
    gradient: (g, { A, B }, { Y: dY }) => matMulGradients(g, A, B, dY),
    refusesGradient: operandsHaveRank,
    broadcasts: true,
    example: 'Y = MatMul(A[2,4,8], B[8,3])',
  }),
  Einsum: floatOp({
    inputs: ['Inputs*'],
    outputs: ['Output'],
    gradient: (g, inputs, { Output: dY }, _outputs, node) => einsumGradients(g, inputs, dY, node),
    refusesGradient: refusesEinsum,
    example: "Output = Einsum(Inputs0[2,3], Inputs1[3,4], equation='ij,jk->ik')",
  }),
} as const satisfies OpTable

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
  const fromA = lastDim(at(node.inputs, 0))
  return Number.isNaN(fromA) ? sizeOf([1, ...(node.inputs[1]?.shape?.slice(-2, -1) ?? [null])]) : fromA
}
const depthOfGemm = (node: Node): number => {
  const shape = node.inputs[1]?.tensor?.shape
  return shape ? at(shape, node.int('transB', 0) ? 1 : 0) : Number.NaN
}

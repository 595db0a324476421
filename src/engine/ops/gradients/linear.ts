/** Gradients of matrix products. */
import type { Node, Value } from '../../ir/graph.ts'
import type { Emitter } from './emitter.ts'

const rank = (value: Value): number => value.shape?.length ?? 0

export const operandsHaveRank = ({ inputs }: Node): string | null =>
  inputs[0]?.shape && inputs[1]?.shape ? null : 'the rank of an operand is unknown'

/** A product of vectors or matrices, with a vector seen as a matrix of one row or column. */
export function matMulGradients(g: Emitter, A: Value, B: Value, dY: Value) {
  const [a, b] = [rank(A) === 1 ? g.unsqueeze(A, [0]) : A, rank(B) === 1 ? g.unsqueeze(B, [1]) : B]
  const lost = [...(rank(A) === 1 ? [-2] : []), ...(rank(B) === 1 ? [-1] : [])]
  const full = Math.max(rank(a), rank(b))
  const dy =
    lost.length > 0
      ? g.unsqueeze(
          dY,
          lost.map((axis) => axis + full),
        )
      : dY
  return {
    A: () => vectorOf(g, left(g, b, dy, rank(a)), A),
    B: () => vectorOf(g, right(g, a, dy, rank(b)), B),
  }
}

/** dY · Bᵀ */
function left(g: Emitter, b: Value, dy: Value, rankOfA: number): Value {
  if (rank(b) === 2 && rankOfA === 2) return g.gemm(dy, b, { transB: 1 })
  return g.matMul(dy, g.transposeLast(b, rank(b)))
}

/** Aᵀ · dY; a matrix B gathers all rows of A at once. */
function right(g: Emitter, a: Value, dy: Value, rankOfB: number): Value {
  if (rankOfB === 2) return g.gemm(g.asMatrix(a), g.asMatrix(dy), { transA: 1 })
  return g.matMul(g.transposeLast(a, rank(a)), dy)
}

function vectorOf(g: Emitter, gradient: Value, of: Value): Value {
  if (rank(of) !== 1) return gradient
  const batch = g.sumToRank(gradient, 2)
  return g.reshapeLike(batch, of)
}

export function gemmGradients(g: Emitter, A: Value, B: Value, dY: Value, node: Node) {
  const [transA, transB] = [node.int('transA', 0), node.int('transB', 0)]
  const alpha = node.float('alpha', 1)
  return {
    A: () =>
      transA ? g.gemm(B, dY, { transA: transB, transB: 1, alpha }) : g.gemm(dY, B, { transB: 1 - transB, alpha }),
    B: () =>
      transB ? g.gemm(dY, A, { transA: 1, transB: transA, alpha }) : g.gemm(A, dY, { transA: 1 - transA, alpha }),
  }
}

/** Reductions, running sums and choices of the largest. */

import { int } from '../ir/build.ts'
import { entryOf } from '../ir/list.ts'
import { activation, type IntegerOp, integerOp, type OpDef, type OpTable, same } from './define.ts'
import { extremeGradient, type ReductionGradient, reductionGradient, refusesReduction } from './gradients/reduction.ts'

type Rest<Op extends OpDef> = Pick<OpDef, 'example'> & Partial<Op>

const floatReduction = (of: ReductionGradient, rest: Rest<OpDef>): OpDef => ({
  inputs: ['data', 'axes?'],
  outputs: ['reduced'],
  gradient: (g, inputs, upstream, outputs, node) => ({
    data: () =>
      reductionGradient(
        of,
        g,
        entryOf(inputs, 'data'),
        entryOf(upstream, 'reduced'),
        entryOf(outputs, 'reduced'),
        node,
      ),
  }),
  refusesGradient: refusesReduction,
  ...rest,
})

const reduction = (of: ReductionGradient, rest: Rest<IntegerOp>): IntegerOp => ({
  class: 'pointwise',
  quant: { data: activation, reduced: activation },
  ...floatReduction(of, rest),
  ...rest,
})

/** Picks an element, so that its scale is that of the input. */
const picking = { class: 'movement', quant: { data: activation, reduced: same('data') }, keepsSign: true } as const

const place = { class: 'pointwise', inputs: ['data'], outputs: ['reduced'], quant: { data: activation } } as const

export const REDUCTION = {
  ReduceSum: reduction((_g, { dY }) => dY, {
    keepsSign: true,
    example: 'reduced = ReduceSum(data[2,3,4], {0,2}, keepdims=0)',
  }),
  ReduceMean: reduction((g, { axes, X, dY }) => g.div(dY, g.count(X, axes)), {
    keepsSign: true,
    example: 'reduced = ReduceMean(data[2,3,4], {0,2}, keepdims=0) @18',
  }),
  ReduceMax: reduction(extremeGradient, { ...picking, example: 'reduced = ReduceMax(data[2,3,4], {1}) @18' }),
  ReduceMin: reduction(extremeGradient, { ...picking, example: 'reduced = ReduceMin(data[2,3,4], {1}) @18' }),
  ReduceProd: reduction((g, { X, dY, Y }) => g.div(g.mul(dY, Y), X), {
    example: 'reduced = ReduceProd(data[2,3,4]>0, {1}) @18',
  }),
  ReduceL2: reduction((g, { X, dY, Y }) => g.mul(X, g.div(dY, Y)), {
    example: 'reduced = ReduceL2(data[2,3,4], {1}) @18',
  }),
  ReduceL1: floatReduction((g, { X, dY }) => g.mul(dY, g.unary('Sign', X)), {
    example: 'reduced = ReduceL1(data[2,3,4], {1}) @18',
  }),
  ReduceSumSquare: floatReduction((g, { X, dY }) => g.mul(X, g.scale(dY, 2)), {
    example: 'reduced = ReduceSumSquare(data[2,3,4], {1}) @18',
  }),
  ReduceLogSum: floatReduction((g, { dY, Y }) => g.div(dY, g.unary('Exp', Y)), {
    example: 'reduced = ReduceLogSum(data[2,3,4]>0, {1}) @18',
  }),
  ReduceLogSumExp: floatReduction((g, { X, dY, Y }) => g.mul(dY, g.unary('Exp', g.sub(X, Y))), {
    example: 'reduced = ReduceLogSumExp(data[2,3,4], {1}) @18',
  }),
  CumSum: integerOp({
    class: 'pointwise',
    inputs: ['x', 'axis'],
    outputs: ['y'],
    quant: { x: activation, y: activation },
    gradient: (g, { x, axis }, { y: dY }, _outputs, node) => ({
      x: () =>
        g.node('CumSum', [dY, axis], {
          shape: x.shape,
          attributes: { reverse: int(1 - node.int('reverse', 0)), exclusive: int(node.int('exclusive', 0)) },
        }),
    }),
    example: 'y = CumSum(x[2,3,4], 1)',
  }),
  ArgMax: integerOp({ ...place, example: 'reduced = ArgMax(data[2,3,4], axis=1)' }),
  ArgMin: integerOp({ ...place, example: 'reduced = ArgMin(data[2,3,4], axis=1)' }),
  TopK: integerOp({
    class: 'movement',
    inputs: ['X', 'K'],
    outputs: ['Values', 'Indices'],
    quant: { X: activation, Values: same('X') },
    keepsSign: true,
    example: 'Values, Indices = TopK(X[2,3,4], {2})',
  }),
} as const satisfies OpTable

/** Arithmetic on elements, clamps and pooling. */
import type { Node } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import { activation, defineOps, fixed } from './define.ts'

const unary = { class: 'pointwise', inputs: ['X'], outputs: ['Y'] } as const

export const POINTWISE = [
  ...defineOps(['Add', 'Mul'], {
    class: 'pointwise',
    inputs: ['A', 'B'],
    outputs: ['C'],
    quant: { A: activation, B: activation, C: activation },
  }),
  ...defineOps(['Sigmoid'], { ...unary, quant: { X: activation, Y: activation } }),
  ...defineOps(['Softmax'], { ...unary, quant: { X: activation, Y: fixed(0, 1) } }),
  ...defineOps(['AveragePool', 'GlobalAveragePool', 'LeakyRelu'], {
    ...unary,
    quant: { X: activation, Y: activation },
  }),
  ...defineOps(['Concat'], { ...unary, inputs: ['X*'], quant: { X: activation, Y: activation } }),
  ...defineOps(['Relu'], {
    ...unary,
    class: 'clamp',
    quant: { X: activation, Y: activation },
    bounds: () => [0, Number.POSITIVE_INFINITY],
  }),
  ...defineOps(['Clip'], {
    ...unary,
    class: 'clamp',
    inputs: ['X', 'min?', 'max?'],
    quant: { X: activation, Y: activation },
    bounds: clipBounds,
  }),
]

function clipBounds({ inputs }: Node): readonly [number, number] | null {
  const [low, high] = [inputs[1], inputs[2]]
  if ((low && low.tensor?.dtype !== 'float32') || (high && high.tensor?.dtype !== 'float32')) return null
  const bound = (at: number, fallback: number) => {
    const tensor = inputs[at]?.tensor
    return tensor ? view(tensor, 'float32')[0] : fallback
  }
  return [bound(1, Number.NEGATIVE_INFINITY), bound(2, Number.POSITIVE_INFINITY)]
}

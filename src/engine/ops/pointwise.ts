/** Arithmetic on elements, clamps and pooling. */
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
  ...defineOps(['Relu'], { ...unary, class: 'clamp', quant: { X: activation, Y: activation } }),
  ...defineOps(['Clip'], {
    ...unary,
    class: 'clamp',
    inputs: ['X', 'min?', 'max?'],
    quant: { X: activation, Y: activation },
  }),
]

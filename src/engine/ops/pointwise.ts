/** Arithmetic on elements, clamps and pooling. */
import type { Node } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import { activation, defineOps, fixed, float as none } from './define.ts'

const unary = { class: 'pointwise', inputs: ['X'], outputs: ['Y'] } as const

/** Functions of one number, or means of some. */
const UNARY = [
  ...[
    'Sigmoid',
    'HardSigmoid',
    'HardSwish',
    'Tanh',
    'Gelu',
    'Erf',
    'Elu',
    'Selu',
    'Celu',
    'Softplus',
    'Mish',
    'LeakyRelu',
  ],
  ...['Abs', 'Neg', 'Sqrt', 'Exp', 'Log', 'Reciprocal', 'Sin', 'Cos', 'Floor', 'Ceil', 'Round', 'Sign'],
  ...['AveragePool', 'GlobalAveragePool', 'LogSoftmax'],
]

export const POINTWISE = [
  ...defineOps(['Add', 'Mul', 'Sub', 'Div', 'Pow', 'PRelu'], {
    class: 'pointwise',
    inputs: ['A', 'B'],
    outputs: ['C'],
    quant: { A: activation, B: activation, C: activation },
  }),
  ...defineOps(UNARY, { ...unary, quant: { X: activation, Y: activation } }),
  ...defineOps(['ReduceMean', 'ReduceSum', 'ReduceL2', 'ReduceProd', 'CumSum'], {
    ...unary,
    inputs: ['X', 'axes?'],
    quant: { X: activation, Y: activation },
  }),
  ...defineOps(['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'], {
    ...unary,
    inputs: ['A', 'B'],
    quant: { A: activation, B: activation, Y: none },
  }),
  ...defineOps(['ArgMax', 'ArgMin'], { ...unary, quant: { X: activation, Y: none } }),
  ...defineOps(['Softmax'], { ...unary, quant: { X: activation, Y: fixed(0, 1) } }),
  ...defineOps(['Concat', 'Max', 'Min'], { ...unary, inputs: ['X*'], quant: { X: activation, Y: activation } }),
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

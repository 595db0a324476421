/** Blocks of random graphs that do not care for axes. */
import type { Value } from '../../../src/engine/ir/graph.ts'
import type { Random, State } from './builder.ts'

type Activation = (m: Random, x: Value) => Value

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  Relu: (m, x) => m.op('Relu', [x]),
  Relu6: (m, x) => m.op('Clip', [x, m.number(0), m.number(6)]),
  LeakyRelu: (m, x) => m.op('LeakyRelu', [x], { alpha: 0.1 }),
  Sigmoid: (m, x) => m.op('Sigmoid', [x]),
  Tanh: (m, x) => m.op('Tanh', [x]),
  Elu: (m, x) => m.op('Elu', [x]),
  HardSwish: (m, x) => m.op('Mul', [x, m.op('HardSigmoid', [x], { alpha: 1 / 6 })]),
  Silu: (m, x) => m.op('Mul', [x, m.op('Sigmoid', [x])]),
  Gelu: (m, x) => {
    const erf = m.op('Erf', [m.op('Div', [x, m.number(Math.SQRT2)])])
    return m.op('Mul', [m.op('Mul', [x, m.op('Add', [erf, m.number(1)])]), m.number(0.5)])
  },
  Softplus: (m, x) => m.op('Softplus', [x]),
  scaled: (m, x) => m.op('Add', [m.op('Mul', [x, m.number(1.7)]), m.number(-0.3)]),
}

/** Some activation, or the one of that name. */
export function activate(m: Random, { value, dims }: State, name = m.pick(Object.keys(ACTIVATIONS))): State {
  return { value: ACTIVATIONS[name]!(m, value), dims }
}

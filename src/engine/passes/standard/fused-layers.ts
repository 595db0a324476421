/** Layers that ONNX Runtime's optimizer joined with what follows or precedes them. Source: ONNX Runtime, docs/ContribOperators.md. */
import { float, ints } from '../../ir/build.ts'
import type { Attribute, Value } from '../../ir/graph.ts'
import type { Rewrite, Writer } from './writer.ts'

/** Attributes of the operator itself, without those of the fusion. */
const ownAttributes = ({ node }: Writer, isOwn: (name: string) => boolean): Record<string, Attribute> =>
  Object.fromEntries([...node.attributes].filter(([name]) => isOwn(name)))

/** Of each activation that a layer may hold: how it stands behind the layer, by its numbers. */
const ACTIVATIONS: Readonly<Record<string, (w: Writer, x: Value, numbers: readonly (number | undefined)[]) => Value>> =
  {
    Relu: (w, x) => w.step('Relu', [x]),
    Sigmoid: (w, x) => w.step('Sigmoid', [x]),
    Tanh: (w, x) => w.step('Tanh', [x]),
    Softplus: (w, x) => w.step('Softplus', [x]),
    Softsign: (w, x) => w.step('Softsign', [x]),
    LeakyRelu: (w, x, [alpha = 0.01]) => w.step('LeakyRelu', [x], { alpha: float(alpha) }),
    Elu: (w, x, [alpha = 1]) => w.step('Elu', [x], { alpha: float(alpha) }),
    ThresholdedRelu: (w, x, [alpha = 1]) => w.step('ThresholdedRelu', [x], { alpha: float(alpha) }),
    HardSigmoid: (w, x, [alpha = 0.2, beta = 0.5]) =>
      w.step('HardSigmoid', [x], { alpha: float(alpha), beta: float(beta) }),
    HardSwish: (w, x) => w.step('HardSwish', [x]),
    Clip: (w, x, [low = -3.4e38, high = 3.4e38]) => w.step('Clip', [x, w.number('min', low), w.number('max', high)]),
  }

/** What stands behind the layer; undefined where the activation is unknown. */
function activationOf({ node }: Writer): ((w: Writer, x: Value) => Value) | undefined {
  const name = node.string('activation', '')
  if (name === '') return (_, x) => x
  const write = ACTIVATIONS[name]
  return write && ((w, x) => write(w, x, numbersOf(w)))
}

/** FusedConv has a list of them, FusedGemm an attribute for each. */
function numbersOf({ node }: Writer): (number | undefined)[] {
  const list = node.attributes.get('activation_params')
  if (list?.kind === 'floats') return [...list.value]
  return ['alpha', 'beta', 'gamma'].map((name) => {
    const attribute = node.attributes.get(`activation_${name}`)
    return attribute?.kind === 'float' ? attribute.value : undefined
  })
}

const isOfFusion = (name: string): boolean => name.startsWith('activation')

/** activation(X ∗ W + B + Z) */
export const fusedConv: Rewrite = (w) => {
  const [x, weight, bias, sum] = w.node.inputs
  const activation = activationOf(w)
  if (!x || !weight || !activation) return null
  const inputs = bias ? [x, weight, bias] : [x, weight]
  const conv = w.step(
    'Conv',
    inputs,
    ownAttributes(w, (name) => !isOfFusion(name)),
  )
  return [activation(w, sum ? w.step('Add', [conv, sum]) : conv)]
}

/** activation(alpha · A · B + beta · C) */
export const fusedGemm: Rewrite = (w) => {
  const activation = activationOf(w)
  if (!activation) return null
  const own = ownAttributes(w, (name) => !isOfFusion(name))
  return [activation(w, w.step('Gemm', w.node.inputs, own))]
}

/** alpha · A · B, where the last two axes of each may be exchanged before. */
export const fusedMatMul: Rewrite = (w) => {
  const [a, b] = w.node.inputs
  if (!a || !b || w.node.int('transBatchA', 0) || w.node.int('transBatchB', 0)) return null
  const operands = [transposed(w, a, 'transA'), transposed(w, b, 'transB')]
  if (operands.includes(null)) return null
  const product = w.step('MatMul', operands)
  const alpha = w.node.float('alpha', 1)
  return [alpha === 1 ? product : w.step('Mul', [product, w.number('alpha', alpha)])]
}

/** A vector has nothing to exchange; null where the rank is unknown. */
function transposed(w: Writer, value: Value, attribute: string): Value | null {
  if (!w.node.int(attribute, 0)) return value
  const rank = value.shape?.length
  if (rank === undefined) return null
  if (rank < 2) return value
  const order = Array.from({ length: rank }, (_, axis) => axis)
  return w.step('Transpose', [value], { perm: ints([...order.slice(0, -2), rank - 1, rank - 2]) })
}

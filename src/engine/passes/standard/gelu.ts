/** Forms of GELU that ONNX Runtime's optimizer writes. Source: ONNX Runtime, docs/ContribOperators.md. */
import { string } from '../../ir/build.ts'
import type { Value } from '../../ir/graph.ts'
import type { Rewrite, Writer } from './writer.ts'

/** the operator set that brought Gelu */
const HAS_GELU = 20

const biased = (w: Writer): Value | null => {
  const [x, bias] = w.node.inputs
  return x && bias ? w.step('Add', [x, bias]) : (x ?? null)
}

/** ½ · y · (1 + erf(y ÷ √2)) of y = x + bias */
export const biasGelu: Rewrite = (w) => {
  const y = biased(w)
  if (!y) return null
  if (w.opset >= HAS_GELU) return [w.step('Gelu', [y])]
  const error = w.step('Erf', [w.step('Div', [y, w.number('root', Math.SQRT2)])])
  return [half(w, y, error)]
}

/** ½ · y · (1 + tanh(√(2 ÷ π) · (y + 0.044715 · y³))) of y = x + bias */
export const fastGelu: Rewrite = (w) => {
  const y = biased(w)
  if (!y) return null
  if (w.opset >= HAS_GELU) return [w.step('Gelu', [y], { approximate: string('tanh') })]
  const cube = w.step('Mul', [w.step('Pow', [y, w.number('three', 3)]), w.number('small', 0.044715)])
  const inner = w.step('Mul', [w.step('Add', [y, cube]), w.number('slope', Math.sqrt(2 / Math.PI))])
  return [half(w, y, w.step('Tanh', [inner]))]
}

/** ½ · y · (1 + gate) */
const half = (w: Writer, y: Value, gate: Value): Value =>
  w.step('Mul', [w.step('Mul', [y, w.step('Add', [gate, w.number('one', 1)])]), w.number('half', 0.5)])

/** x · σ(alpha · x) */
export const quickGelu: Rewrite = (w) => {
  const [x] = w.node.inputs
  if (!x) return null
  const alpha = w.node.float('alpha', 1.702)
  const gate = w.step('Sigmoid', [alpha === 1 ? x : w.step('Mul', [x, w.number('alpha', alpha)])])
  return [w.step('Mul', [x, gate])]
}

/**
 * GroupNormalization as InstanceNormalization over groups, as exporters wrote it before ONNX had the operator. ONNX Runtime has no kernel
 * of it and inlines its definition: squares, roots and an epsilon that no integer holds.
 */
import { float } from '../../ir/build.ts'
import type { Dim, Value } from '../../ir/graph.ts'
import type { Rewrite, Writer } from './writer.ts'

/** the operator set since which scale and bias are those of channels; before, those of groups */
const PER_CHANNEL = 21

/** Needs the shape of what the node reads. */
export const groupNorm: Rewrite = (w) => {
  const [x, scale, bias] = w.node.inputs
  const groups = w.node.int('num_groups')
  if (!x?.shape || x.shape.length < 2 || !scale || !bias || !groups) return null
  const perChannel = w.opset >= PER_CHANNEL
  const grouped = w.step('Reshape', [x, w.ints('groups', [0, groups, -1])])
  const affine = perChannel ? unit(w, groups) : [scale, bias]
  const epsilon = float(w.node.float('epsilon', 1e-5))
  const normal = w.step('InstanceNormalization', [grouped, ...affine], { epsilon })
  const whole = w.step('Reshape', [normal, shapeOf(w, x, x.shape)])
  return [perChannel ? scaleChannels(w, whole, [scale, bias], x.shape.length) : whole]
}

/** Scale and bias that change nothing. */
const unit = (w: Writer, length: number): Value[] =>
  [1, 0].map((number) => w.floats(number ? 'one' : 'zero', new Float32Array(length).fill(number)))

function scaleChannels(w: Writer, value: Value, affine: readonly Value[], rank: number): Value {
  const column = w.ints('column', [-1, ...Array.from({ length: rank - 2 }, () => 1)])
  const [factor, offset] = affine.map((one) => w.step('Reshape', [one, column]))
  return w.step('Add', [w.step('Mul', [value, factor!]), offset!])
}

/** The shape of x for a value [N, groups, rest]: constant as long as one dimension at most is free besides the first. */
function shapeOf(w: Writer, x: Value, shape: readonly Dim[]): Value {
  const dims = shape.map((dim, axis) => (axis === 0 ? 0 : typeof dim === 'number' ? dim : -1))
  return dims.filter((dim) => dim === -1).length > 1 ? w.step('Shape', [x]) : w.ints('whole', dims)
}

/** Attributes that hold float32 numbers, or name their type, in half precision. */

import { int } from '../../ir/build.ts'
import { codeOf } from '../../ir/dtype.ts'
import { toFloat16 } from '../../ir/float16.ts'
import type { Attribute, Node } from '../../ir/graph.ts'
import type { ByOperator, Operator } from '../../ir/operators.ts'
import { float32, type Tensor, tensorOf, view } from '../../ir/tensor.ts'
import type { Float16Options } from './options.ts'

const FLOAT32 = codeOf('float32')
const FLOAT16 = codeOf('float16')

type Bounds = Pick<Float16Options, 'smallest' | 'largest'>

/** The constant in half precision, its magnitudes brought between the bounds. Source: convert_np_to_float16. */
export function halfOf(tensor: Tensor, bounds: Bounds): Tensor {
  const values = view(tensor, 'float32')
  return tensorOf('float16', tensor.shape, toFloat16(values.map(clampTo(bounds))))
}

function clampTo(bounds: Bounds): (x: number) => number {
  const [smallest, largest] = [Math.fround(bounds.smallest), Math.fround(bounds.largest)]
  return (x) => {
    const size = Math.abs(x)
    if (size > largest && size < Number.POSITIVE_INFINITY) return Math.sign(x) * largest
    return size > 0 && size < smallest ? Math.sign(x) * smallest : x
  }
}

/** attributes that name a type, by operator */
const TYPE_NAMES: ByOperator<string> = {
  Cast: 'to',
  EyeLike: 'dtype',
  Multinomial: 'dtype',
  RandomNormal: 'dtype',
  RandomNormalLike: 'dtype',
  RandomUniform: 'dtype',
  RandomUniformLike: 'dtype',
  SequenceEmpty: 'dtype',
  Bernoulli: 'dtype',
}
/** those whose output is float32 where the attribute is absent */
const FLOAT_BY_DEFAULT: readonly Operator[] = ['RandomNormal', 'RandomUniform', 'SequenceEmpty']

/** Changes a node that computes in float16 from here on. */
export function halveAttributes(node: Node, bounds: Bounds): void {
  halveType(node)
  for (const [name, attribute] of node.attributes) node.attributes.set(name, halved(attribute, bounds))
  halveNumbers(node, bounds)
}

function halveType(node: Node): void {
  const name = TYPE_NAMES[node.opType]
  if (!name) return
  const named = node.int(name)
  if (named === FLOAT32 || (named === undefined && FLOAT_BY_DEFAULT.includes(node.opType)))
    node.attributes.set(name, int(FLOAT16))
}

const isSingle = ({ dtype }: Tensor): boolean => dtype === 'float32'

function halved(attribute: Attribute, bounds: Bounds): Attribute {
  const half = (tensor: Tensor) => (isSingle(tensor) ? halfOf(tensor, bounds) : tensor)
  if (attribute.kind === 'tensor') return { kind: 'tensor', value: half(attribute.value) }
  return attribute.kind === 'tensors' ? { kind: 'tensors', value: attribute.value.map(half) } : attribute
}

/** Constants without a tensor are float32 by definition; onnxruntime writes a file here that does not load. */
function halveNumbers(node: Node, bounds: Bounds): void {
  if (node.domain !== '') return
  const content = node.opType === 'Constant' ? numbersOf(node) : node.opType === 'ConstantOfShape' ? ZERO : null
  if (!content || node.attributes.has('value')) return
  for (const name of NUMBERS) node.attributes.delete(name)
  node.attributes.set('value', { kind: 'tensor', value: halfOf(content, bounds) })
}

const NUMBERS = ['value_float', 'value_floats']
const ZERO = float32([1], [0])

function numbersOf({ attributes }: Node): Tensor | null {
  const [one, many] = NUMBERS.map((name) => attributes.get(name))
  if (one?.kind === 'float') return float32([], [one.value])
  return many?.kind === 'floats' ? float32([many.value.length], many.value) : null
}

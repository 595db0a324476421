/** Collects the nodes of a backward pass, with the dtype and shape of everything it makes; nothing reaches the graph before `commit`. */

import { int, ints } from '../../ir/build.ts'
import type { DType } from '../../ir/dtype.ts'
import { toFloat16 } from '../../ir/float16.ts'
import { type Attribute, allGraphs, type Dim, type Graph, Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import type { Operator } from '../../ir/operators.ts'
import { bytesOf, int64, type Tensor, tensorOf, view } from '../../ir/tensor.ts'
import {
  broadcast,
  isFixed,
  matMulShape,
  normalAxis,
  range,
  reduceShape,
  type Shape,
  sizeOfDims,
  slicedDim,
} from './shapes.ts'

export interface Emitted {
  domain?: string
  attributes?: Record<string, Attribute>
  dtype?: DType
  shape?: Shape
}

type Inputs = readonly (Value | null)[]

const FLOATS = ['float32', 'float64', 'float16', 'bfloat16']

/** Whether a value can carry a gradient; an unknown dtype counts as float. */
export const isFloat = (value: Value): boolean => value.dtype === undefined || FLOATS.includes(value.dtype)

export class Emitter {
  readonly #graph: Graph
  readonly #names: Set<string>
  readonly #nodes: Node[] = []
  readonly #constants = new Map<string, Value>()
  readonly #undo: (() => void)[] = []
  readonly #newOutputs: { node: Node; index: number; value: Value }[] = []
  #count = 0

  constructor(graph: Graph) {
    this.#graph = graph
    this.#names = namesOf(graph)
  }

  /** Puts what `results` need into the graph and drops the rest. */
  commit(results: readonly Value[]): void {
    const needed = ancestors(results, new Set(this.#nodes))
    for (const node of this.#nodes) {
      if (needed.has(node)) this.#graph.addNode(node)
      else node.disconnect()
    }
    const kept = new Set(results)
    for (const value of this.#constants.values())
      if (value.consumers.size > 0 || kept.has(value)) this.#graph.addInitializer(value)
    for (const { node, index, value } of this.#newOutputs)
      if (value.consumers.size === 0 && !kept.has(value)) node.setOutput(index, null)
  }

  /** Leaves the graph as it was. */
  discard(): void {
    for (const node of this.#nodes) node.disconnect()
    for (const undo of this.#undo) undo()
  }

  /** A name nobody has: all begin with `gradient/`. */
  name(base: string): string {
    let name: string
    do name = `gradient/${base}_${this.#count++}`
    while (this.#names.has(name))
    this.#names.add(name)
    return name
  }

  /** A node with one output; dtype by default that of its first input. */
  node(opType: Operator, inputs: Inputs, emitted: Emitted = {}): Value {
    return at(this.nodes(opType, inputs, [emitted], emitted), 0)
  }

  /** A node with several outputs. */
  nodes(
    opType: Operator,
    inputs: Inputs,
    types: readonly Emitted[],
    { domain = '', attributes = {} }: Emitted,
  ): Value[] {
    const name = this.name(opType)
    const dtype = inputs[0]?.dtype
    const outputs = types.map((type) => new Value(this.name(`${opType}_output`), type.dtype ?? dtype, type.shape))
    this.#nodes.push(new Node(name, opType, domain, inputs, outputs, new Map(Object.entries(attributes))))
    return outputs
  }

  /** An optional output of a node of the forward pass, added where the node does not compute it yet. */
  output(node: Node, index: number, dtype: DType | undefined, shape: Shape | undefined): Value {
    const present = node.outputs[index]
    if (present) return present
    while (node.outputs.length < index) node.addOutput(null)
    const value = new Value(this.name(`${node.opType}_output`), dtype, shape)
    node.setOutput(index, value)
    this.#newOutputs.push({ node, index, value })
    this.#undo.push(() => node.setOutput(index, null))
    return value
  }

  constant(tensor: Tensor): Value {
    const key = `${tensor.dtype}[${tensor.shape.join(',')}] ${Buffer.from(bytesOf(tensor)).toString('base64')}`
    const found = this.#constants.get(key)
    if (found) return found
    const value = new Value(this.name('constant'), tensor.dtype, tensor.shape, tensor)
    this.#constants.set(key, value)
    return value
  }

  /** Numbers of the element type of `like`. */
  numbers(values: readonly number[], shape: readonly number[], like: Value): Value {
    return this.constant(floats(values, shape, like.dtype ?? 'float32'))
  }
  scalar(value: number, like: Value): Value {
    return this.numbers([value], [], like)
  }
  int64s(values: readonly number[]): Value {
    return this.constant(int64([values.length], values))
  }

  int64Scalar(value: number): Value {
    return this.constant(int64([], [value]))
  }
  float32s(values: readonly number[]): Value {
    return this.constant(floats(values, [values.length], 'float32'))
  }

  // elements
  #broadcast(opType: Operator, inputs: readonly Value[], dtype = at(inputs, 0).dtype): Value {
    return this.node(opType, inputs, { dtype, shape: broadcast(inputs.map(({ shape }) => shape)) })
  }
  add(a: Value, b: Value): Value {
    return this.#broadcast('Add', [a, b])
  }
  sub(a: Value, b: Value): Value {
    return this.#broadcast('Sub', [a, b])
  }
  mul(a: Value, b: Value): Value {
    return this.#broadcast('Mul', [a, b])
  }
  div(a: Value, b: Value): Value {
    return this.#broadcast('Div', [a, b])
  }
  pow(a: Value, b: Value): Value {
    return this.#broadcast('Pow', [a, b])
  }
  /** Any number of values of one shape. */
  sum(values: readonly Value[]): Value {
    const [a, b] = values
    if (a && !b) return a
    return a && b && values.length === 2 ? this.add(a, b) : this.#broadcast('Sum', values)
  }
  scale(x: Value, factor: number): Value {
    return factor === 1 ? x : this.mul(x, this.scalar(factor, x))
  }
  shift(x: Value, offset: number): Value {
    return this.add(x, this.scalar(offset, x))
  }
  square(x: Value): Value {
    return this.mul(x, x)
  }
  /** An elementwise operator of one input: Neg, Exp, Sqrt, Sigmoid, … */
  unary(opType: Operator, x: Value): Value {
    return this.node(opType, [x], { shape: x.shape })
  }
  /** Greater, GreaterOrEqual, Less, LessOrEqual, Equal, And, Or */
  compare(opType: Operator, a: Value, b: Value): Value {
    return this.#broadcast(opType, [a, b], 'bool')
  }
  where(condition: Value, a: Value, b: Value): Value {
    return this.#broadcast('Where', [condition, a, b], a.dtype)
  }
  /** `x` where the condition holds, else 0 */
  keep(condition: Value, x: Value): Value {
    return this.where(condition, x, this.scalar(0, x))
  }
  cast(x: Value, dtype: DType): Value {
    const to = { float32: 1, int64: 7, bool: 9, float16: 10, float64: 11, bfloat16: 16, int32: 6 }[dtype as 'float32']
    return x.dtype === dtype ? x : this.node('Cast', [x], { dtype, shape: x.shape, attributes: { to: int(to) } })
  }
  castLike(x: Value, like: Value): Value {
    return this.cast(x, like.dtype ?? 'float32')
  }

  // products
  matMul(a: Value, b: Value): Value {
    return this.node('MatMul', [a, b], { shape: matMulShape(a.shape, b.shape) })
  }
  /** alpha · op(a) · op(b) of two matrices */
  gemm(a: Value, b: Value, { transA = 0, transB = 0, alpha = 1 } = {}): Value {
    const shape = a.shape && b.shape && [at(a.shape, transA), at(b.shape, 1 - transB)]
    return this.node('Gemm', [a, b], {
      shape,
      attributes: { transA: int(transA), transB: int(transB), alpha: { kind: 'float', value: alpha } },
    })
  }

  // reductions
  reduceSum(x: Value, axes: readonly number[], keepdims = true): Value {
    if (axes.length === 0) return x
    return this.node('ReduceSum', [x, this.int64s(axes)], {
      shape: reduceShape(x.shape, axes, keepdims),
      attributes: { keepdims: int(keepdims ? 1 : 0) },
    })
  }
  /** The sum of all elements, as a scalar. */
  reduceAll(x: Value): Value {
    return this.node('ReduceSum', [x], { shape: [], attributes: { keepdims: int(0) } })
  }
  /** Sums leading axes until `rank` are left. */
  sumToRank(x: Value, rank: number): Value {
    return this.reduceSum(x, range(Math.max(0, (x.shape?.length ?? rank) - rank)), false)
  }
  /** Mean over axes of a value of known rank. */
  mean(x: Value, axes: readonly number[], keepdims = true): Value {
    return this.div(this.reduceSum(x, axes, keepdims), this.count(x, axes))
  }
  /** How many elements lie along the axes: a scalar like `x`, computed at run time where it must. */
  count(x: Value, axes: readonly number[]): Value {
    const dims = axes.map((axis) => x.shape?.[normalAxis(axis, x.shape.length)] ?? null)
    const size = sizeOfDims(dims)
    if (size !== null) return this.scalar(size, x)
    const sizes = this.node('Gather', [this.shapeOf(x), this.int64s(axes)], { shape: [axes.length] })
    return this.castLike(this.node('ReduceProd', [sizes], { shape: [], attributes: { keepdims: int(0) } }), x)
  }

  // movement
  transpose(x: Value, perm: readonly number[]): Value {
    if (perm.every((axis, i) => axis === i)) return x
    return this.node('Transpose', [x], {
      shape: perm.map((axis) => x.shape?.[axis] ?? null),
      attributes: { perm: ints(perm) },
    })
  }
  /** Exchanges the last two axes. */
  transposeLast(x: Value, rank: number): Value {
    return this.transpose(x, [...range(rank - 2), rank - 1, rank - 2])
  }
  /** At most one dimension is free, or the free ones stay at the axis where they are in `x`. */
  reshape(x: Value, shape: Shape): Value {
    if (sameShape(x.shape, shape)) return x
    const free = shape.filter((dim) => typeof dim !== 'number').length
    const target = shape.map((dim, i) =>
      typeof dim === 'number' ? dim : free > 1 && typeof dim === 'string' && dim === x.shape?.[i] ? 0 : -1,
    )
    return this.node('Reshape', [x, this.int64s(target)], { shape })
  }
  /** All leading axes merged into one. */
  asMatrix(x: Value): Value {
    if (x.shape?.length === 2) return x
    const last = x.shape?.at(-1) ?? null
    if (typeof last === 'number') return this.reshape(x, [x.shape ? sizeOfDims(x.shape.slice(0, -1)) : null, last])
    const dims = this.concat([this.int64s([-1]), this.dimsOf(x, [(x.shape?.length ?? 1) - 1])], 0)
    return this.node('Reshape', [x, dims], { shape: [null, last] })
  }
  /** The elements of `x` in the shape of `like`. */
  reshapeLike(x: Value, like: Value): Value {
    const { shape } = like
    if (shape && sameShape(x.shape, shape)) return x
    const free = shape?.filter((dim) => typeof dim !== 'number').length ?? 2
    if (shape && free <= 1 && !shape.includes(0)) return this.reshape(x, shape)
    return this.node('Reshape', [x, this.shapeOf(like)], { shape })
  }
  expandLike(x: Value, like: Value): Value {
    if (sameShape(x.shape, like.shape)) return x
    return this.node('Expand', [x, this.shapeOf(like)], { shape: like.shape })
  }
  /** The shape at run time; a constant where it is known. */
  shapeOf(x: Value): Value {
    if (isFixed(x.shape)) return this.int64s(x.shape)
    return this.node('Shape', [x], { dtype: 'int64', shape: x.shape && [x.shape.length] })
  }
  /** Entries of the run-time shape, as a vector. */
  dimsOf(x: Value, axes: readonly number[]): Value {
    const dims = axes.map((axis) => x.shape?.[axis] ?? null)
    if (isFixed(dims)) return this.int64s(dims)
    return this.node('Gather', [this.shapeOf(x), this.int64s(axes)], { shape: [axes.length] })
  }
  /** Number of elements at run time, as a vector of one. */
  sizeOf(x: Value): Value {
    const size = x.shape ? sizeOfDims(x.shape) : null
    if (size !== null) return this.int64s([size])
    const flat = this.node('Size', [x], { dtype: 'int64', shape: [] })
    return this.node('Reshape', [flat, this.int64s([1])], { shape: [1] })
  }
  zerosLike(x: Value): Value {
    return this.filled(this.shapeOf(x), x.shape, 0, x)
  }
  /** `value` in a shape that may be computed at run time. */
  filled(dims: Value, shape: Shape | undefined, value: number, like: Value): Value {
    return this.node('ConstantOfShape', [dims], {
      dtype: like.dtype,
      shape,
      attributes: { value: { kind: 'tensor', value: floats([value], [1], like.dtype ?? 'float32') } },
    })
  }
  slice(
    x: Value,
    starts: readonly number[],
    ends: readonly number[],
    axes: readonly number[],
    steps: readonly number[] = axes.map(() => 1),
  ): Value {
    const shape = x.shape?.map((dim, i) => {
      const cut = axes.indexOf(i)
      return cut < 0 ? dim : slicedDim(dim, at(starts, cut), at(ends, cut), at(steps, cut))
    })
    const inputs = [starts, ends, axes, ...(steps.some((step) => step !== 1) ? [steps] : [])]
    return this.node('Slice', [x, ...inputs.map((list) => this.int64s(list))], { shape })
  }
  /** The order of the elements along the axes, reversed. */
  reverse(x: Value, axes: readonly number[]): Value {
    const turned = axes.filter((axis) => x.shape?.[axis] !== 1)
    if (turned.length === 0) return x
    const inputs = [turned.map(() => -1), turned.map(() => -(2 ** 31)), turned, turned.map(() => -1)]
    return this.node('Slice', [x, ...inputs.map((list) => this.int64s(list))], { shape: x.shape })
  }
  split(x: Value, axis: number, sizes: readonly number[]): Value[] {
    const types = sizes.map((size) => ({ shape: x.shape?.map((dim, i): Dim => (i === axis ? size : dim)) }))
    return this.nodes('Split', [x, this.int64s(sizes)], types, { attributes: { axis: int(axis) } })
  }
  concat(values: readonly Value[], axis: number): Value {
    if (values.length === 1) return at(values, 0)
    const along = sum(values.map(({ shape }) => shape?.[axis] ?? null))
    const shape = at(values, 0).shape?.map((dim, i) => (i === axis ? along : dim))
    return this.node('Concat', values, { shape, attributes: { axis: int(axis) } })
  }
  /** Zeros around `x`; a negative number crops. */
  pad(x: Value, begins: readonly number[], ends: readonly number[]): Value {
    if ([...begins, ...ends].every((n) => n === 0)) return x
    const shape = x.shape?.map((dim, i) =>
      typeof dim === 'number' ? dim + at(begins, i) + at(ends, i) : at(begins, i) + at(ends, i) === 0 ? dim : null,
    )
    return this.node('Pad', [x, this.int64s([...begins, ...ends])], { shape })
  }
  /** Adds `updates` to zeros shaped like `like`, each at its index along the axis. */
  scatterAdd(like: Value, indices: Value, updates: Value, axis: number): Value {
    return this.node('ScatterElements', [this.zerosLike(like), indices, updates], {
      shape: like.shape,
      attributes: { axis: int(axis), reduction: { kind: 'string', value: 'add' } },
    })
  }
  unsqueeze(x: Value, axes: readonly number[]): Value {
    const rank = (x.shape?.length ?? 0) + axes.length
    const rest = [...(x.shape ?? [])]
    const shape = x.shape && range(rank).map((i) => (axes.includes(i) ? 1 : (rest.shift() as Dim)))
    return this.node('Unsqueeze', [x, this.int64s(axes)], { shape })
  }
  squeeze(x: Value, axes: readonly number[]): Value {
    const shape = x.shape?.filter((_, i) => !axes.includes(i))
    return this.node('Squeeze', [x, this.int64s(axes)], { shape })
  }
}

/** The constant content of an input: an initializer, or what a Constant node holds. */
export function constantOf(value: Value | null | undefined): Tensor | undefined {
  if (value?.tensor) return value.tensor
  return value?.producer?.opType === 'Constant' ? value.producer.tensor('value') : undefined
}

/** Integers of a constant input, or undefined when it is computed. */
export function constantInts(value: Value | null | undefined): number[] | undefined {
  const tensor = constantOf(value)
  if (tensor?.dtype === 'int64') return [...view(tensor, 'int64')].map(Number)
  return tensor?.dtype === 'int32' ? [...view(tensor, 'int32')] : undefined
}

export const sameShape = (a: Shape | undefined, b: Shape | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((dim, i) => dim !== null && dim === b[i])

const sum = (dims: readonly Dim[]): Dim => (isFixed(dims) ? dims.reduce((a, b) => a + b, 0) : null)

function floats(values: readonly number[], shape: readonly number[], dtype: DType): Tensor {
  if (dtype === 'float64') return tensorOf(dtype, shape, Float64Array.from(values))
  if (dtype === 'float16') return tensorOf(dtype, shape, toFloat16(values))
  return tensorOf('float32', shape, Float32Array.from(values))
}

function namesOf(graph: Graph): Set<string> {
  const names = new Set<string>()
  for (const inner of allGraphs(graph)) {
    for (const { name } of [...inner.inputs, ...inner.initializers]) names.add(name)
    for (const node of inner.nodes)
      for (const { name } of [node, ...node.outputs.filter((v) => v !== null)]) names.add(name)
  }
  return names
}

function ancestors(results: readonly Value[], among: ReadonlySet<Node>): Set<Node> {
  const found = new Set<Node>()
  const stack = results.flatMap(({ producer }) => producer ?? [])
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (found.has(node) || !among.has(node)) continue
    found.add(node)
    for (const value of node.inputs) if (value?.producer) stack.push(value.producer)
  }
  return found
}

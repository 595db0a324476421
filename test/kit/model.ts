/** Small models made on the spot, as the bytes of ONNX files. */

import { randomSource } from '../../src/engine/data/synthetic.ts'
import { addInitializer, addNode, int, ints, type NodeOptions } from '../../src/engine/ir/build.ts'
import type { DType } from '../../src/engine/ir/dtype.ts'
import { type Dim, Graph, type Model, Node, Value } from '../../src/engine/ir/graph.ts'
import { operatorCalled } from '../../src/engine/ir/operators.ts'
import { float32, int64, scalar, type Tensor, tensorOf } from '../../src/engine/ir/tensor.ts'
import { encodeModel } from '../../src/engine/onnx/index.ts'

export interface Builder {
  model: Model
  input(name: string, shape: readonly Dim[], dtype?: DType): Value
  constant(name: string, tensor: Tensor): Value
  /** normally distributed float32 weights */
  weight(name: string, shape: readonly number[], spread?: number): Value
  /** a value that nobody has yet */
  fresh(name: string): Value
  node(opType: string, inputs: (Value | null)[], options?: NodeOptions): Value
  output(value: Value, name: string, shape?: readonly Dim[], dtype?: DType): void
  bytes(): Uint8Array
}

export function buildModel(opset = 17, seed = 1): Builder {
  const graph = new Graph('test')
  const model: Model = {
    irVersion: 8,
    opsets: new Map([['', opset]]),
    graph,
    names: new Set(),
    suffixes: new Map(),
    producer: 'fewbit-test',
    metadata: new Map(),
    functions: [],
  }
  const random = randomSource(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const constant = (name: string, tensor: Tensor) => addInitializer(model, graph, name, tensor)
  return {
    model,
    constant,
    input(name, shape, dtype = 'float32') {
      const value = new Value(name, dtype, shape)
      model.names.add(name)
      graph.inputs.push(value)
      return value
    },
    weight(name, shape, spread = 0.3) {
      const count = shape.reduce((a, b) => a * b, 1)
      return constant(
        name,
        float32(
          shape,
          Float32Array.from({ length: count }, () => spread * normal()),
        ),
      )
    },
    fresh(name) {
      model.names.add(name)
      return new Value(name)
    },
    node: (opType, inputs, options = {}) => addNode(model, graph, operatorCalled(opType), inputs, options),
    output(value, name, shape, dtype = 'float32') {
      if (value.producer) {
        const named = new Value(name, dtype, shape)
        value.producer.setOutput(value.producer.outputs.indexOf(value), named)
        for (const reader of [...value.consumers.keys()]) {
          reader.inputs.forEach((input, i) => {
            if (input === value) reader.setInput(i, named)
          })
        }
        model.names.add(name)
        graph.outputs.push(named)
      } else graph.outputs.push(value)
    },
    bytes: () => encodeModel(model),
  }
}

export const IMAGE = [3, 16, 16] as const
export const CLASSES = 10

/** Conv, BatchNormalization, Relu, a residual, pooling, Gemm: input x [N,3,16,16], output y [N,10]. */
export function convNet({ opset = 17, seed = 1, width = 16 } = {}): Uint8Array {
  const m = buildModel(opset, seed)
  const x = m.input('x', ['N', ...IMAGE])
  const ones = (value: number) => float32([width], new Float32Array(width).fill(value))
  const conv = (input: Value, name: string, channels: number) =>
    m.node('Conv', [input, m.weight(`${name}.weight`, [width, channels, 3, 3]), m.weight(`${name}.bias`, [width])], {
      name,
      attributes: { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) },
    })
  const bn = m.node(
    'BatchNormalization',
    [
      conv(x, 'stem', 3),
      m.constant('bn.scale', ones(1.5)),
      m.constant('bn.b', ones(0.1)),
      m.constant('bn.mean', ones(0.2)),
      m.constant('bn.var', ones(2)),
    ],
    { name: 'bn' },
  )
  const first = m.node('Relu', [bn], { name: 'relu1' })
  const second = m.node('Relu', [m.node('Add', [conv(first, 'block', width), first], { name: 'add' })], {
    name: 'relu2',
  })
  const pooled = m.node('Flatten', [m.node('GlobalAveragePool', [second], { name: 'pool' })], { name: 'flatten' })
  const y = m.node('Gemm', [pooled, m.weight('head.weight', [CLASSES, width]), m.weight('head.bias', [CLASSES])], {
    name: 'head',
    attributes: { transB: int(1) },
  })
  m.output(y, 'y', ['N', CLASSES])
  return m.bytes()
}

/** Two layers: input x [N,8], output y [N,4]. */
export function mlp(seed = 1): Uint8Array {
  const m = buildModel(17, seed)
  const x = m.input('x', ['N', 8])
  const hidden = m.node('Relu', [m.node('MatMul', [x, m.weight('w1', [8, 16])], { name: 'm1' })], { name: 'r1' })
  m.output(m.node('MatMul', [hidden, m.weight('w2', [16, 4])], { name: 'm2' }), 'y', ['N', 4])
  return m.bytes()
}

/** A MatMul whose result goes through a Loop that never ends: input x [N,8], output y [N,8]. */
export function endlessLoop(): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', 8])
  const start = m.node('MatMul', [x, m.weight('w', [8, 8])], { name: 'm' })
  const forever = m.constant('trips', tensorOf('int64', [], BigInt64Array.of(2n ** 62n)))
  const go = m.constant('go', tensorOf('bool', [], Uint8Array.of(1)))
  const body = new Graph('body')
  const [iteration, condition, state] = [
    new Value('i', 'int64', []),
    new Value('cond', 'bool', []),
    new Value('state', 'float32', ['N', 8]),
  ]
  body.inputs.push(iteration!, condition!, state!)
  const [stillGoing, next] = [new Value('cond_out', 'bool', []), new Value('state_out', 'float32', ['N', 8])]
  body.addNode(new Node('keep', 'Identity', '', [condition!], [stillGoing!]))
  body.addNode(new Node('step', 'Tanh', '', [state!], [next!]))
  body.outputs.push(stillGoing!, next!)
  const y = m.node('Loop', [forever, go, start], { name: 'loop', attributes: { body: { kind: 'graph', value: body } } })
  m.output(y, 'y', ['N', 8])
  return m.bytes()
}

/** Expands its input to `gigabytes` GiB: x [N,8] → y [1]. */
export function hungry(gigabytes: number): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', 8])
  const product = m.node('MatMul', [x, m.weight('w', [8, 8])], { name: 'm' })
  const small = m.node('ReduceMax', [product], { name: 'top', attributes: { keepdims: int(0) } })
  const shape = m.constant('shape', int64([2], [gigabytes * 1024, 262_144]))
  const big = m.node('Expand', [small, shape], { name: 'expand' })
  m.output(
    m.node('ReduceMax', [m.node('Add', [big, m.constant('one', scalar(1))], { name: 'more' })], {
      name: 'reduce',
      attributes: { keepdims: int(0) },
    }),
    'y',
    [],
  )
  return m.bytes()
}

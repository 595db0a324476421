/** A decoder-only transformer of any size, written to disk without ever lying in memory. */

import { join } from 'node:path'
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { addInitializer, addNode, float, int, ints } from '../../src/engine/ir/build.ts'
import { Graph, type Model, Value } from '../../src/engine/ir/graph.ts'
import type { Operator } from '../../src/engine/ir/operators.ts'
import { float32, int64, tensorOf } from '../../src/engine/ir/tensor.ts'
import { saveModel } from '../../src/engine/onnx/index.ts'
import { openWorkspace } from '../../src/engine/runtime/workspace.ts'

export interface Size {
  layers: number
  width: number
  heads: number
  vocabulary: number
}

/** numbers that all weights are cut from, each at a place of its own */
const POOL = 1 << 24

/** Writes `model.onnx` with the weights in `model.onnx.data`: tokens int64 [1, length] → logits [1, length, vocabulary]. */
export function writeTransformer(directory: string, { layers, width, heads, vocabulary }: Size): string {
  const workspace = openWorkspace(directory)
  const graph = new Graph('transformer')
  const model: Model = {
    irVersion: 9,
    opsets: new Map([['', 20]]),
    graph,
    names: new Set(['tokens', 'logits']),
    suffixes: new Map(),
    producer: 'fewbit-bench',
    metadata: new Map(),
    functions: [],
    keep: workspace.keep,
  }
  const weight = weightSource(model)
  const node = (opType: Operator, inputs: Value[], attributes = {}, name: string = opType) =>
    addNode(model, graph, opType, inputs, { name, attributes })
  const constant = (name: string, values: number[]) =>
    addInitializer(model, graph, name, int64([values.length], values))
  const norm = (x: Value, name: string) => {
    const [scale, shift] = [1, 0].map((fill) => float32([width], new Float32Array(width).fill(fill)))
    const parameters = [
      addInitializer(model, graph, `${name}.scale`, scale!),
      addInitializer(model, graph, `${name}.shift`, shift!),
    ]
    return node('LayerNormalization', [x, ...parameters], { axis: int(-1), epsilon: float(1e-5) }, name)
  }
  const product = (x: Value, name: string, from: number, to: number) =>
    node('MatMul', [x, weight(`${name}.weight`, [from, to], 1 / Math.sqrt(from))], {}, name)
  const toHeads = constant('to_heads', [0, 0, heads, width / heads])
  const fromHeads = constant('from_heads', [0, 0, width])
  const scale = addInitializer(model, graph, 'attention_scale', float32([], [1 / Math.sqrt(width / heads)]))

  const attention = (x: Value, name: string) => {
    const split = (part: string, perm: number[]) =>
      node('Transpose', [node('Reshape', [product(x, `${name}.${part}`, width, width), toHeads])], { perm: ints(perm) })
    const [query, key, value] = [split('query', [0, 2, 1, 3]), split('key', [0, 2, 3, 1]), split('value', [0, 2, 1, 3])]
    const scores = node('Softmax', [node('Mul', [node('MatMul', [query, key]), scale])], { axis: int(-1) })
    const mixed = node('Transpose', [node('MatMul', [scores, value])], { perm: ints([0, 2, 1, 3]) })
    return product(node('Reshape', [mixed, fromHeads]), `${name}.out`, width, width)
  }
  const feedForward = (x: Value, name: string) =>
    product(node('Gelu', [product(x, `${name}.up`, width, 4 * width)]), `${name}.down`, 4 * width, width)

  const tokens = new Value('tokens', 'int64', [1, 'length'])
  graph.inputs.push(tokens)
  let x = node('Gather', [weight('embedding', [vocabulary, width], 1), tokens], {}, 'embedding')
  for (let layer = 0; layer < layers; layer++) {
    const name = `layer${layer}`
    x = node('Add', [x, attention(norm(x, `${name}.norm1`), `${name}.attention`)])
    x = node('Add', [x, feedForward(norm(x, `${name}.norm2`), `${name}.mlp`)])
  }
  const logits = product(norm(x, 'norm'), 'head', width, vocabulary)
  logits.name = 'logits'
  logits.dtype = 'float32'
  logits.shape = [1, 'length', vocabulary]
  graph.outputs.push(logits)
  const path = join(directory, 'model.onnx')
  saveModel(model, path, { mostBytes: 0 })
  return path
}

function weightSource(model: Model) {
  const random = randomSource(1)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const pool = Float32Array.from({ length: POOL }, normal)
  return (name: string, shape: readonly number[], spread: number): Value => {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
    let from = Math.floor(random() * POOL)
    for (let i = 0; i < values.length; i++) {
      values[i] = spread * pool[from]!
      from = from + 1 === POOL ? 0 : from + 1
    }
    return addInitializer(model, model.graph, name, tensorOf('float32', shape, values))
  }
}

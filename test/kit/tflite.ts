/** Models of one operator, in float and between pairs, and models run in LiteRT. */
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { int } from '../../src/engine/ir/build.ts'
import type { Model, Value } from '../../src/engine/ir/graph.ts'
import { memorySink } from '../../src/engine/ir/sink.ts'
import { elementCount, float32, scalar, type Tensor, tensorOf, view } from '../../src/engine/ir/tensor.ts'
import { inputRole, type OpDef } from '../../src/engine/ops/define.ts'
import { applyTypes, inferTypes } from '../../src/engine/prepare/types.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import type { RunTensor } from '../../src/engine/runtime/runtime.ts'
import { openWorkspace } from '../../src/engine/runtime/workspace.ts'
import {
  type ConvertOptions,
  lowerGraph,
  measureNetwork,
  type Network,
  openLitert,
  openSession,
} from '../../src/engine/tflite/index.ts'
import { addExample, type Input, inputsOf, type ParsedExample } from './example.ts'
import { type Builder, buildModel } from './model.ts'
import { inDirectory, withModel } from './run.ts'

export type Feeds = Record<string, RunTensor>
export type Results = Record<string, RunTensor>

/** Types of every value, as ONNX Runtime infers them, in the model itself. */
export const typed = (model: Model): Promise<Model> =>
  inDirectory(async (directory) => {
    applyTypes(model, await inferTypes(model, openRuntime(1), openWorkspace(directory), { aside: false }))
    return model
  })

export function fileOf(network: Network): Uint8Array {
  const { size, write } = measureNetwork(network, { producer: 'test', metadata: { fewbit: 'a recipe' } })
  const sink = memorySink(size)
  write(sink)
  return sink.bytes.slice(0, size)
}

/** Converts a typed model. */
export function convert(model: Model, options: Partial<ConvertOptions> = {}): { network: Network; file: Uint8Array } {
  const network = lowerGraph(model.graph, { io: 'int8', images: 'nhwc', ...options })
  return { network, file: fileOf(network) }
}

export async function runLitert(
  { network, file }: { network: Network; file: Uint8Array },
  feeds: Feeds,
): Promise<Results> {
  const litert = await openLitert()
  if (!litert) throw new Error('@litertjs/core is not installed')
  const session = await openSession(litert, file, network)
  return session.run(feeds).finally(() => session.release())
}

export const runOnnx = (model: Model, feeds: Feeds): Promise<Results> =>
  withModel(model, (session) => session.run(feeds))

/** Uniform numbers, the same ones every time; between −1.5 and 1.5, or positive. */
export function feedsFor(inputs: readonly Input[], seed = 3): Feeds {
  const random = randomSource(seed)
  return Object.fromEntries(
    inputs.map(({ name, shape, isPositive }) => {
      const data = Float32Array.from({ length: elementCount(shape) }, () =>
        isPositive ? 0.5 + random() : 3 * random() - 1.5,
      )
      return [name, { dtype: 'float32' as const, dims: shape, data }]
    }),
  )
}

/** What of an example is constant: weights, biases and slopes; a product of two computed operands has none. */
export function isFixed(def: OpDef, example: ParsedExample, input: Input): boolean {
  const { kind } = inputRole(def, example.operands.indexOf(input))
  if (input.name === 'slope') return true
  return kind === 'bias' || (kind === 'weight' && !(example.opType === 'MatMul' && input.shape.length > 2))
}

const tensorFor = (input: Input, seed: number): Tensor => {
  const { data } = feedsFor([input], seed)[input.name]!
  return float32(input.shape, data as Float32Array)
}

/** The example in float32. */
export function floatModel(def: OpDef, example: ParsedExample): Model {
  const m = buildModel(example.opset)
  const values = valuesOf(m, def, example, (value) => value)
  m.model.graph.outputs.push(...addExample(m, example, values))
  return m.model
}

function valuesOf(
  m: Builder,
  def: OpDef,
  example: ParsedExample,
  wrap: (value: Value, input: Input, tensor: Tensor | null) => Value,
) {
  return Object.fromEntries(
    inputsOf(example).map((input, i) => {
      if (!isFixed(def, example, input)) return [input.name, wrap(m.input(input.name, input.shape), input, null)]
      const tensor = tensorFor(input, 20 + i)
      return [input.name, wrap(m.constant(input.name, tensor), input, tensor)]
    }),
  )
}

export interface Range {
  low: number
  high: number
}

export interface Parameters {
  scale: number
  zero: number
}

/** Scale and zero point of int8 for a range. */
export function parametersFor({ low, high }: Range): Parameters {
  const [least, most] = [Math.min(low, 0), Math.max(high, 0)]
  const scale = Math.fround((most - least) / 255 || 1)
  return { scale, zero: Math.max(-128, Math.min(127, Math.round(-128 - least / scale))) }
}

const INPUT: Range = { low: -1.5, high: 1.6 }
const INPUT_SCALE = parametersFor(INPUT).scale

/** The example between pairs of QuantizeLinear and DequantizeLinear, whose outputs have those parameters. */
export function quantizedModel(def: OpDef, example: ParsedExample, output: Parameters): Model {
  const m = buildModel(example.opset)
  let weightScales: readonly number[] = [1]
  const values = valuesOf(m, def, example, (value, input, tensor) => {
    const role = inputRole(def, example.operands.indexOf(input))
    if (role.kind === 'bias' && tensor) return biasOf(m, value.name, tensor, weightScales)
    if (role.kind === 'weight' && tensor) {
      const made = weightOf(m, value.name, tensor, axisOf(example, input))
      weightScales = made.scales
      return made.value
    }
    return tensor ? constantOf(m, value.name, tensor) : pair(m, value, parametersFor(INPUT))
  })
  const outputs = addExample(m, example, values)
  m.model.graph.outputs.push(...outputs.map((value) => pair(m, value, output)))
  return m.model
}

const axisOf = ({ opType, attributes }: ParsedExample, { shape }: Input): number =>
  opType === 'Conv' || (attributes.transB?.kind === 'int' && attributes.transB.value === 1)
    ? 0
    : opType === 'ConvTranspose'
      ? 1
      : shape.length - 1

function constantOf(m: Builder, name: string, tensor: Tensor): Value {
  const { scale, zero } = parametersFor(INPUT)
  const integers = Int8Array.from(view(tensor, 'float32'), (x) =>
    Math.max(-128, Math.min(127, Math.round(x / scale) + zero)),
  )
  const parameters = [
    m.constant(`${name}_s`, scalar(scale)),
    m.constant(`${name}_z`, tensorOf('int8', [], Int8Array.of(zero))),
  ]
  return m.node('DequantizeLinear', [m.constant(`${name}_q`, tensorOf('int8', tensor.shape, integers)), ...parameters])
}

function pair(m: Builder, value: Value, { scale, zero }: Parameters): Value {
  const [s, z] = [
    m.constant(`${value.name}_s`, scalar(scale)),
    m.constant(`${value.name}_z`, tensorOf('int8', [], Int8Array.of(zero))),
  ]
  return m.node('DequantizeLinear', [m.node('QuantizeLinear', [value, s, z]), s, z])
}

function weightOf(m: Builder, name: string, tensor: Tensor, axis: number) {
  const values = view(tensor, 'float32')
  const channels = tensor.shape[axis] ?? 1
  const inner = elementCount(tensor.shape.slice(axis + 1))
  const channelOf = (i: number) => Math.floor(i / inner) % channels
  const scales = new Float32Array(channels)
  values.forEach((x, i) => {
    scales[channelOf(i)] = Math.max(scales[channelOf(i)] ?? 0, Math.abs(x) / 127)
  })
  const integers = Int8Array.from(values, (x, i) => Math.round(x / scales[channelOf(i)]!))
  const inputs = [
    m.constant(`${name}_q`, tensorOf('int8', tensor.shape, integers)),
    m.constant(`${name}_s`, float32([channels], scales)),
    m.constant(`${name}_z`, tensorOf('int8', [channels], new Int8Array(channels))),
  ]
  return { value: m.node('DequantizeLinear', inputs, { attributes: { axis: int(axis) } }), scales: [...scales] }
}

function biasOf(m: Builder, name: string, tensor: Tensor, weightScales: readonly number[]): Value {
  const values = view(tensor, 'float32')
  const scales = Float32Array.from(weightScales, (scale) => scale * INPUT_SCALE)
  const integers = Int32Array.from(values, (x, i) => Math.round(x / scales[i % scales.length]!))
  const inputs = [
    m.constant(`${name}_q`, tensorOf('int32', tensor.shape, integers)),
    m.constant(`${name}_s`, float32([scales.length], scales)),
  ]
  return m.node('DequantizeLinear', inputs, { attributes: { axis: int(0) } })
}

/** The largest distance between two results. */
export function distance(a: Results, b: Results): number {
  let most = 0
  for (const [name, tensor] of Object.entries(a)) {
    const other = b[name]
    if (!other || JSON.stringify(other.dims) !== JSON.stringify(tensor.dims)) return Number.POSITIVE_INFINITY
    Array.from(tensor.data as Float32Array, Number).forEach((x, i) => {
      const d = Math.abs(x - Number(other.data[i]))
      most = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(most, d)
    })
  }
  return most
}

export function rangeOf(results: Results): Range {
  const all = Object.values(results).flatMap(({ data }) => Array.from(data as Float32Array, Number))
  return { low: Math.min(...all), high: Math.max(...all) }
}

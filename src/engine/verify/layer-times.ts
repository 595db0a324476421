/** Where the time of a run goes, layer by layer: in the kernel of each layer and in the conversions for it, beside the float model's. */
import type { Graph, Model, Node, Value } from '../ir/graph.ts'
import { feedsFor } from '../runtime/feeds.ts'
import { medianTimes } from '../runtime/profile.ts'
import type { RunTensor, Runtime } from '../runtime/runtime.ts'

/** runs that are profiled */
const PROFILED = 20

/** Milliseconds of one run, medians. */
export interface LayerTime {
  node: Node
  /** undefined where the float model has no kernel of that name, because it is fused with others */
  float: number | undefined
  /** undefined likewise */
  quantized: number | undefined
  /** of numbers to integers and back, on account of this layer */
  conversions: number
}

export interface ModelTimes {
  layers: LayerTime[]
  /** of all kernels of the float model */
  float: number
  /** of all kernels of the quantized one */
  quantized: number
  /** of those that convert numbers to integers and back */
  conversions: number
}

export interface TimedModels {
  runtime: Runtime
  floatPath: string
  /** where the quantized model lies */
  path: string
  /** the quantized model */
  model: Model
  /** a float model whose nodes the quantized ones are named after */
  graph: Graph
  feeds: Readonly<Record<string, RunTensor>>
}

/** Profiles both models one after the other. */
export async function layerTimes({ runtime, floatPath, path, model, graph, feeds }: TimedModels): Promise<ModelTimes> {
  const quantized = await profile(runtime, path, feeds)
  const float = await profile(runtime, floatPath, feeds)
  const conversions = conversionsBy(model, quantized)
  return {
    layers: [...graph.nodes].map((node) => ({
      node,
      float: floatTime(node, float),
      quantized: quantized.get(node.name),
      conversions: conversions.get(node.name) ?? 0,
    })),
    float: sumOf(float.values()),
    quantized: sumOf(quantized.values()),
    conversions: sumOf(
      [...model.graph.nodes].map((node) => (CONVERTS.test(node.opType) ? (quantized.get(node.name) ?? 0) : 0)),
    ),
  }
}

const sumOf = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0)

const CONVERTS = /QuantizeLinear$|^DequantizeLinear$/

/** What ONNX Runtime appends to the name of a copy. */
const COPY = /\/duplicated$/

async function profile(runtime: Runtime, path: string, feeds: TimedModels['feeds']): Promise<Map<string, number>> {
  const session = await runtime.load(path, { optimization: 'all', profile: 'times' })
  try {
    const own = feedsFor(session, feeds)
    for (let i = 0; i < PROFILED; i++) await session.run(own)
    return medianTimes((session.kernels?.() ?? []).map((one) => ({ ...one, node: one.node.replace(COPY, '') })))
  } finally {
    await session.release()
  }
}

/** Milliseconds of conversions by the name of the layer that needs them: one that reads integers made of float numbers, or whose integers are read as numbers. */
function conversionsBy({ graph }: Model, times: ReadonlyMap<string, number>): Map<string, number> {
  const charged = new Map<string, number>()
  for (const node of graph.nodes) {
    const time = times.get(node.name) ?? 0
    const layers = time > 0 ? layersOf(node) : []
    for (const { name } of layers) charged.set(name, (charged.get(name) ?? 0) + time / layers.length)
  }
  return charged
}

function layersOf({ opType, inputs: [input], outputs: [output] }: Node): Node[] {
  if (opType === 'QuantizeLinear')
    return readersOf(output).flatMap((reader) =>
      reader.opType === 'DequantizeLinear' ? readersOf(reader.outputs[0]) : [],
    )
  if (opType !== 'DequantizeLinear') return []
  const quantizer = input?.producer
  if (!quantizer) return readersOf(output)
  return quantizer.inputs[0]?.producer ? [quantizer.inputs[0].producer] : []
}

const readersOf = (value: Value | null | undefined): Node[] => [...(value?.consumers.keys() ?? [])]

/** In blocks of channels a convolution is named after what it writes, a clamp or a sum behind it included. */
function floatTime(node: Node, times: ReadonlyMap<string, number>): number | undefined {
  const written = resultsOf(node).map(({ name }) => times.get(`${name}_nchwc`))
  return written.find((time) => time !== undefined) ?? times.get(node.name)
}

const MOST_FUSED = 3

/** What a node writes, and what is made of it alone. */
function resultsOf(node: Node): Value[] {
  const results: Value[] = []
  for (let [value] = node.outputs; value && results.length <= MOST_FUSED; ) {
    results.push(value)
    const [reader, ...others] = value.consumers.keys()
    value = reader && others.length === 0 ? (reader.outputs[0] ?? null) : null
  }
  return results
}

/** What the operators of a graph ask to be quantized, before anything is inserted. */
import { freshName, type Graph, type Model, type Node, Value } from '../../ir/graph.ts'
import { isFloatConstant } from '../constants.ts'
import type { CompatOptions } from '../options.ts'
import type { ActivationParameters } from '../ranges.ts'

export interface TensorMark {
  role: 'activation' | 'weight'
  axis: number | null
  /** of a weight with a scale per block: along what the blocks lie */
  blockAxis?: number
  /** takes the parameters that this node reads this value with */
  sharedWith: { value: Value; node: Node } | null
}

export interface BiasMark {
  node: Node
  input: Value
  weight: Value
  beta: number
}

export class Marks {
  readonly model: Model
  readonly options: CompatOptions
  /** of calibrated values */
  readonly parameters: ReadonlyMap<Value, ActivationParameters>
  readonly tensors = new Map<Value, TensorMark>()
  readonly biases = new Map<Value, BiasMark>()
  /** quantized nodes that read a value, one entry per input */
  readonly readers = new Map<Value, Node[]>()
  /** clamps that the quantizer behind them makes superfluous */
  readonly removed = new Set<Node>()
  /** values that the given model dequantizes itself */
  readonly dequantized: ReadonlySet<Value>

  constructor(model: Model, options: CompatOptions, parameters: ReadonlyMap<Value, ActivationParameters>) {
    this.model = model
    this.options = options
    this.parameters = parameters
    this.dequantized = dequantizedValues(model.graph)
  }

  get graph(): Graph {
    return this.model.graph
  }

  /** Computed values of unknown type count as float32 when they were calibrated. */
  isFloat(value: Value): boolean {
    const dtype = value.tensor?.dtype ?? value.dtype
    return dtype ? dtype === 'float32' : this.parameters.has(value)
  }

  isMarked(value: Value | null | undefined): value is Value {
    return !!value && (this.tensors.has(value) || this.biases.has(value))
  }

  activation(value: Value | null | undefined): void {
    if (value && this.isFloat(value) && !this.tensors.has(value))
      this.tensors.set(value, { role: 'activation', axis: null, sharedWith: null })
  }

  /** An output of the node takes the parameters of one of its inputs. */
  sameAs(value: Value | null | undefined, source: Value | null | undefined, node: Node): void {
    if (value && source && this.isFloat(value))
      this.tensors.set(value, { role: 'activation', axis: null, sharedWith: { value: source, node } })
  }

  /** `sumAxis`: of a matrix, the axis that the product sums over. */
  weight(value: Value | null | undefined, axis: number | null, sumAxis?: number): void {
    if (!value || !this.isFloat(value) || (axis === null && this.tensors.has(value))) return
    const inBlocks = this.options.blockSize !== undefined && value.tensor?.shape.length === 2
    this.tensors.set(value, { role: 'weight', axis, sharedWith: null, ...(inBlocks && { blockAxis: sumAxis }) })
  }

  /** A bias that two nodes read is copied, because its scale comes from the node's other inputs. */
  bias(node: Node, index: number, beta = 1): void {
    const [input, weight] = node.inputs
    const bias = node.inputs[index]
    if (!input || !weight || !isFloatConstant(bias)) return
    if (this.options.overrides[bias.name]) {
      this.weight(bias, this.channelAxis(bias, 0))
      return
    }
    const own = this.biases.has(bias) ? this.#copy(bias) : bias
    if (own !== bias) node.setInput(index, own)
    this.biases.set(own, { node, input, weight, beta })
  }

  #copy(bias: Value): Value {
    const taken = [...this.graph.initializers].flatMap(({ name }) =>
      name.startsWith(bias.name) && /^\d+$/.test(name.slice(bias.name.length)) ? [+name.slice(bias.name.length)] : [],
    )
    const name = freshName(this.model, `${bias.name}${Math.max(-1, ...taken) + 1}`)
    return this.graph.addInitializer(new Value(name, undefined, undefined, bias.tensor))
  }

  /** The channel axis of a constant, or null for one scale. Source: QDQQuantizer.is_tensor_per_channel. */
  channelAxis(value: Value | null | undefined, axis: number): number | null {
    const rank = value?.tensor?.shape.length ?? 0
    const override = value && this.options.overrides[value.name]?.[0]
    const wished = override ? override.axis : this.options.perChannel ? axis : undefined
    if (wished === undefined || wished < -rank || wished >= rank) return null
    return wished < 0 ? wished + rank : wished
  }

  read(node: Node): void {
    for (const value of node.inputs) {
      if (!value) continue
      const readers = this.readers.get(value) ?? []
      this.readers.set(value, [...readers, node])
    }
  }
}

function dequantizedValues(graph: Graph): Set<Value> {
  const nodes = [...graph.nodes].filter(({ opType }) => opType === 'DequantizeLinear')
  return new Set(nodes.flatMap(({ outputs }) => (outputs[0] ? [outputs[0]] : [])))
}

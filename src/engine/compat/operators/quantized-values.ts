/** Which values of a graph exist in integers already, and with what parameters. */
import { addNode } from '../../ir/build.ts'
import { freshName, type Graph, type Model, Node, Value } from '../../ir/graph.ts'
import type { Tensor } from '../../ir/tensor.ts'
import type { QType, ScaleZeroPoint } from '../../quant/math.ts'
import {
  addIntegers,
  addParameters,
  addScalarParameters,
  constantParameters,
  isFloatConstant,
  type ParameterValues,
  quantizeConstant,
  type TypedParameters,
} from '../constants.ts'
import { quantizedName, quantizeNode, scaleName, zeroPointName } from '../names.ts'
import { opsetOf } from '../opset.ts'
import { type CompatOptions, isWeightSymmetric } from '../options.ts'
import type { Selects } from '../selection.ts'

/** A value in integers. */
export interface Quantized extends ParameterValues {
  integers: Value
  axis: number | null
}

export interface WeightForm {
  qtype: QType
  /** null: one scale */
  axis: number | null
  reduceRange: boolean
}

export class QuantizedValues {
  readonly model: Model
  readonly options: CompatOptions
  readonly selects: Selects
  /** of calibrated values; null: activations are quantized at run time */
  readonly parameters: ReadonlyMap<Value, TypedParameters> | null
  readonly written = new Map<Value, Quantized>()
  /** of the graph around this one */
  readonly #outer: QuantizedValues | null
  readonly #outputs = new Map<Value, ParameterValues>()

  constructor(
    model: Model,
    options: CompatOptions,
    selects: Selects,
    parameters: ReadonlyMap<Value, TypedParameters> | null,
    outer: QuantizedValues | null = null,
  ) {
    this.#outer = outer
    this.model = model
    this.options = options
    this.selects = selects
    this.parameters = parameters
  }

  get graph(): Graph {
    return this.model.graph
  }
  get opset(): number {
    return opsetOf(this.model)
  }

  /** Whose graph the value belongs to: what is captured is quantized where it is made. */
  #ownerOf(value: Value): QuantizedValues {
    const { nodes, initializers, inputs } = this.graph
    const isOwn =
      this.written.has(value) ||
      initializers.has(value) ||
      inputs.includes(value) ||
      (value.producer && nodes.has(value.producer))
    return isOwn || !this.#outer ? this : this.#outer.#ownerOf(value)
  }

  /** A value that exists in integers already, here or in a graph around this one. */
  quantized(value: Value): Quantized | undefined {
    return this.#ownerOf(value).written.get(value)
  }

  isFloat(value: Value | null | undefined): boolean {
    if (!value) return false
    if (value.isConstant || value.dtype) return (value.tensor?.dtype ?? value.dtype) === 'float32'
    return this.parameters === null || this.parameters.has(value)
  }

  #canQuantize(value: Value | null | undefined): value is Value {
    if (!value) return false
    if (this.quantized(value) || isFloatConstant(value)) return true
    return this.parameters ? this.parameters.has(value) : this.isFloat(value)
  }

  /** All of these in integers, or null when one has no range. */
  activations(values: readonly (Value | null | undefined)[]): Quantized[] | null {
    const known = values.filter((value) => this.#canQuantize(value))
    return known.length < values.length ? null : known.map((value) => this.#ownerOf(value).#activation(value))
  }

  activation(value: Value | null | undefined): Quantized | null {
    return this.activations([value])?.[0] ?? null
  }

  #activation(value: Value): Quantized {
    const known = this.written.get(value)
    if (known) return known
    const { activationType: qtype } = this.options
    const made = isFloatConstant(value)
      ? this.#constant(value, { qtype, axis: null, reduceRange: false })
      : this.#computed(value)
    this.written.set(value, made)
    return made
  }

  #computed(value: Value): Quantized {
    const values = this.outputParameters(value)
    return values ? this.quantizeWith(value, values) : this.#dynamic(value)
  }

  /** One DynamicQuantizeLinear per value, shared by all its readers. */
  #dynamic(value: Value): Quantized {
    const { name } = value
    const integers = this.fresh(quantizedName(name))
    const scale = this.fresh(scaleName(name))
    const zeroPoint = this.fresh(zeroPointName(name))
    const outputs = [integers, scale, zeroPoint]
    const node = new Node(freshName(this.model, quantizeNode(name)), 'DynamicQuantizeLinear', '', [value], outputs)
    this.graph.addNode(node)
    return { integers, scale, zeroPoint, axis: null }
  }

  quantizeWith(value: Value, { scale, zeroPoint }: ParameterValues): Quantized {
    const { name } = value
    const integers = addNode(this.model, this.graph, 'QuantizeLinear', [value, scale, zeroPoint], {
      name: quantizeNode(name),
      output: quantizedName(name),
    })
    return { integers, scale, zeroPoint, axis: null }
  }

  /** A weight; one that is computed is an activation like others. */
  weight(value: Value | null | undefined, form: WeightForm): Quantized | null {
    if (!isFloatConstant(value)) return this.activation(value)
    const owner = this.#ownerOf(value)
    const known = owner.written.get(value)
    if (known) return known
    const made = owner.#constant(value, form)
    owner.written.set(value, made)
    return made
  }

  #constant({ name, tensor }: Value & { tensor: Tensor }, form: WeightForm): Quantized {
    const { qtype, axis } = form
    const { minimumRange, weightType, activationSymmetric } = this.options
    const symmetric =
      qtype === weightType || axis !== null ? isWeightSymmetric(this.options, qtype) : activationSymmetric
    const reduceRange = form.reduceRange && this.options.reduceRange
    const parameters = constantParameters(tensor, { qtype, axis, range: { symmetric, reduceRange, minimumRange } })
    const values = addParameters(this.model, name, parameters)
    return { integers: addIntegers(this.model, name, quantizeConstant(tensor, parameters)), ...values, axis }
  }

  /** The calibrated parameters of a value as constants, made once. `fixed` takes the place of what was calibrated. */
  outputParameters(value: Value | null | undefined, fixed?: ScaleZeroPoint): ParameterValues | null {
    const calibrated = value && this.parameters?.get(value)
    if (!value || !calibrated) return null
    const known = this.#outputs.get(value)
    if (known) return known
    const made = addScalarParameters(this.model, value.name, { ...calibrated, ...fixed })
    this.#outputs.set(value, made)
    return made
  }

  fresh(name: string): Value {
    return new Value(freshName(this.model, name))
  }
}

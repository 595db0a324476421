/** Replaces operators by their integer forms one after the other. */

import { addNode, int } from '../../ir/build.ts'
import { type Attribute, capturedValues, freshName, type Graph, Node, type Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import type { ParameterValues } from '../constants.ts'
import { dequantizeNode, quantizedName } from '../names.ts'
import { type Quantized, QuantizedValues } from './quantized-values.ts'

export class Rewriter extends QuantizedValues {
  /** A rewriter of a subgraph of one of the nodes. */
  inside(graph: Graph): Rewriter {
    const model = { ...this.model, graph }
    return new Rewriter(model, this.options, this.selects, this.parameters, this)
  }

  /** Puts an integer operator in the place of a node; its first output stands for the node's, in integers. */
  replace(
    node: Node,
    opType: Operator,
    inputs: readonly (Value | null)[],
    output: ParameterValues,
    more: Replacement = {},
  ) {
    const [float] = node.outputs
    if (!float) return
    const integers = this.fresh(quantizedName(float.name))
    this.put(node, opType, inputs, [integers], more)
    this.written.set(float, { integers, ...output, axis: null })
  }

  /** Puts another operator, which takes over the attributes, in the place of a node. */
  put(
    node: Node,
    opType: Operator,
    inputs: readonly (Value | null)[],
    outputs: readonly (Value | null)[],
    { domain = '', attributes = node.attributes }: Replacement = {},
  ): void {
    this.graph.removeNode(node)
    const name = freshName(this.model, `${node.name}_quant`)
    this.graph.addNode(new Node(name, opType, domain, inputs, outputs, new Map(attributes)))
  }

  /** The node stays as it is and computes on integers. */
  moveToIntegers(node: Node, input: Quantized): void {
    const [float] = node.outputs
    if (!float) return
    node.setInput(0, input.integers)
    const integers = this.fresh(quantizedName(float.name))
    node.setOutput(0, integers)
    this.written.set(float, { ...input, integers })
  }

  /** The node stays float; what it reads is made float again. */
  keep(node: Node): void {
    for (const value of node.inputs) if (value) this.dequantize(value)
    for (const value of capturedValues(node)) this.dequantize(value)
  }

  /** Computes a value whose operator became an integer one. */
  dequantize(value: Value): void {
    const quantized = this.written.get(value)
    if (!quantized || value.producer || this.graph.inputs.includes(value)) return
    this.graph.initializers.delete(value)
    value.tensor = undefined
    const { integers, scale, zeroPoint, axis } = quantized
    addNode(this.model, this.graph, 'DequantizeLinear', [integers, scale, zeroPoint], {
      name: dequantizeNode(value.name),
      outputs: [value],
      ...(axis !== null && { attributes: { axis: int(axis) } }),
    })
  }
}

export interface Replacement {
  domain?: string
  attributes?: ReadonlyMap<string, Attribute>
}

/** Rewrites the node and says true, or leaves it alone. */
export type Rule = (rewriter: Rewriter, node: Node) => boolean

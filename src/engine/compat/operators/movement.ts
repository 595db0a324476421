/** Operators that only move elements and work on integers as they are. */

import { addInitializer } from '../../ir/build.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { view } from '../../ir/tensor.ts'
import { quantizeTensor } from '../../quant/math.ts'
import { integersOfTensor, integerTensor } from '../../quant/packed.ts'
import { isFloatConstant } from '../constants.ts'
import { quantizedName } from '../names.ts'
import type { Quantized } from './quantized-values.ts'
import type { Rewriter, Rule } from './rewriter.ts'

/** Moves integers when its input exists in integers already. */
export const movement: Rule = (rewriter, node) => {
  const [input] = node.inputs
  const { forceMovement } = rewriter.options
  if (!input || (forceMovement && !isFloatConstant(input))) return false
  const quantized = forceMovement ? rewriter.activation(input) : rewriter.quantized(input)
  if (!quantized) return false
  rewriter.moveToIntegers(node, quantized)
  return true
}

export const maxPool: Rule = (rewriter, node) => rewriter.opset >= 12 && movement(rewriter, node)
export const resize: Rule = (rewriter, node) => rewriter.opset >= 11 && movement(rewriter, node)

/** A table of floats becomes a table of integers. */
export const gather: Rule = (rewriter, node) => {
  const [table] = node.inputs
  const quantized = isFloatConstant(table) && rewriter.activation(table)
  if (!quantized) return false
  rewriter.moveToIntegers(node, quantized)
  return true
}

export const split: Rule = (rewriter, node) => {
  const [input, ...sizes] = node.inputs
  const quantized = rewriter.activation(input)
  if (!quantized) return false
  const outputs = node.outputs.map((value) => value && rewriter.fresh(`${value.name}quantized`))
  const floats = [...node.outputs]
  rewriter.put(node, 'Split', [quantized.integers, ...sizes], outputs)
  floats.forEach((value, i) => {
    const integers = outputs[i]
    if (value && integers) rewriter.written.set(value, { ...quantized, integers })
  })
  return true
}

export const argMax: Rule = (rewriter, node) => {
  const [input] = node.inputs
  const quantized = input && rewriter.written.get(input)
  if (!quantized) return false
  node.setInput(0, quantized.integers)
  return true
}

export const pad: Rule = (rewriter, node) => {
  const [input] = node.inputs
  const quantized = input && rewriter.written.get(input)
  if (!quantized || rewriter.opset < 11) return false
  if (node.string('mode', 'constant') === 'constant') node.setInput(2, filler(rewriter, node, quantized))
  rewriter.moveToIntegers(node, quantized)
  return true
}

/** What fills the border, in the integers of the input; zero is its zero point. */
function filler(rewriter: Rewriter, node: Node, input: Quantized): Value {
  const given = node.inputs[2]
  if (!given) return input.zeroPoint
  const { scale, zeroPoint } = input
  if (!isFloatConstant(given) || !scale.tensor || !zeroPoint.tensor) return rewriter.quantizeWith(given, input).integers
  const { activationType } = rewriter.options
  const parameters = {
    scale: at(view(scale.tensor, 'float32'), 0),
    zeroPoint: at(integersOfTensor(zeroPoint.tensor, activationType), 0),
  }
  const integers = quantizeTensor(view(given.tensor, 'float32'), parameters, activationType)
  const tensor = integerTensor(activationType, given.tensor.shape, integers)
  return addInitializer(rewriter.model, rewriter.graph, quantizedName(given.name), tensor)
}

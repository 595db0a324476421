/** LSTM with int8 weights: DynamicQuantizeLSTM. */

import { addInitializer } from '../../ir/build.ts'
import { MICROSOFT } from '../../ir/domain.ts'
import type { Value } from '../../ir/graph.ts'
import { leading } from '../../ir/list.ts'
import { float32, type Tensor, tensorOf, view } from '../../ir/tensor.ts'
import { constantParameters, isFloatConstant, quantizeConstant } from '../constants.ts'
import { quantizedName, scaleName, zeroPointName } from '../names.ts'
import { isWeightSymmetric } from '../options.ts'
import type { Rewriter, Rule } from './rewriter.ts'

const INPUTS = 8

/** DynamicQuantizeLSTM knows no batch-major layout, and not even the attribute that says so. */
export const lstm: Rule = (rewriter, node) => {
  const [, w, r] = node.inputs
  if (!isMatrices(w) || !isMatrices(r) || node.int('layout', 0) !== 0) return false
  const input = quantizeMatrices(rewriter, w)
  const recurrent = quantizeMatrices(rewriter, r)
  const inputs = Array.from({ length: INPUTS }, (_, i) => node.inputs[i] ?? null)
  inputs.splice(1, 2, input.integers, recurrent.integers)
  const parameters = [input.scale, input.zeroPoint, recurrent.scale, recurrent.zeroPoint]
  rewriter.keep(node)
  const attributes = new Map([...node.attributes].filter(([name]) => name !== 'layout'))
  const outputs = [...node.outputs]
  rewriter.put(node, 'DynamicQuantizeLSTM', [...inputs, ...parameters], outputs, { domain: MICROSOFT, attributes })
  return true
}

const isMatrices = (value: Value | null | undefined): value is Value & { tensor: Tensor } =>
  isFloatConstant(value) && value.tensor.shape.length === 3

/** One scale per direction, or per direction and row; the integers are stored transposed. */
function quantizeMatrices({ model, graph, options }: Rewriter, { name, tensor }: Value & { tensor: Tensor }) {
  const [directions, rows, columns] = leading(3, tensor.shape)
  const { perChannel, reduceRange } = options
  const flat = { ...tensor, shape: perChannel ? [directions * rows, columns] : tensor.shape }
  const symmetric = isWeightSymmetric(options, 'int8')
  const parameters = constantParameters(flat, { qtype: 'int8', axis: 0, range: { symmetric, reduceRange } })
  const shape = perChannel ? [directions, rows] : [directions]
  const integers = transposeEach(view(quantizeConstant(flat, parameters), 'int8'), directions, rows, columns)
  const add = (itsName: string, made: Tensor) => addInitializer(model, graph, itsName, made)
  return {
    integers: add(quantizedName(name), integers),
    scale: add(scaleName(name), float32(shape, parameters.scales)),
    zeroPoint: add(zeroPointName(name), tensorOf('int8', shape, parameters.zeroPoints)),
  }
}

function transposeEach(values: Int8Array, count: number, rows: number, columns: number): Tensor {
  const size = rows * columns
  const out = values.map((_, i) => {
    const [at, inside] = [Math.floor(i / size), i % size]
    return values[at * size + (inside % rows) * columns + Math.floor(inside / rows)]!
  })
  return tensorOf('int8', [count, columns, rows], out)
}

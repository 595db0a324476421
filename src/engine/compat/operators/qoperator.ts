/** quantize_static of onnxruntime.quantization 1.30 in its QOperator format. */

import type { Model } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { LINEAR, requireOpset } from '../opset.ts'
import { type CompatOptions, withDefaults } from '../options.ts'
import { activationParameters, type Ranges } from '../ranges.ts'
import { STATIC_OPERATORS, selection } from '../selection.ts'
import { weightsToInitializers } from './constant-nodes.ts'
import { attention, embedLayerNormalization } from './contrib.ts'
import { conv, gemm, matmul } from './layers.ts'
import { argMax, gather, maxPool, movement, pad, resize, split } from './movement.ts'
import { binary, clamp, concat, globalAveragePool, loneClamps, softmax, unary, where } from './qlinear.ts'
import { rewriteOperators } from './rewrite.ts'
import { Rewriter, type Rule } from './rewriter.ts'

/** Rewrites a float32 model in place; subgraphs stay float. `ranges` are the calibrated ranges by name. */
export function quantizeQOperatorLikeOrt(model: Model, ranges: Ranges, given: Partial<CompatOptions> = {}): void {
  const options = withDefaults({ ...given, subgraphs: false })
  requireOpset(model, LINEAR)
  weightsToInitializers(model.graph)
  const selects = selection(options, STATIC_OPERATORS)
  const parameters = activationParameters(model.graph, ranges, options, selects)
  const rewriter = new Rewriter(model, options, selects, parameters)
  const clamps = clamp(loneClamps(rewriter))
  rewriteOperators(rewriter, new Map<Operator, Rule>([...RULES, ['Relu', clamps], ['Clip', clamps]]))
}

const onFloat =
  (rule: Rule): Rule =>
  (rewriter, node) =>
    rewriter.isFloat(node.inputs[0]) && rule(rewriter, node)

/** Source: QLinearOpsRegistry. */
const RULES: ReadonlyMap<Operator, Rule> = new Map<Operator, Rule>([
  ['ArgMax', argMax],
  ['Conv', onFloat(conv)],
  ['Gemm', gemm],
  ['MatMul', matmul],
  ['Add', onFloat(binary)],
  ['Mul', onFloat(binary)],
  ['LeakyRelu', onFloat(unary)],
  ['Sigmoid', onFloat(unary)],
  ['AveragePool', onFloat(unary)],
  ['Softmax', onFloat(softmax)],
  ['GlobalAveragePool', globalAveragePool],
  ['Concat', onFloat(concat)],
  ['Where', where],
  ['Split', onFloat(split)],
  ['Pad', pad],
  ['Gather', gather],
  ['MaxPool', maxPool],
  ['Resize', resize],
  ['Attention', attention],
  ['EmbedLayerNormalization', embedLayerNormalization],
  ...(['Transpose', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'] as const).map((name) => [name, movement] as const),
])

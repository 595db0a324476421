/** quantize_dynamic of onnxruntime.quantization 1.30: int8 weights, activations quantized at run time. */

import { allGraphs, type Model } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { DYNAMIC, requireOpset } from '../opset.ts'
import { type CompatOptions, withDefaults } from '../options.ts'
import { DYNAMIC_OPERATORS, selection } from '../selection.ts'
import { weightsToInitializers } from './constant-nodes.ts'
import { attention, embedLayerNormalization } from './contrib.ts'
import { gemmToMatMul } from './gemm-to-matmul.ts'
import { convInteger, matmulInteger } from './integer.ts'
import { lstm } from './lstm.ts'
import { gather, movement } from './movement.ts'
import { rewriteOperators } from './rewrite.ts'
import { Rewriter, type Rule } from './rewriter.ts'

/** Rewrites the model in place; subgraphs stay float unless the options say otherwise. */
export function quantizeDynamicLikeOrt(model: Model, given: Partial<CompatOptions> = {}): void {
  const options = withDefaults({ constantMatricesOnly: true, ...given, activationType: 'uint8' })
  requireOpset(model, DYNAMIC)
  const graphs = options.subgraphs ? allGraphs(model.graph) : [model.graph]
  for (const graph of graphs) weightsToInitializers(graph)
  gemmToMatMul(model)
  rewriteOperators(new Rewriter(model, options, selection(options, DYNAMIC_OPERATORS), null), RULES)
}

/** Source: IntegerOpsRegistry. */
const RULES: ReadonlyMap<Operator, Rule> = new Map<Operator, Rule>([
  ['MatMul', matmulInteger],
  ['Conv', convInteger],
  ['LSTM', lstm],
  ['Attention', attention],
  ['Gather', gather],
  ['Transpose', movement],
  ['EmbedLayerNormalization', embedLayerNormalization],
])

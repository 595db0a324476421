/** quantize_static of onnxruntime.quantization 1.30 in its QDQ format. */
import { type Model, sortedNodes } from '../../ir/graph.ts'
import { removeUnusedConstants } from '../clean.ts'
import { LINEAR, requireOpset } from '../opset.ts'
import { domainFor, raiseForWideTypes } from '../opset21.ts'
import { type CompatOptions, withDefaults } from '../options.ts'
import { activationParameters, type Ranges } from '../ranges.ts'
import { STATIC_OPERATORS, selection } from '../selection.ts'
import { insertPairs } from './insert.ts'
import { Marks } from './marks.ts'
import { markNode } from './rules.ts'
import { weightParameters } from './weights.ts'

/** Rewrites a float32 model in place. `ranges` are the calibrated ranges by name. */
export function quantizeQdqLikeOrt(model: Model, ranges: Ranges, given: Partial<CompatOptions> = {}): void {
  const wished = withDefaults(given)
  requireOpset(model, LINEAR)
  raiseForWideTypes(model, wished)
  const options = { ...wished, domain: domainFor(model, wished) }
  const selects = selection(options, STATIC_OPERATORS)
  const marks = new Marks(model, options, activationParameters(model.graph, ranges, options, selects))
  for (const node of sortedNodes(model.graph)) {
    if (!selects(node)) continue
    markNode(marks, node)
    marks.read(node)
  }
  insertPairs(marks, weightParameters(marks))
  for (const node of marks.removed) model.graph.removeNode(node)
  removeUnusedConstants(model.graph)
  if (options.domain !== '') model.opsets.set(options.domain, 1)
}

/** Recognizes models that compute in integers, or from packed integers, before they are quantized. */

import type { Warning } from '../../contract/report.ts'
import { FewbitError } from '../../shared/errors.ts'
import { MICROSOFT } from '../ir/domain.ts'
import { allGraphs, type Model, type Node, type Value } from '../ir/graph.ts'

interface Form {
  /** what the operator is evidence of */
  says: string
  /** how a model of this form is undone */
  undo: string
}

const UNDO_PAIRS =
  'or remove the pairs of QuantizeLinear and DequantizeLinear around its activations: weights may stay behind DequantizeLinear'

type Recognized = Form & { operators: RegExp; holds?: (node: Node) => boolean }

const PACKED: Recognized = {
  operators: /^(MatMulNBits|MatMulBnb4|MatMulFpQ4|GatherBlockQuantized)$/,
  says: 'reads a weight of a few bits in blocks (weight-only quantization)',
  undo: 'the model is what the method weight_only would make; its activations become half precision by the method float16',
}

const FORMS: readonly Recognized[] = [
  {
    operators: /^(QLinear|QGemm|QAttention|QEmbedLayerNormalization|QOrdered|QMoE$)/,
    says: 'computes in integers (QOperator form)',
    undo: 'its activations are integers in the graph itself, so that it cannot be undone without loss',
  },
  {
    operators: /^(DynamicQuantize|MatMulInteger|ConvInteger)/,
    says: 'quantizes its activations at run time (dynamic quantization)',
    undo: 'the model is what the method dynamic would make',
  },
  PACKED,
  {
    operators: /^QuantizeLinear$/,
    holds: (node) => !isConstant(node.inputs[0]) && !isEnd(node),
    says: 'rounds an activation (QDQ form)',
    undo: UNDO_PAIRS,
  },
]

/** nodes between a constant and what is made of it */
const MOST_HOPS = 8

/** Whether the value follows from constants: a weight that is rounded in the graph is no activation. */
function isConstant(value: Value | null | undefined, hops = MOST_HOPS): boolean {
  if (!value || value.isConstant || value.producer?.opType === 'Constant') return true
  const { producer } = value
  return (
    producer !== null &&
    hops > 0 &&
    producer.inputs.length > 0 &&
    producer.inputs.every((input) => isConstant(input, hops - 1))
  )
}

/** Whether nobody but the caller reads the integers: an output that is a byte image, say. */
const isEnd = ({ outputs }: Node): boolean => outputs.every((value) => !value || value.consumers.size === 0)

interface Found {
  node: Node
  form: Form
  /** nodes like it */
  count: number
}

/** The first node that shows that a model is quantized; weights alone behind DequantizeLinear are none. */
function findQuantized({ graph }: Model, takesPacked = false): Found | null {
  const nodes = [...allGraphs(graph)].flatMap((inner) => [...inner.nodes])
  for (const form of FORMS) {
    if (form === PACKED && takesPacked) continue
    const like = nodes.filter(
      (node) => isKnown(node) && form.operators.test(node.opType) && form.holds?.(node) !== false,
    )
    if (like[0]) return { node: like[0], form, count: like.length }
  }
  return null
}

const isKnown = ({ domain }: Node): boolean => domain === '' || domain === MICROSOFT

const detailOf = ({ node, form, count }: Found): string =>
  `The model is quantized already: node "${node.name}" (${node.opType}), ${count === 1 ? 'the only one of its kind' : `one of ${count}`}, ${form.says}. To quantize it again would round everything twice.`

const hintOf = ({ form }: Found): string => `give the float model that it was made from; ${form.undo}`

/** Throws already_quantized for a model whose activations are quantized, or whose weights are packed where packed ones are not taken. */
export function refuseQuantized(model: Model, takesPacked: boolean): void {
  const found = findQuantized(model, takesPacked)
  if (found) throw new FewbitError('already_quantized', detailOf(found), { stage: 'prepare', hint: hintOf(found) })
}

/** The same as a warning, for those who want what another tool makes of such a model. */
export function warnOfQuantized(model: Model): Warning[] {
  const found = findQuantized(model)
  return found ? [{ code: 'already_quantized', detail: `${detailOf(found)} To avoid it, ${hintOf(found)}.` }] : []
}

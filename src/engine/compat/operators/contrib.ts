/** Operators of transformers that ONNX Runtime fused: Attention and EmbedLayerNormalization. */
import { MICROSOFT } from '../../ir/domain.ts'
import { matrixForm } from './layers.ts'
import type { Rule } from './rewriter.ts'

const EMBEDDINGS = { first: 2, last: 6, mask: 7 } as const
const domain = MICROSOFT

export const attention: Rule = (rewriter, node) => {
  const [input, weight, bias = null, mask = null, past = null] = node.inputs
  if (node.domain !== domain || node.attributes.has('qkv_hidden_sizes') || !rewriter.isFloat(input)) return false
  const a = rewriter.activation(input)
  const b = a && rewriter.weight(weight, matrixForm(rewriter, weight))
  if (!b) return false
  const inputs = [a.integers, b.integers, bias, a.scale, b.scale, mask, a.zeroPoint, b.zeroPoint, past]
  rewriter.put(node, 'QAttention', inputs, [...node.outputs], { domain })
  return true
}

/** Tables, gamma and beta become integers; the kernel's outputs stay float. */
export const embedLayerNormalization: Rule = (rewriter, node) => {
  const { first, last, mask } = EMBEDDINGS
  if (node.domain !== domain || node.outputs.length > 2) return false
  const tables = node.inputs.slice(first, last + 1)
  const made = rewriter.activations(tables.filter((value) => value !== null))
  if (!made) return false
  const present = tables.map((value) => (value ? made.shift() : undefined))
  const column = (part: 'integers' | 'scale' | 'zeroPoint') => present.map((quantized) => quantized?.[part] ?? null)
  const head = [node.inputs[0] ?? null, node.inputs[1] ?? null, ...column('integers'), node.inputs[mask] ?? null]
  const inputs = [...head, ...column('scale'), ...column('zeroPoint')]
  rewriter.put(node, 'QEmbedLayerNormalization', inputs, [...node.outputs], { domain })
  return true
}

/** What a recipe says of single operators: which ones stay float, and which ones the target has under another form. */

import { factsOf } from '../../contract/method-facts.ts'
import { compilePattern } from '../../contract/pattern.ts'
import type { Recipe } from '../../contract/recipe.ts'
import { allGraphs, type Model, type Node } from '../ir/graph.ts'
import { foldAffine } from '../passes/affine/index.ts'
import { constantArithmetic, startsGelu } from '../passes/constant-arithmetic.ts'
import { convolveChannels } from '../passes/convolve-channels.ts'
import { fuseGelu } from '../passes/fuse-gelu.ts'
import { fuseLayerNorm } from '../passes/fuse-layer-norm.ts'
import { expandHardSwish, fuseHardSwish } from '../passes/hard-swish.ts'
import { lastAxisNorms } from '../passes/last-axis-norms.ts'
import { lowerNorms } from '../passes/lower-norms.ts'
import { lowerSoftplus } from '../passes/lower-softplus.ts'
import { masksLast } from '../passes/masks-last.ts'
import type { Pass } from '../passes/pass.ts'
import { isFloatValue, STEERS, steeringNodes } from '../plan/steering.ts'
import type { IntegerTarget, Target } from '../targets/target.ts'

/** Why the user wants a node to stay float, or null. */
export function excludesOf({ exclude }: Recipe): (node: Node) => string | null {
  const patterns = exclude.nodes.map(compilePattern)
  const types = new Set(exclude.op_types)
  return ({ name, opType }) =>
    types.has(opType) || patterns.some((matches) => matches(name)) ? 'excluded by the request' : null
}

/** Whether the job wants what onnxruntime.quantization does, to the bit. */
export const isCompat = ({ method }: Recipe): boolean => 'compat' in method && method.compat !== undefined

/** Why a node of a prepared model stays float: by the request, or because it computes only sizes and the like. */
export function floatReasons(recipe: Recipe, { graph }: Model): (node: Node) => string | null {
  const excluded = excludesOf(recipe)
  if (isCompat(recipe)) return excluded
  const steering = new Set(
    [...allGraphs(graph)].flatMap((inner) => [...steeringNodes(inner, isFloatValue)].map(({ name }) => name)),
  )
  return (node) => excluded(node) ?? (steering.has(node.name) ? STEERS : null)
}

/** Of what HardSwish is expanded to. */
const PARTS = ['Add', 'Mul', 'Clip']

/** Passes that write operators in the form that the target computes best. */
export function rewritesFor(target: Target, recipe: Recipe): readonly Pass[] {
  if (target.kind !== 'integer') return []
  const has = (opType: string) => Object.hasOwn(target.operators, opType)
  const excluded = excludesOf(recipe)
  const stays = (node: Node) => excluded(node) !== null
  // Where every operator becomes integers, a product is worth more than a GELU that stays whole.
  const arithmetic = constantArithmetic((node) => target.placement !== 'all' && startsGelu(node))
  const { inIntegers } = factsOf(recipe.method)
  const everywhere = inIntegers && target.placement === 'all'
  const whole = everywhere ? wholeOperators(target, has, stays) : []
  const norms = everywhere ? [convolveChannels(has, stays)] : []
  const masks = inIntegers && target.activation.symmetric ? [masksLast] : []
  if (has('HardSwish')) return [...whole, arithmetic, fuseHardSwish(stays), foldAffine, ...norms, ...masks]
  if (!inIntegers || target.placement !== 'regions' || !PARTS.every(has))
    return [...whole, arithmetic, foldAffine, ...norms, ...masks]
  return [arithmetic, fuseHardSwish(stays), expandHardSwish(stays), foldAffine]
}

/** Operators of many parts become one where the target has that one, or can have it put together better than it was. */
function wholeOperators(
  { operators, float_operators }: IntegerTarget,
  has: (opType: string) => boolean,
  stays: (node: Node) => boolean,
): readonly Pass[] {
  const isPrescribed = operators.LpNormalization?.fixed_output !== undefined
  const gelu = has('Gelu') ? [fuseGelu(stays)] : []
  const norms = has('LayerNormalization') || has('LpNormalization') ? [fuseLayerNorm(stays)] : []
  const lengths = has('LpNormalization') ? [lastAxisNorms(stays)] : []
  if (float_operators === 'allowed') return [...gelu, ...norms, ...lengths]
  return [...gelu, ...norms, ...lengths, lowerNorms({ has, isPrescribed }, stays), lowerSoftplus(has, stays)]
}

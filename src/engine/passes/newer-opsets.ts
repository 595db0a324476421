/** Raises the operator set beyond 13, for operators that came later: axes of reductions became inputs, and some defaults changed. */
import { addInitializer, int, string } from '../ir/build.ts'
import { allGraphs, type Model, type Node } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { int64 } from '../ir/tensor.ts'
import type { Site } from './removed-operators.ts'

interface Change {
  ops: readonly Operator[]
  /** the operator set that brought it */
  since: number
  rewrite: (site: Site) => void
}

const MODES: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' }

const CHANGES: readonly Change[] = [
  {
    ops: [
      'ReduceMean',
      'ReduceMax',
      'ReduceMin',
      'ReduceProd',
      'ReduceL1',
      'ReduceL2',
      'ReduceLogSum',
      'ReduceLogSumExp',
      'ReduceSumSquare',
    ],
    since: 18,
    rewrite: axesToInput,
  },
  { ops: ['Split'], since: 18, rewrite: countParts },
  { ops: ['RoiAlign'], since: 16, rewrite: ({ node }) => keepDefault(node, 'coordinate_transformation_mode') },
  { ops: ['GridSample'], since: 20, rewrite: ({ node }) => renameMode(node) },
]

/** the lowest operator set that every prepared model has, unless it could not be raised at all */
const LOWEST = 13

/** Raises the model to `wanted` or leaves it where it is newer. false, and nothing changed, where an operator of it has no equal there. */
export function raiseOpset(model: Model, wanted: number): boolean {
  const opset = model.opsets.get('') ?? 0
  if (opset >= wanted) return true
  const sites = [...allGraphs(model.graph)].flatMap((graph) => [...graph.nodes].map((node) => ({ model, graph, node })))
  if (opset < LOWEST || sites.some(({ node }) => hasNoEqual(node, wanted))) return false
  for (const site of sites) for (const change of changesOf(site.node, opset, wanted)) change.rewrite(site)
  model.opsets.set('', wanted)
  return true
}

const changesOf = ({ domain, opType }: Node, opset: number, wanted: number): Change[] =>
  domain === ''
    ? CHANGES.filter(({ ops, since }) => opset < since && since <= wanted && ops.includes(opType as Operator))
    : []

/** Statistics of a BatchNormalization have other places since 14; the axis of a DFT is another input since 20. */
const hasNoEqual = ({ domain, opType, outputs }: Node, wanted: number): boolean =>
  domain === '' && ((opType === 'BatchNormalization' && outputs.length > 1) || (opType === 'DFT' && wanted >= 20))

function axesToInput({ model, graph, node }: Site): void {
  const axes = node.ints('axes')
  node.attributes.delete('axes')
  if (axes)
    node.setInput(1, addInitializer(model, graph, `${node.name || node.opType}_axes`, int64([axes.length], axes)))
}

function countParts({ node }: Site): void {
  if (!node.inputs[1]) node.attributes.set('num_outputs', int(node.outputs.length))
}

function keepDefault(node: Node, name: string): void {
  if (!node.attributes.has(name)) node.attributes.set(name, string('output_half_pixel'))
}

function renameMode(node: Node): void {
  const mode = node.string('mode', 'bilinear')
  node.attributes.set('mode', string(MODES[mode] ?? mode))
}

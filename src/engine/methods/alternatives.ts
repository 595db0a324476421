/** What other methods could do with a model of which one can do nothing: asked of the methods themselves, so that it is true of this model. */
import { type MethodName, WeightOnlyMethod } from '../../contract/recipe.ts'
import { FewbitError } from '../../shared/errors.ts'
import { allGraphs, type Model, type Node } from '../ir/graph.ts'
import { quantizedIn } from '../plan/plan.ts'
import { planGraph } from '../plan/plan-graph.ts'
import { TARGETS } from '../targets/index.ts'
import type { Target } from '../targets/target.ts'
import { refusal as refusalOfDynamic } from './dynamic/rewrites.ts'
import type { MethodInput } from './method.ts'
import { refusal as refusalOfWeightOnly } from './weight-only/index.ts'

interface Alternative {
  method: MethodName
  /** where it runs if the target of the job does not have it */
  target: Target
  /** what it says of a layer it takes */
  does: string
  layers: (model: Model) => Node[]
}

const nodesOf = ({ graph }: Model): Node[] => [...allGraphs(graph)].flatMap(({ nodes }) => [...nodes])
const excludesNothing = () => null
const blocks = { ...WeightOnlyMethod.parse({ type: 'weight_only' }), search: false }

const ALTERNATIVES: readonly Alternative[] = [
  {
    method: 'static',
    target: TARGETS['cpu-int8'],
    does: 'quantizes with calibration data',
    layers: ({ graph }) =>
      quantizedIn(planGraph(graph, TARGETS['cpu-int8'], { perChannel: true, excludes: excludesNothing })),
  },
  {
    method: 'dynamic',
    target: TARGETS['cpu-int8'],
    does: 'quantizes without data',
    layers: (model) => nodesOf(model).filter((node) => refusalOfDynamic(node) === null),
  },
  {
    method: 'weight_only',
    target: TARGETS['cpu-int4'],
    does: 'stores in 4 bits',
    layers: (model) => nodesOf(model).filter((node) => refusalOfWeightOnly(model, node, blocks) === null),
  },
  {
    method: 'float16',
    target: TARGETS['gpu-float16'],
    does: 'stores in half the bytes',
    layers: (model) => nodesOf(model).filter((node) => node.inputs.some(isWeight)),
  },
]

const LEAST_ELEMENTS = 64
const isWeight = (value: Node['inputs'][number]): boolean =>
  value?.tensor?.dtype === 'float32' && value.tensor.shape.reduce((a, b) => a * b, 1) >= LEAST_ELEMENTS

/** `error` with what would work for this model as its hint, where it says that there is nothing to quantize. */
export function withAlternatives(error: unknown, { prepared, recipe, target }: MethodInput): unknown {
  if (!(error instanceof FewbitError) || error.code !== 'nothing_to_quantize' || prepared.isHalf) return error
  const { hint, ...extra } = error.extra
  const found = ALTERNATIVES.flatMap((one) => {
    const layers = one.method === recipe.method.type ? [] : one.layers(prepared.model)
    return layers.length > 0 ? [sentenceFor(one, layers, target)] : []
  })
  const words = found.length > 0 ? `for this model: ${found.join('; ')}` : NOTHING
  const own = error.extra.param ? [hint] : []
  return new FewbitError(error.code, error.detail, { ...extra, hint: [...own, words].join('. ') })
}

const NOTHING = 'no method can make this model smaller: it has no float weights that any of them takes'

function sentenceFor({ method, target, does }: Alternative, layers: readonly Node[], asked: Target): string {
  const [first] = layers
  const where = (asked.methods as readonly MethodName[]).includes(method) ? '' : ` (target ${target.id})`
  const count = layers.length === 1 ? 'one layer' : `${layers.length} layers, for example`
  return `the method ${method}${where} ${does} ${count} "${first!.name}" (${first!.opType})`
}

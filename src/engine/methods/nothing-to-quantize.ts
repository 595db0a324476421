/** The refusal of a model in which nothing can run in integers, and what would change that. */
import { FewbitError } from '../../shared/errors.ts'
import { allGraphs, type Graph } from '../ir/graph.ts'
import { opOf } from '../ops/index.ts'

/** `detail` says of what the main graph has nothing. */
export function nothingToQuantize(detail: string, graph: Graph): FewbitError {
  const inside = [...allGraphs(graph)].filter((inner) => inner !== graph).flatMap(({ nodes }) => [...nodes])
  const layers = inside.filter((node) => opOf(node)?.class === 'multiply')
  if (layers.length === 0) return new FewbitError('nothing_to_quantize', detail, { stage: 'plan' })
  const [first] = layers
  return new FewbitError(
    'nothing_to_quantize',
    `${detail} ${layers.length} layers, for example ${first!.opType} "${first!.name}", lie in branches or loops, which stay float.`,
    {
      stage: 'plan',
      param: '/input_values',
      hint: 'where inputs decide the branches, say what they always are: {"input_values": {"sr": 16000}}; fixed input_shapes decide branches too',
    },
  )
}

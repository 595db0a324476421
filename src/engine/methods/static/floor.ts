/** How much of a network stays in integers, whatever is searched for: an artifact without integers is as fast and as faithful as the float model, and of no use. */
import type { Graph, Node } from '../../ir/graph.ts'
import { elementCount } from '../../ir/tensor.ts'
import { opOf } from '../../ops/index.ts'

/** of multiplications and of weights */
const LEAST_SHARE = 0.5

/** Those of the layers, in their order, without which enough is left in integers. `names` of what is quantized; `nodesOf` gives the nodes of a layer. */
export function affordableOf<Layer>(
  layers: readonly Layer[],
  { nodes }: Graph,
  names: ReadonlySet<string>,
  nodesOf: (layer: Layer) => readonly Node[],
): Layer[] {
  const measures = [macsOf, weightsOf].map((measure) => {
    const sum = (some: Iterable<Node>) => [...some].reduce((total, node) => total + measure(node), 0)
    return { sum, total: sum(nodes), left: sum([...nodes].filter(({ name }) => names.has(name))) }
  })
  return layers.filter((layer) => {
    const costs = measures.map(({ sum }) => sum(nodesOf(layer)))
    const fits = measures.every(({ total, left }, i) => costs[i] === 0 || !(left - costs[i]! < LEAST_SHARE * total))
    if (fits) for (const [i, one] of measures.entries()) one.left -= costs[i]!
    return fits
  })
}

const macsOf = (node: Node): number => opOf(node)?.macs?.(node) ?? 0

const weightsOf = (node: Node): number =>
  opOf(node)?.class === 'multiply' ? elementCount(node.inputs[1]?.tensor?.shape ?? [0]) : 0

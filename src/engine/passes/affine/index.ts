/** Constant factors and offsets around convolutions and products move into their weights and biases: fewer operators, and fewer roundings in integers. */
import { allGraphs, type Graph, type Model } from '../../ir/graph.ts'
import type { Pass } from '../pass.ts'
import { factorBefore, normBefore, offsetBefore, offsetPastFactor } from './before.ts'
import { factorBehind, normBehind, offsetBehind } from './behind.ts'
import { mergeFactors, type Site } from './site.ts'

/** Each returns whether it changed the graph. */
const RULES: readonly ((site: Site) => boolean)[] = [
  factorBehind,
  offsetBehind,
  normBehind,
  mergeFactors,
  offsetPastFactor,
  factorBefore,
  offsetBefore,
  normBefore,
]

export const foldAffine: Pass = {
  name: 'fold-affine',
  run: (model) => {
    for (const graph of allGraphs(model.graph)) foldIn(model, graph)
  },
}

function foldIn(model: Model, graph: Graph): void {
  for (let changed = true; changed; ) {
    changed = false
    for (const node of [...graph.nodes]) {
      if (graph.nodes.has(node) && RULES.some((rule) => rule({ model, graph, node }))) changed = true
    }
  }
}

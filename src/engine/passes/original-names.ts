/** ONNX Runtime writes operators that it has no kernel of as functions of others, under names of its own; users know the names of their file. */
import { allGraphs, type Model } from '../ir/graph.ts'
import type { Pass } from './pass.ts'

/** Gives a node that `original` does not know the name of the one there that made the same value. */
export const originalNames = (original: Model): Pass => ({
  name: 'original-names',
  run: (model) => {
    const before = [...allGraphs(original.graph)].flatMap(({ nodes }) => [...nodes])
    const known = new Set(before.map(({ name }) => name))
    const makers = new Map(before.flatMap(({ name, outputs }) => outputs.map((value) => [value?.name, name] as const)))
    const nodes = [...allGraphs(model.graph)].flatMap((graph) => [...graph.nodes])
    const taken = new Set(nodes.map(({ name }) => name))
    for (const node of nodes) {
      const name = known.has(node.name) ? undefined : makers.get(node.outputs[0]?.name)
      if (!name || taken.has(name)) continue
      taken.add(name)
      model.names.add(name)
      node.name = name
    }
  },
})

/** ONNX Runtime writes operators that it has no kernel of as functions of others, under names of its own; users know the names of their file. */
import { allGraphs, freshName, type Model } from '../ir/graph.ts'
import type { Pass } from './pass.ts'
import { isNamedAfterAnother } from './plain-names.ts'

/**
 * Gives a node that `original` does not know the name of the one there that made the same value, and constants that ONNX Runtime made a name after
 * their reader: it takes its own names again when it fuses more, and then refuses the model ("Attempt to replace the existing tensor", 1.30).
 */
export const originalNames = (original: Model): Pass => ({
  name: 'original-names',
  run: (model) => {
    nameNodes(original, model)
    nameConstants(original, model)
  },
})

function nameNodes(original: Model, model: Model): void {
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
}

/** what ONNX Runtime's fusions call their shapes, whoever ran them */
const FUSED = /^gemm_(input|output)_|_new_shape$/

function nameConstants(original: Model, model: Model): void {
  const isMade = (name: string) => FUSED.test(name) || !(original.names.has(name) || isNamedAfterAnother(name))
  for (const { initializers } of allGraphs(model.graph)) {
    for (const value of initializers) {
      const [reader] = value.consumers.keys()
      if (reader && isMade(value.name)) value.name = freshName(model, `${reader.name || reader.opType}_constant`)
    }
  }
}

/** Makes equal constants one, in subgraphs too: the file shrinks, the numbers stay. */
import { createHash } from 'node:crypto'
import { addInitializer } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, replaceUses, type Value } from '../ir/graph.ts'
import { bytesOf } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

interface Constant {
  graph: Graph
  value: Value
}

export const shareInitializers: Pass = {
  name: 'share-initializers',
  run: (model: Model) => {
    for (const alike of groups(constantsOf(model), formKey))
      for (const equal of groups(alike, contentKey)) share(model, equal)
  },
}

/** Those that are no outputs of their graph. */
const constantsOf = ({ graph }: Model): Constant[] =>
  [...allGraphs(graph)].flatMap((inner) =>
    [...inner.initializers]
      .filter(({ tensor }) => tensor && !tensor.strings)
      .filter((value) => !inner.outputs.includes(value) && (inner === graph || !isFused(value)))
      .map((value) => ({ graph: inner, value })),
  )

/** Whether ONNX Runtime fuses what reads the constant of a body, and then looks for it in that body alone (1.30). */
const isFused = ({ consumers }: Value): boolean =>
  [...consumers.keys()].some(({ opType, attributes }) => opType === 'DequantizeLinear' && attributes.has('block_size'))

/** Groups of two and more. */
function groups(constants: readonly Constant[], keyOf: (value: Value) => string): Constant[][] {
  const found = new Map<string, Constant[]>()
  for (const constant of constants) {
    const key = keyOf(constant.value)
    const group = found.get(key)
    if (group) group.push(constant)
    else found.set(key, [constant])
  }
  return [...found.values()].filter(({ length }) => length > 1)
}

const formKey = ({ tensor }: Value): string => `${tensor!.dtype}[${tensor!.shape}]`
const contentKey = ({ tensor }: Value): string => createHash('sha256').update(bytesOf(tensor!)).digest('base64')

/** What several graphs read lies in the main one. */
function share(model: Model, [first, ...others]: Constant[]): void {
  const everywhere = others.some(({ graph }) => graph !== first!.graph) && first!.graph !== model.graph
  const { name, tensor } = first!.value
  const shared = everywhere ? addInitializer(model, model.graph, name, tensor!) : first!.value
  for (const { graph, value } of everywhere ? [first!, ...others] : others) {
    replaceUses(value, shared)
    graph.initializers.delete(value)
  }
}

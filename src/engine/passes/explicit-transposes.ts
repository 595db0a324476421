/** A Transpose behind a DequantizeLinear says which order it makes: ONNX Runtime 1.30 ends the process where it leaves that to the default. */
import { ints } from '../ir/build.ts'
import { allGraphs, type Model, type Node, type Value } from '../ir/graph.ts'
import type { Pass } from './pass.ts'

export const explicitTransposes: Pass = {
  name: 'explicit-transposes',
  run: (model: Model) => {
    for (const { nodes } of allGraphs(model.graph))
      for (const node of nodes) if (node.opType === 'Transpose') state(node)
  },
}

function state(node: Node): void {
  const [input] = node.inputs
  if (node.domain !== '' || node.attributes.has('perm') || input?.producer?.opType !== 'DequantizeLinear') return
  const rank = rankOf(input)
  if (rank !== undefined) node.attributes.set('perm', ints([...Array(rank).keys()].reverse()))
}

/** Conversions keep the rank of what they read. */
function rankOf({ shape, tensor, producer }: Value): number | undefined {
  if (shape || tensor) return (shape ?? tensor!.shape).length
  if (producer?.opType === 'Constant') return producer.tensor('value')?.shape.length
  const converts = producer?.opType === 'DequantizeLinear' || producer?.opType === 'QuantizeLinear'
  return converts && producer.inputs[0] ? rankOf(producer.inputs[0]) : undefined
}

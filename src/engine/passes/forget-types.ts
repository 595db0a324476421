/** Drops the types of inner values: ONNX Runtime infers them again, and the file shrinks. Inputs and outputs keep theirs. */
import type { Model } from '../ir/graph.ts'
import type { Pass } from './pass.ts'

export const forgetTypes: Pass = {
  name: 'forget-types',
  run: ({ graph }: Model) => {
    const ends = new Set([...graph.inputs, ...graph.outputs])
    for (const node of graph.nodes) {
      for (const value of node.outputs) {
        if (!value || ends.has(value) || value.opaqueType) continue
        value.dtype = undefined
        value.shape = undefined
      }
    }
  },
}

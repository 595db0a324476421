/** Gives folded weights their own names back: ONNX Runtime calls them `ConvBnFusion_W_<name>`. */
import type { Model } from '../ir/graph.ts'
import type { Pass } from './pass.ts'

const PREFIX = /^(?:ConvBnFusion_(?:W|BN_B|B)_|ConvAddFusion_(?:B_)?|ConvMulFusion_(?:W_|B_)?)+(?=.)/

/** Whether ONNX Runtime made the name of a folded weight from that of the weight. */
export const isNamedAfterAnother = (name: string): boolean => PREFIX.test(name)

export const plainNames: Pass = {
  name: 'plain-names',
  run: (model: Model) => {
    for (const value of model.graph.initializers) {
      const plain = value.name.replace(PREFIX, '')
      if (plain === value.name || model.names.has(plain)) continue
      model.names.delete(value.name)
      model.names.add(plain)
      value.name = plain
    }
  },
}

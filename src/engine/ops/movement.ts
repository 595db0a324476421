/** Operators that only move or pick elements: their output has the parameters of their input. */
import type { Node } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import { activation, defineOps, same } from './define.ts'

const moving = { class: 'movement', outputs: ['Y'], quant: { X: activation, Y: same('X') } } as const

const secondOutput = (node: Node) => (node.outputs[1] ? 'its second output has no integer form' : null)

/** Zero is an integer of every scale; another number is not known to be. */
function paddingProblem({ inputs }: Node): string | null {
  const value = inputs[2]
  if (!value) return null
  return value.tensor?.dtype === 'float32' && view(value.tensor, 'float32')[0] === 0
    ? null
    : 'it pads with another number than 0'
}

export const MOVEMENT = [
  ...defineOps(['Flatten', 'Transpose', 'Identity'], { ...moving, inputs: ['X'] }),
  ...defineOps(['Reshape', 'Squeeze', 'Unsqueeze', 'Expand', 'Tile'], { ...moving, inputs: ['X', 'shape?'] }),
  ...defineOps(['Slice'], { ...moving, inputs: ['X', 'starts', 'ends', 'axes?', 'steps?'] }),
  ...defineOps(['Resize'], {
    ...moving,
    inputs: ['X', 'roi?', 'scales?', 'sizes?'],
    defaults: { mode: 'nearest' },
  }),
  ...defineOps(['Upsample'], { ...moving, inputs: ['X', 'scales?'], defaults: { mode: 'nearest' } }),
  ...defineOps(['Pad'], { ...moving, inputs: ['X', 'pads?', 'value?', 'axes?'], refuses: paddingProblem }),
  ...defineOps(['DepthToSpace', 'SpaceToDepth', 'GlobalMaxPool'], { ...moving, inputs: ['X'] }),
  ...defineOps(['ReduceMax', 'ReduceMin'], { ...moving, inputs: ['X', 'axes?'] }),
  ...defineOps(['Where'], {
    class: 'pointwise',
    inputs: ['condition', 'X', 'Y'],
    outputs: ['Z'],
    quant: { X: activation, Y: activation, Z: activation },
  }),
  ...defineOps(['Gather', 'GatherElements', 'GatherND'], { ...moving, inputs: ['X', 'indices'] }),
  ...defineOps(['TopK'], { ...moving, inputs: ['X', 'K'], outputs: ['Y', 'indices'] }),
  ...defineOps(['MaxPool'], { ...moving, inputs: ['X'], refuses: secondOutput }),
  ...defineOps(['Split'], { ...moving, inputs: ['X', 'split?'], outputs: ['Y*'] }),
]

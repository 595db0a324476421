/** Operators that only move or pick elements: their output has the parameters of their input. */
import type { Node } from '../ir/graph.ts'
import { activation, defineOps, same } from './define.ts'

const moving = { class: 'movement', outputs: ['Y'], quant: { X: activation, Y: same('X') } } as const

/** Only nearest neighbours pick elements; other modes compute new ones. */
const refuseInterpolation = (node: Node) =>
  node.string('mode', 'nearest') === 'nearest' ? null : `${node.string('mode', '')} interpolation has no integer kernel`

const secondOutput = (node: Node) => (node.outputs[1] ? 'its second output has no integer form' : null)

export const MOVEMENT = [
  ...defineOps(['Flatten', 'Transpose', 'Identity'], { ...moving, inputs: ['X'] }),
  ...defineOps(['Reshape', 'Squeeze', 'Unsqueeze', 'Expand', 'Tile'], { ...moving, inputs: ['X', 'shape?'] }),
  ...defineOps(['Slice'], { ...moving, inputs: ['X', 'starts', 'ends', 'axes?', 'steps?'] }),
  ...defineOps(['Resize'], { ...moving, inputs: ['X', 'roi?', 'scales?', 'sizes?'], refuses: refuseInterpolation }),
  ...defineOps(['DepthToSpace'], { ...moving, inputs: ['X'] }),
  ...defineOps(['ReduceMax', 'ReduceMin'], { ...moving, inputs: ['X', 'axes?'] }),
  ...defineOps(['Where'], {
    class: 'pointwise',
    inputs: ['condition', 'X', 'Y'],
    outputs: ['Z'],
    quant: { X: activation, Y: activation, Z: activation },
  }),
  ...defineOps(['Gather'], { ...moving, inputs: ['X', 'indices'] }),
  ...defineOps(['MaxPool'], { ...moving, inputs: ['X'], refuses: secondOutput }),
  ...defineOps(['Split'], { ...moving, inputs: ['X', 'split?'], outputs: ['Y*'] }),
]

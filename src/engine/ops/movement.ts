/** Operators that only move, pick or repeat elements: their output has the parameters of their input. */
import { int } from '../ir/build.ts'
import type { Node } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import { activation, floatOp, integerOp, type OpTable, same } from './define.ts'
import { firstOf, needsRank } from './gradients/define.ts'
import {
  concatGradients,
  depthToSpaceGradient,
  expressedIn,
  inverse,
  permOf,
  refusesDepthToSpace,
  refusesTile,
  repeatsOf,
  splitGradient,
  tiled,
} from './gradients/movement.ts'
import { padGradient, padValueGradient, refusesPad } from './gradients/pad.ts'
import { sliced } from './gradients/slice.ts'

const moving = { class: 'movement', keepsSign: true } as const
const ofInput = { ...moving, quant: { input: activation, output: same('input') } } as const
const ofData = { ...moving, quant: { data: activation, output: same('data') } } as const

/** Zero is an integer of every scale; another number is not known to be. */
function paddingProblem({ inputs }: Node): string | null {
  const value = inputs[2]
  if (!value) return null
  return value.tensor?.dtype === 'float32' && view(value.tensor, 'float32')[0] === 0
    ? null
    : 'it pads with another number than 0'
}

/** The same elements in another shape. */
const SHAPE = {
  Flatten: integerOp({
    ...ofInput,
    inputs: ['input'],
    outputs: ['output'],
    flattens: true,
    gradient: (g, { input: X }, { output: dY }) => ({ input: () => g.reshapeLike(dY, X) }),
    example: 'output = Flatten(input[2,3,4,1])',
  }),
  Reshape: integerOp({
    ...moving,
    inputs: ['data', 'shape'],
    outputs: ['reshaped'],
    quant: { data: activation, reshaped: same('data') },
    gradient: (g, { data: X }, { reshaped: dY }) => ({ data: () => g.reshapeLike(dY, X) }),
    example: 'reshaped = Reshape(data[2,3,4], {0,-1})',
  }),
  Squeeze: integerOp({
    ...moving,
    inputs: ['data', 'axes?'],
    outputs: ['squeezed'],
    quant: { data: activation, squeezed: same('data') },
    gradient: (g, { data: X }, { squeezed: dY }) => ({ data: () => g.reshapeLike(dY, X) }),
    example: 'squeezed = Squeeze(data[1,3,1], {-1,0})',
  }),
  Unsqueeze: integerOp({
    ...moving,
    inputs: ['data', 'axes?'],
    outputs: ['expanded'],
    quant: { data: activation, expanded: same('data') },
    gradient: (g, { data: X }, { expanded: dY }) => ({ data: () => g.reshapeLike(dY, X) }),
    example: 'expanded = Unsqueeze(data[2,3,4], {0,-1})',
  }),
} as const satisfies OpTable

/** All elements at other places. */
const ORDER = {
  Identity: integerOp({
    ...ofInput,
    inputs: ['input'],
    outputs: ['output'],
    homogeneous: true,
    gradient: (_g, _inputs, { output: dY }) => ({ input: () => dY }),
    example: 'output = Identity(input[2,3,4])',
  }),
  Transpose: integerOp({
    ...moving,
    inputs: ['data'],
    outputs: ['transposed'],
    quant: { data: activation, transposed: same('data') },
    gradient: (g, _inputs, { transposed: dY }, _outputs, node) => ({
      data: () => g.transpose(dY, inverse(permOf(node))),
    }),
    refusesGradient: (node) => (node.ints('perm') ? null : needsRank(node)),
    example: 'transposed = Transpose(data[2,3,4], perm=[1,2,0])',
  }),
  DepthToSpace: integerOp({
    ...ofInput,
    inputs: ['input'],
    outputs: ['output'],
    gradient: (g, { input: X }, { output: dY }, _outputs, node) => ({
      input: () => depthToSpaceGradient(g, X, dY, node),
    }),
    refusesGradient: refusesDepthToSpace,
    example: 'output = DepthToSpace(input[1,8,2,3], blocksize=2)',
  }),
  SpaceToDepth: integerOp({
    ...ofInput,
    inputs: ['input'],
    outputs: ['output'],
    gradient: (g, { input: X }, { output: dY }, _outputs, node) => ({
      input: () => expressedIn(g, 'DepthToSpace', X, dY, node.int('blocksize', 1)),
    }),
    example: 'output = SpaceToDepth(input[1,2,4,6], blocksize=2)',
  }),
  Concat: integerOp({
    class: 'pointwise',
    inputs: ['inputs*'],
    outputs: ['concat_result'],
    quant: { inputs: activation, concat_result: activation },
    joins: true,
    keepsSign: true,
    gradient: (g, inputs, { concat_result: dY }, _outputs, node) => concatGradients(g, inputs, dY, node),
    refusesGradient: needsRank,
    example: 'concat_result = Concat(inputs0[2,1,3], inputs1[2,2,3], axis=-2)',
  }),
  Split: integerOp({
    ...moving,
    inputs: ['input', 'split?'],
    outputs: ['outputs*'],
    quant: { input: activation, outputs: same('input') },
    gradient: (g, { input: X }, upstream, outputs, node) => ({
      input: () => splitGradient(g, X, upstream, outputs, node),
    }),
    refusesGradient: firstOf(needsRank, ({ outputs }) =>
      outputs.includes(null) ? 'one of its outputs is left out' : null,
    ),
    example: 'outputs0, outputs1 = Split(input[2,3,4], {1,3}, axis=-1)',
  }),
} as const satisfies OpTable

/** Some elements, or zeros around them. */
const PART = {
  Slice: integerOp({
    ...ofData,
    inputs: ['data', 'starts', 'ends', 'axes?', 'steps?'],
    outputs: ['output'],
    gradient: (g, { data: X }, { output: dY }, _outputs, node) => ({ data: () => sliced(g, X, dY, node) }),
    refusesGradient: needsRank,
    example: 'output = Slice(data[2,3,4], {1,-3}, {3,9}, {1,2})',
  }),
  Pad: integerOp({
    ...ofData,
    inputs: ['data', 'pads', 'constant_value?', 'axes?'],
    outputs: ['output'],
    refuses: paddingProblem,
    gradient: (g, { data: X }, { output: dY }, _outputs, node) => ({
      data: () => padGradient(g, X, dY, node),
      constant_value: () => padValueGradient(g, X, dY, node),
    }),
    refusesGradient: firstOf(needsRank, refusesPad),
    example: 'output = Pad(data[2,4,5], {0,1,2,1,0,1})',
  }),
  Trilu: floatOp({
    inputs: ['input', 'k?'],
    outputs: ['output'],
    gradient: (g, { input: X, k }, { output: dY }, _outputs, node) => ({
      input: () =>
        g.node('Trilu', k ? [dY, k] : [dY], { shape: X.shape, attributes: { upper: int(node.int('upper', 1)) } }),
    }),
    example: 'output = Trilu(input[2,3,3], upper=0)',
  }),
} as const satisfies OpTable

/** The same elements several times. */
const REPEAT = {
  Expand: integerOp({
    ...ofInput,
    inputs: ['input', 'shape'],
    outputs: ['output'],
    broadcasts: true,
    gradient: (_g, _inputs, { output: dY }) => ({ input: () => dY }),
    example: 'output = Expand(input[3,1], {2,1,4})',
  }),
  Tile: integerOp({
    ...ofInput,
    inputs: ['input', 'repeats'],
    outputs: ['output'],
    gradient: (g, { input: X }, { output: dY }, _outputs, node) => ({
      input: () => tiled(g, X, dY, repeatsOf(node) ?? []),
    }),
    refusesGradient: firstOf(needsRank, refusesTile),
    example: 'output = Tile(input[2,3,4], {2,1,3})',
  }),
} as const satisfies OpTable

export const MOVEMENT = { ...SHAPE, ...ORDER, ...PART, ...REPEAT } as const

/** The table of lowerings: how each ONNX operator is computed by operators of TensorFlow Lite. */
import type { Node } from '../../ir/graph.ts'
import { ACTIVATION } from './activation.ts'
import { CONVOLUTION } from './convolution.ts'
import type { Lowering, LoweringTable } from './define.ts'
import { ELEMENTWISE } from './elementwise.ts'
import { LINEAR } from './linear.ts'
import { MOVEMENT } from './movement.ts'
import { POOLING } from './pooling.ts'

export const LOWERINGS = {
  ...CONVOLUTION,
  ...LINEAR,
  ...ELEMENTWISE,
  ...ACTIVATION,
  ...POOLING,
  ...MOVEMENT,
} as const satisfies LoweringTable

const byName: ReadonlyMap<string, Lowering> = new Map(Object.entries(LOWERINGS))

export const loweringOf = ({ domain, opType }: Node): Lowering | undefined =>
  domain === '' ? byName.get(opType) : undefined

/** Inputs that say how large, how many, how far or which: they steer an operator and are never numbers to compute with. */
import type { Node } from '../ir/graph.ts'
import type { ByOperator, Operator } from '../ir/operators.ts'

/** By operator, the places of such inputs. */
const STEERING: ByOperator<readonly number[]> = {
  AffineGrid: [1],
  CenterCropPad: [1],
  Col2Im: [1, 2],
  Compress: [1],
  ConstantOfShape: [0],
  CumSum: [1],
  Expand: [1],
  Gather: [1],
  GatherElements: [1],
  GatherND: [1],
  Loop: [0, 1],
  MaxUnpool: [1, 2],
  NonMaxSuppression: [2, 3, 4],
  OneHot: [0, 1],
  Pad: [1, 3],
  Range: [0, 1, 2],
  ReduceL1: [1],
  ReduceL2: [1],
  ReduceLogSum: [1],
  ReduceLogSumExp: [1],
  ReduceMax: [1],
  ReduceMean: [1],
  ReduceMin: [1],
  ReduceProd: [1],
  ReduceSum: [1],
  ReduceSumSquare: [1],
  Reshape: [1],
  Resize: [1, 2, 3],
  ReverseSequence: [1],
  ScatterElements: [1],
  ScatterND: [1],
  SequenceAt: [1],
  Slice: [1, 2, 3, 4],
  Split: [1],
  SplitToSequence: [1],
  Squeeze: [1],
  STFT: [1, 3],
  Tile: [1],
  TopK: [1],
  Trilu: [1],
  Unsqueeze: [1],
  Upsample: [1],
}

const byName = new Map<string, readonly number[] | undefined>(Object.entries(STEERING))

/** Whether the node's input at `index` is such. */
export const isSteering = ({ domain, opType }: Node, index: number): boolean =>
  domain === '' && (byName.get(opType)?.includes(index) ?? false)

const CONVERTING = new Set<Operator>(['Cast', 'CastLike'])

/** Whether the operator makes other numbers of numbers by rounding them, where others make places or sizes of them. */
export const onlyConverts = ({ domain, opType }: Node): boolean => domain === '' && CONVERTING.has(opType)

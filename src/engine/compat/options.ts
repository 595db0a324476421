/** The options of onnxruntime.quantization that this folder understands, and their defaults. */
import type { QType } from '../quant/math.ts'
import type { Overrides } from './overrides.ts'

export interface CompatOptions {
  activationType: QType
  weightType: QType
  perChannel: boolean
  /** 7-bit weights */
  reduceRange: boolean
  activationSymmetric: boolean
  /** uint8 zero points are 0 or 128 */
  activationRestricted: boolean
  /** default: signed types are symmetric */
  weightSymmetric?: boolean
  /** smallest rmax − rmin */
  minimumRange?: number
  quantizeBias: boolean
  /** enlarge weight scales where an int32 bias would overflow */
  widenForBias: boolean
  /** keep float weights behind a Q/DQ pair */
  pairOnWeights: boolean
  /** one Q/DQ pair per reader */
  dedicatedPairs: boolean
  /** quantize movement operators although their input is float */
  forceMovement: boolean
  keepClamps: boolean
  /** dynamic: quantize inside of branches and loops too */
  subgraphs: boolean
  /** operators: products of two computed matrices stay float */
  constantMatricesOnly: boolean
  /** QOperator: outputs of Sigmoid have the scale 1/256 that NNAPI wants */
  nnapiSigmoid: boolean
  /** operators whose outputs stay float */
  floatOutputsOf: readonly string[]
  /** channel axis by operator */
  channelAxes: Readonly<Record<string, number>>
  /** default: every operator of the registry */
  operators?: readonly string[]
  /** default: every node */
  onlyNodes?: readonly string[]
  excludedNodes: readonly string[]
  /** of single tensors; Q/DQ only */
  overrides: Overrides
  /** elements of a weight matrix that share a scale, along the axis that the product sums over; Q/DQ only */
  blockSize?: number
  /** domain of QuantizeLinear and DequantizeLinear: '' or com.microsoft */
  domain: string
}

const DEFAULTS: CompatOptions = {
  activationType: 'int8',
  weightType: 'int8',
  perChannel: false,
  reduceRange: false,
  activationSymmetric: false,
  activationRestricted: false,
  quantizeBias: true,
  widenForBias: true,
  pairOnWeights: false,
  dedicatedPairs: false,
  forceMovement: false,
  keepClamps: false,
  subgraphs: false,
  constantMatricesOnly: false,
  nnapiSigmoid: false,
  floatOutputsOf: [],
  channelAxes: {},
  excludedNodes: [],
  overrides: {},
  domain: '',
}

export const withDefaults = (options: Partial<CompatOptions>): CompatOptions => ({ ...DEFAULTS, ...options })

/** Whether weights of this type are symmetric when nobody says otherwise. Source: BaseQuantizer.is_weight_symmetric. */
export const isWeightSymmetric = ({ weightSymmetric }: CompatOptions, qtype: QType): boolean =>
  weightSymmetric ?? qtype.startsWith('int')

/** Arguments of onnxruntime.quantization in the words of this house. */

import type { ExtraOptions, QuantizeDynamic, QuantizeStatic, TensorQuantOverride } from '../../../contract/compat.ts'
import type { CompatOptions } from '../../compat/options.ts'
import type { TensorOverride } from '../../compat/overrides.ts'
import type { QType } from '../../quant/math.ts'

const TYPES = {
  QInt4: 'int4',
  QUInt4: 'uint4',
  QInt8: 'int8',
  QUInt8: 'uint8',
  QInt16: 'int16',
  QUInt16: 'uint16',
} as const satisfies Record<QuantizeStatic['weight_type'], QType>

type Arguments = QuantizeStatic | (QuantizeDynamic & { activation_type?: undefined })

/** Only what is given; the rest keeps its default. */
export function optionsOf(given: Arguments): Partial<CompatOptions> {
  const { activation_type, weight_type, reduce_range, op_types_to_quantize, nodes_to_quantize, nodes_to_exclude } =
    given
  return defined({
    activationType: activation_type && TYPES[activation_type],
    weightType: TYPES[weight_type],
    reduceRange: reduce_range,
    operators: op_types_to_quantize,
    onlyNodes: nodes_to_quantize,
    excludedNodes: nodes_to_exclude,
    ...extrasOf(given.extra_options),
  })
}

function extrasOf(extra: ExtraOptions): Partial<Undefinable<CompatOptions>> {
  const {
    TensorQuantOverrides: overrides,
    UseQDQContribOps: contrib,
    QDQDisableWeightAdjustForInt32Bias: fixed,
  } = extra
  return {
    activationSymmetric: extra.ActivationSymmetric,
    weightSymmetric: extra.WeightSymmetric,
    activationRestricted: extra.ActivationRestrictedAsymmetric,
    minimumRange: extra.MinimumRealRange,
    quantizeBias: extra.QuantizeBias,
    widenForBias: fixed === undefined ? undefined : !fixed,
    pairOnWeights: extra.AddQDQPairToWeight,
    dedicatedPairs: extra.DedicatedQDQPair,
    forceMovement: extra.ForceQuantizeNoInputCheck,
    keepClamps: extra.QDQKeepRemovableActivations,
    subgraphs: extra.EnableSubgraph,
    constantMatricesOnly: extra.MatMulConstBOnly,
    floatOutputsOf: extra.OpTypesToExcludeOutputQuantization,
    channelAxes: extra.QDQOpTypePerChannelSupportToAxis,
    domain: contrib ? 'com.microsoft' : undefined,
    blockSize: extra.BlockSize,
    overrides: overrides && mapped(overrides, (channels) => channels.map(overrideOf)),
    nnapiSigmoid: extra['extra.Sigmoid.nnapi'],
  }
}

const overrideOf = ({ axis, convert, ...own }: TensorQuantOverride): TensorOverride =>
  defined({
    ...parametersOf(own),
    axis,
    convert: convert && defined({ ...parametersOf(convert), readers: convert.recv_nodes }),
  })

const parametersOf = ({ quant_type, reduce_range, rmin, rmax, zero_point, symmetric, scale }: TensorQuantOverride) => ({
  qtype: quant_type && TYPES[quant_type],
  reduceRange: reduce_range,
  min: rmin,
  max: rmax,
  symmetric,
  scale,
  zeroPoint: zero_point,
})

type Undefinable<T> = { [K in keyof T]: T[K] | undefined }
const defined = <T extends object>(given: Partial<Undefinable<T>>): T =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T

const mapped = <A, B>(record: Readonly<Record<string, A>>, to: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, to(value)]))

/** The golden cases of ONNX Runtime's quantizers: what they were given and what they made of it. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CompatOptions } from '../../../src/engine/compat/options.ts'
import type { Overrides, TensorOverride } from '../../../src/engine/compat/overrides.ts'
import type { Model } from '../../../src/engine/ir/graph.ts'
import { decodeModel } from '../../../src/engine/onnx/index.ts'
import { readGolden, sharedFile } from '../../kit/goldens.ts'

const ROOT = sharedFile('goldens', 'ort-1.30', 'cases')

export const CASES = ROOT ? readdirSync(ROOT).sort() : []
export const skip = ROOT ? false : 'no golden cases here'

export interface TensorEntry {
  scaleHex: string | string[]
  zeroPoint: number | number[]
  axis: number | null
  dtype: string
  quantized?: { name: string; shape: number[]; sha256: string }
}

export interface Expected {
  operators: Record<string, number>
  opset: Record<string, number>
  tensors: Record<string, TensorEntry & { scale: unknown }>
  outputs?: Record<string, { shape: number[]; data: number[] }>
  outputsNoOptimization?: Record<string, { shape: number[]; data: number[] }>
  sqnrDbToFloat?: number
  error?: { stage: string; message: string }
}

export interface GoldenCase {
  name: string
  set: string
  model: Model
  ranges: Map<string, { min: number; max: number }>
  floatOutputs: Record<string, { shape: number[]; data: number[] }>
  options: Partial<CompatOptions>
  expected: Expected
  /** path of the file that ONNX Runtime wrote */
  file: string
  input: string
}

const at = (...parts: string[]): string => join(ROOT ?? '', ...parts)

export function openCase(name: string, set: string): GoldenCase {
  const reference = readGolden(at(name, 'reference.json')) as unknown as {
    ranges: Record<string, [number, number]>
    floatOutputs: GoldenCase['floatOutputs']
  }
  const { optionSets, operators } = readGolden(at(name, 'options.json')) as unknown as {
    optionSets: Record<string, { function: string; arguments: Arguments }>
    operators: Record<string, number>
  }
  return {
    name,
    set,
    model: decodeModel(at(name, 'model.onnx')).model,
    ranges: rangesOf(reference.ranges, optionSets[set]!.arguments.extra_options?.CalibTensorRangeSymmetric === true),
    floatOutputs: reference.floatOutputs,
    options: {
      ...optionsOf(optionSets[set]!.arguments),
      ...(optionSets[set]!.function === 'get_qdq_config' && { operators: Object.keys(operators), forceMovement: true }),
    },
    expected: readGolden(at(name, `expected.${set}.json`)) as unknown as Expected,
    file: at(name, `expected.${set}.onnx`),
    input: at(name, 'input.npz'),
  }
}

export const setsOf = (name: string): string[] =>
  Object.keys((readGolden(at(name, 'options.json')) as unknown as { optionSets: object }).optionSets)

/** Cases that have this option set. */
export const casesWith = (set: string): string[] =>
  CASES.filter((name) => sharedFile('goldens', 'ort-1.30', 'cases', name, `expected.${set}.json`))

function rangesOf(ranges: Record<string, [number, number]>, symmetric: boolean): GoldenCase['ranges'] {
  const rows = Object.entries(ranges).map(([name, [min, max]]) => {
    const largest = Math.max(Math.abs(min), Math.abs(max))
    return [name, symmetric ? { min: -largest, max: largest } : { min, max }] as const
  })
  return new Map(rows)
}

interface Arguments {
  activation_type?: string
  weight_type: string
  per_channel: boolean
  reduce_range?: boolean
  keep_removable_activations?: boolean
  min_real_range?: number
  op_types_to_quantize?: string[]
  nodes_to_quantize?: string[]
  nodes_to_exclude?: string[]
  extra_options?: Record<string, unknown>
}

const TYPES = {
  ...{ QUInt8: 'uint8', QInt8: 'int8', QUInt16: 'uint16', QInt16: 'int16' },
  ...{ QUInt4: 'uint4', QInt4: 'int4' },
} as const
const typeOf = (name: string) => TYPES[name as keyof typeof TYPES]

interface Override {
  quant_type?: string
  symmetric?: boolean
  reduce_range?: boolean
  rmin?: number
  rmax?: number
  scale?: number
  zero_point?: number
  axis?: number
  convert?: Override & { recv_nodes?: string[] }
}

function overrideOf({ quant_type, reduce_range, rmin, rmax, zero_point, convert, ...same }: Override): TensorOverride {
  const given = {
    ...same,
    qtype: quant_type && typeOf(quant_type),
    reduceRange: reduce_range,
    min: rmin,
    max: rmax,
    zeroPoint: zero_point,
    convert: convert && { ...overrideOf(convert), ...(convert.recv_nodes && { readers: convert.recv_nodes }) },
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

const overridesOf = (overrides: Record<string, Override[]>): Overrides =>
  Object.fromEntries(Object.entries(overrides).map(([name, channels]) => [name, channels.map(overrideOf)]))

/** Their option → ours. */
const EXTRA: Record<string, (value: never) => Partial<CompatOptions>> = {
  ActivationSymmetric: (activationSymmetric: boolean) => ({ activationSymmetric }),
  ActivationRestrictedAsymmetric: (activationRestricted: boolean) => ({ activationRestricted }),
  WeightSymmetric: (weightSymmetric: boolean) => ({ weightSymmetric }),
  AddQDQPairToWeight: (pairOnWeights: boolean) => ({ pairOnWeights }),
  OpTypesToExcludeOutputQuantization: (floatOutputsOf: string[]) => ({ floatOutputsOf }),
  DedicatedQDQPair: (dedicatedPairs: boolean) => ({ dedicatedPairs }),
  QDQOpTypePerChannelSupportToAxis: (channelAxes: Record<string, number>) => ({ channelAxes }),
  QDQKeepRemovableActivations: (keepClamps: boolean) => ({ keepClamps }),
  QuantizeBias: (quantizeBias: boolean) => ({ quantizeBias }),
  ForceQuantizeNoInputCheck: (forceMovement: boolean) => ({ forceMovement }),
  MinimumRealRange: (minimumRange: number) => ({ minimumRange }),
  QDQDisableWeightAdjustForInt32Bias: (disable: boolean) => ({ widenForBias: !disable }),
  'extra.Sigmoid.nnapi': (nnapiSigmoid: boolean) => ({ nnapiSigmoid }),
  BlockSize: (blockSize: number) => ({ blockSize }),
  TensorQuantOverrides: (overrides: Record<string, Override[]>) => ({ overrides: overridesOf(overrides) }),
  CalibTensorRangeSymmetric: () => ({}),
  CalibMovingAverage: () => ({}),
  CalibMovingAverageConstant: () => ({}),
  CalibStridedMinMax: () => ({}),
  UseQDQContribOps: (contrib: boolean) => ({ domain: contrib ? 'com.microsoft' : '' }),
}

function optionsOf(given: Arguments): Partial<CompatOptions> {
  const extras = Object.entries(given.extra_options ?? {}).map(([name, value]) => {
    const convert = EXTRA[name]
    if (!convert) throw new Error(`the option ${name} is unknown here`)
    return convert(value as never)
  })
  return Object.assign(
    {
      activationType: typeOf(given.activation_type ?? 'QUInt8'),
      weightType: typeOf(given.weight_type),
      perChannel: given.per_channel,
      reduceRange: given.reduce_range ?? false,
      keepClamps: given.keep_removable_activations ?? false,
      ...(given.min_real_range && { minimumRange: given.min_real_range }),
      ...(given.op_types_to_quantize && { operators: given.op_types_to_quantize }),
      ...(given.nodes_to_quantize && { onlyNodes: given.nodes_to_quantize }),
      ...(given.nodes_to_exclude && { excludedNodes: given.nodes_to_exclude }),
    },
    ...extras,
  ) as Partial<CompatOptions>
}

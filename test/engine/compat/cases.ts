/** The golden cases of ONNX Runtime's quantizers: what they were given and what they made of it. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { QuantizeDynamic, QuantizeStatic } from '../../../src/contract/compat.ts'
import type { CompatOptions } from '../../../src/engine/compat/options.ts'
import type { Model } from '../../../src/engine/ir/graph.ts'
import { optionsOf } from '../../../src/engine/methods/compat/arguments.ts'
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
      ...optionsGiven(optionSets[set]!.arguments, optionSets[set]!.function === 'quantize_dynamic'),
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
  per_channel: boolean
  calibrate_method?: string
  extra_options?: Record<string, unknown>
}

/** get_qdq_config's own arguments by the names of quantize_static's */
const CONFIG = {
  keep_removable_activations: 'QDQKeepRemovableActivations',
  min_real_range: 'MinimumRealRange',
} as const
const ofCalibration = (name: string): boolean => name.startsWith('Calib')

function optionsGiven({ per_channel, calibrate_method: _, ...given }: Arguments, isDynamic: boolean) {
  const extra = Object.entries(given.extra_options ?? {}).filter(([name]) => !ofCalibration(name))
  const own = Object.entries(CONFIG).flatMap(([name, theirs]) => {
    const value = (given as Record<string, unknown>)[name]
    return value === undefined || value === null ? [] : [[theirs, value]]
  })
  const known = Object.entries(given).filter(([name]) => !Object.hasOwn(CONFIG, name))
  const wished = { ...Object.fromEntries(known), extra_options: Object.fromEntries([...extra, ...own]) }
  return { perChannel: per_channel, ...optionsOf((isDynamic ? QuantizeDynamic : QuantizeStatic).parse(wished)) }
}

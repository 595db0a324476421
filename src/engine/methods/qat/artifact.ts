/** Puts trained numbers into a quantized model: integers, scales, biases and what stays float. */

import { saturationOf } from '../../correct/saturation.ts'
import type { Parameters } from '../../insert/insert.ts'
import type { Value } from '../../ir/graph.ts'
import { float32, scalar, tensorOf, view } from '../../ir/tensor.ts'
import {
  allocate,
  channelLayout,
  clippingRange,
  extremes,
  type Integers,
  integerRange,
  nextPowerOfTwo,
  QTYPES,
  type QuantSpec,
  quantizeBias,
  quantizeInto,
  roundHalfEven,
  type ScaleZeroPoint,
  scaleZeroPoint,
  smallestScale,
  weightScaleForBias,
} from '../../quant/math.ts'
import type { Built } from '../static/variant.ts'
import type { ParameterKind, Trained } from './parameter.ts'
import { type BiasSite, type ConstantSite, findSites, type Group, type Sites } from './sites.ts'

export interface TrainedNumbers {
  /** where scales neither were trained nor follow the weights */
  fixedScales: boolean
  numbers: Trained
  /** by key */
  kinds: ReadonlyMap<string, ParameterKind>
}

/** `built` is a fresh build of the variant that was trained; its model is changed. Returns it with its parameters as they are now. */
export function writeTrained(built: Built, trained: TrainedNumbers): Built {
  const sites = findSites(built)
  const scales = new Map(sites.groups.map((group) => [group, scaleOfGroup(group, trained)]))
  for (const group of sites.groups) writeGroup(group, scales.get(group)!)
  const inputScale = ({ input }: BiasSite) => ('pairs' in input ? scales.get(input)!.scale : input.scales[0]!)
  for (const site of sites.constants) {
    const biases = sites.biases.filter(({ weight }) => weight === site)
    const floor = (channel: number, scale: number) =>
      biases.reduce((widest, bias) => widened(bias, numbersOf(bias, trained), inputScale(bias), channel, widest), scale)
    const tied = site.group ? scales.get(site.group) : undefined
    writeConstant(
      site,
      numbersOf(site, trained),
      tied ? Float32Array.of(tied.scale) : constantScales(site, trained),
      floor,
    )
  }
  for (const site of sites.biases) writeBias(site, numbersOf(site, trained), inputScale(site))
  for (const value of built.model.graph.initializers) {
    const numbers = trained.numbers.get(value.name)
    if (numbers && value.tensor) value.tensor = float32(value.tensor.shape, numbers)
  }
  return {
    ...built,
    parameters: new Map([...built.parameters, ...valueParameters(built, scales), ...weightParameters(built, sites)]),
  }
}

const valueParameters = ({ parameters }: Built, scales: ReadonlyMap<Group, ScaleZeroPoint>): [Value, Parameters][] =>
  [...scales].flatMap(([{ values }, { scale, zeroPoint }]) =>
    values.map((value): [Value, Parameters] => [
      value,
      { ...parameters.get(value)!, scales: Float32Array.of(scale), zeroPoint },
    ]),
  )

const weightParameters = ({ parameters }: Built, { constants }: Sites): [Value, Parameters][] =>
  constants.flatMap(({ plan: { value }, dequantize }) => {
    const [before, scale] = [parameters.get(value), dequantize.inputs[1]?.tensor]
    return before && scale ? [[value, { ...before, scales: view(scale, 'float32') }]] : []
  })

const numbersOf = ({ key, values }: ConstantSite | BiasSite, { numbers }: TrainedNumbers) => numbers.get(key) ?? values

/** What the trained numbers of a group mean. */
export function scaleOfGroup(
  { key, spec, scale, zeroPoint }: Group,
  { numbers, kinds }: TrainedNumbers,
): ScaleZeroPoint {
  const found = numbers.get(key)
  const kind = kinds.get(key)
  if (!found) return { scale, zeroPoint }
  if (kind === 'range') return scaleZeroPoint(found[0]!, found[1]!, spec.qtype, spec)
  const trained = kind === 'exponent' ? powerOfTwo(found[0]!) : found[0]!
  return { scale: Math.max(trained, Math.fround(smallestScale(spec))), zeroPoint }
}

const powerOfTwo = (exponent: number): number => 2 ** roundHalfEven(exponent)

function writeGroup({ pairs, spec }: Group, { scale, zeroPoint }: ScaleZeroPoint): void {
  for (const dequantize of pairs) {
    const quantize = dequantize.inputs[0]?.producer
    const [source, scaleValue, zeroValue] = quantize?.inputs ?? []
    if (!scaleValue?.tensor || !zeroValue?.tensor) continue
    scaleValue.tensor = scalar(scale)
    zeroValue.tensor = tensorOf(spec.qtype, [], integersOf(spec, [zeroPoint]))
    if (!isNarrow(spec)) continue
    clippingRange(spec.qtype, spec).forEach((q, i) => {
      const bound = source?.producer?.inputs[i + 1]
      if (bound) bound.tensor = scalar((q - zeroPoint) * scale)
    })
  }
}

const isNarrow = ({ qtype, bits }: QuantSpec): boolean => bits !== undefined && bits < QTYPES[qtype].bits

function integersOf({ qtype }: QuantSpec, numbers: ArrayLike<number>): Integers {
  const integers = allocate(qtype, numbers.length)
  integers.set(numbers)
  return integers
}

/** Trained scales, or those that the trained weights ask for. */
function constantScales({ key, scales, values, plan, shape }: ConstantSite, trained: TrainedNumbers): Float32Array {
  const found = trained.numbers.get(`${key} scale`)
  if (found) return trained.kinds.get(`${key} scale`) === 'exponent' ? found.map(powerOfTwo) : found
  if (!plan.symmetric || trained.fixedScales) return scales
  const numbers = trained.numbers.get(key) ?? values
  const [, last] = integerRange(plan.qtype, plan)
  return scales.map((before, c) => {
    const largest = largestOf(numbers, shape, plan.axis, c)
    if (largest === 0) return before
    return plan.powerOfTwo ? nextPowerOfTwo(largest / last) : Math.fround(largest / last)
  })
}

function largestOf(numbers: Float32Array, shape: readonly number[], axis: number | null, channel: number): number {
  const { outer, channels, inner } = layout(numbers, shape, axis)
  let largest = 0
  for (let o = 0; o < outer; o++) {
    const start = (o * channels + channel) * inner
    const [low, high] = extremes(numbers, start, start + inner)
    largest = Math.max(largest, -low, high)
  }
  return largest
}

const layout = (numbers: Float32Array, shape: readonly number[], axis: number | null) =>
  axis === null ? { outer: 1, channels: 1, inner: numbers.length } : channelLayout(shape, axis)

/** A weight scale at which the int32 bias fits. */
function widened({ weight }: BiasSite, bias: Float32Array, inputScale: number, channel: number, scale: number): number {
  const perChannel = weight.plan.axis !== null
  const largest = perChannel ? bias[channel]! : Math.max(...extremes(bias).map(Math.abs))
  return weightScaleForBias(largest, inputScale, scale, perChannel)
}

type Floor = (channel: number, scale: number) => number

function writeConstant(site: ConstantSite, numbers: Float32Array, trained: Float32Array, floor: Floor): void {
  const { dequantize, plan, shape } = site
  const [integers, scale] = dequantize.inputs
  if (!integers || !scale) return
  const wide = trained.map((found, channel) => floor(channel, found))
  const scales = plan.saturatesAlong === undefined ? wide : unsaturated(site, numbers, wide, plan.saturatesAlong)
  integers.tensor = tensorOf(plan.qtype, shape, quantized(site, numbers, scales))
  scale.tensor = float32(plan.axis === null ? [] : [scales.length], scales)
}

function unsaturated(site: ConstantSite, numbers: Float32Array, scales: Float32Array, axis: number): Float32Array {
  const growth = saturationOf(quantized(site, numbers, scales), site.shape, axis, site.plan.node)
  const largest = growth.reduce((a, b) => Math.max(a, b), 1)
  return scales.map((scale, c) => scale * (site.plan.axis === null ? largest : growth[c]!))
}

function quantized({ plan, shape, zeroPoints }: ConstantSite, numbers: Float32Array, scales: Float32Array): Integers {
  const { outer, channels, inner } = layout(numbers, shape, plan.axis)
  const out = allocate(plan.qtype, numbers.length)
  const clip = clippingRange(plan.qtype, plan)
  for (let c = 0; c < channels; c++) {
    const parameters = { scale: scales[c]!, zeroPoint: zeroPoints[c]! }
    for (let o = 0; o < outer; o++)
      quantizeInto(out, numbers, (o * channels + c) * inner, inner, parameters, plan.qtype, clip)
  }
  return out
}

function writeBias({ dequantize, weight }: BiasSite, numbers: Float32Array, inputScale: number): void {
  const [integers, scale] = dequantize.inputs
  const weightScales = weight.dequantize.inputs[1]?.tensor
  if (!integers?.tensor || !scale?.tensor || !weightScales) return
  const found = quantizeBias(numbers, inputScale, view(weightScales, 'float32'))
  integers.tensor = tensorOf('int32', integers.tensor.shape, found.quantized)
  scale.tensor = float32(scale.tensor.shape, found.scales)
}

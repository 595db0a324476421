/** IEEE half precision: conversion in both directions, round half to even. */

const SMALLEST = 2 ** -24
const LARGEST = 65504

const bits = new Uint32Array(1)
const single = new Float32Array(bits.buffer)

/** The 16 bits of a float32, rounded to nearest even; overflow gives infinity. */
export function float16Bits(x: number): number {
  single[0] = x
  const sign = (bits[0]! >>> 16) & 0x8000
  const magnitude = bits[0]! & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x47800000) return sign | 0x7c00
  if (magnitude < 0x38800000) return sign | subnormal(Math.abs(x))
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
  return sign | ((rounded - 0x38000000) >>> 13)
}

function subnormal(x: number): number {
  const steps = x / SMALLEST
  const floor = Math.floor(steps)
  const rest = steps - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}

/** The value of 16 half-precision bits. */
export function fromFloat16Bits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >>> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0) return sign * fraction * SMALLEST
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Converts weights: finite values stay finite and non-zero values stay non-zero. Source: convert_np_to_float16 of onnxruntime.transformers 1.30. */
export function toFloat16(values: ArrayLike<number>): Uint16Array {
  const out = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) out[i] = float16Bits(clampToHalf(values[i]!))
  return out
}

function clampToHalf(x: number): number {
  const size = Math.abs(x)
  if (size > LARGEST && size < Number.POSITIVE_INFINITY) return Math.sign(x) * LARGEST
  return size > 0 && size < SMALLEST ? Math.sign(x) * SMALLEST : x
}

export const fromFloat16 = (halves: Uint16Array): Float32Array => Float32Array.from(halves, fromFloat16Bits)

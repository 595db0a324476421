/** The dtypes of transformers.js 4: the suffix of each file, and what makes it. Source: its src/utils/dtypes.js. */
import type { QuantizeOptions } from '../../engine/options.ts'
import { FewbitError } from '../../shared/errors.ts'

export interface DtypeRow {
  suffix: string
  describes: string
  options: Pick<QuantizeOptions, 'target' | 'method'>
}

const few = (bits: 2 | 4, activations: 'float32' | 'float16'): DtypeRow['options'] => ({
  target: 'cpu-int4',
  method: { type: 'weight_only', bits, block_size: 32, activations },
})

const dynamic: DtypeRow['options'] = { target: 'cpu-int8', method: { type: 'dynamic' } }

/** int8 weights of convolutions have no kernel under WASM, uint8 ones do. */
const unsigned: DtypeRow['options'] = {
  target: 'cpu-int8',
  method: {
    type: 'dynamic',
    compat: 'onnxruntime',
    quantize_dynamic: { weight_type: 'QUInt8', extra_options: { EnableSubgraph: true } },
  },
}

export const DTYPES = {
  fp16: {
    suffix: '_fp16',
    describes: 'half precision, float32 inputs and outputs',
    options: { target: 'gpu-float16', method: 'float16' },
  },
  q8: { suffix: '_quantized', describes: 'int8 weights, activations quantized at run time', options: dynamic },
  int8: { suffix: '_int8', describes: 'int8 weights, activations quantized at run time', options: dynamic },
  uint8: { suffix: '_uint8', describes: 'uint8 weights, activations quantized at run time', options: unsigned },
  q4: { suffix: '_q4', describes: '4-bit weights in blocks of 32', options: few(4, 'float32') },
  q4f16: {
    suffix: '_q4f16',
    describes: '4-bit weights in blocks of 32, float16 activations',
    options: few(4, 'float16'),
  },
  q2: { suffix: '_q2', describes: '2-bit weights in blocks of 32', options: few(2, 'float32') },
  q2f16: {
    suffix: '_q2f16',
    describes: '2-bit weights in blocks of 32, float16 activations',
    options: few(2, 'float16'),
  },
} as const satisfies Record<string, DtypeRow>

export type Dtype = keyof typeof DTYPES

/** dtypes that transformers.js knows, and why they are not written */
const NOT_WRITTEN: Readonly<Record<string, string>> = {
  q1: 'ONNX Runtime 1.30 has no kernel for 1-bit weights',
  q1f16: 'ONNX Runtime 1.30 has no kernel for 1-bit weights',
  bnb4: 'fewbit does not write MatMulBnb4: q4 has the same size, and a kernel under WebGPU too',
  fp32: 'the float model is copied in any case',
}

export const isDtype = (name: string): name is Dtype => Object.hasOwn(DTYPES, name)

/** `all`, or names separated by commas. Throws invalid_request. */
export function dtypesOf(text: string): Dtype[] {
  if (text === 'all') return Object.keys(DTYPES).filter(isDtype)
  const names = text.split(',').map((name) => name.trim())
  const known = names.filter(isDtype)
  const unknown = names.find((name) => !isDtype(name))
  if (unknown === undefined) return [...new Set(known)]
  throw new FewbitError(
    'invalid_request',
    `the dtype "${unknown}" is not written: ${NOT_WRITTEN[unknown] ?? 'transformers.js has none of this name'}`,
    {
      hint: `there is ${Object.keys(DTYPES).join(', ')}, or all`,
    },
  )
}

const SUFFIXES: readonly string[] = [...Object.values(DTYPES).map(({ suffix }) => suffix), '_bnb4', '_q1', '_q1f16']

/** Whether a file is called like a dtype of another model: `model_q4`. */
export const hasSuffix = (name: string): boolean => SUFFIXES.some((suffix) => name.endsWith(suffix))

/** The shape of an integer target: what we ship and what a user sends are the same document. */
import { z } from 'zod'

const STORAGE = { uint4: 4, int4: 4, uint8: 8, int8: 8, uint16: 16, int16: 16 } as const

/** What runs models in browsers: WebAssembly, and GPUs through WebGPU. */
export const BROWSER_RUNTIMES = ['wasm', 'webgpu'] as const
export type BrowserRuntime = (typeof BROWSER_RUNTIMES)[number]

/** How one kind of tensor becomes integers. */
const NumberFormat = z.strictObject({
  dtype: z
    .enum(['uint4', 'int4', 'uint8', 'int8', 'uint16', 'int16'])
    .describe('type in the file; 4 bits are packed in pairs, for weights only'),
  bits: z
    .number()
    .int()
    .min(2)
    .max(16)
    .optional()
    .describe('bits that are used; all of the type by default, fewer make the type a container'),
  symmetric: z.boolean().describe('zero point in the middle of the type'),
  scale: z.enum(['any', 'power_of_two']).default('any'),
  granularity: z.enum(['tensor', 'channel']).default('tensor').describe('one scale per tensor, or per output channel'),
  minimum_range: z.number().positive().optional().describe('smallest max − min that a scale may stand for'),
})
type NumberFormat = z.infer<typeof NumberFormat>

const fitsStorage = ({ dtype, bits }: NumberFormat) => bits === undefined || bits <= STORAGE[dtype]
const isByteOrMore = ({ dtype }: NumberFormat) => STORAGE[dtype] >= 8
const PACKED_MESSAGE = { error: 'only weights are packed: use uint8 or int8 with bits 4', path: ['dtype'] }
const STORAGE_MESSAGE = { error: 'more bits than its dtype holds', path: ['bits'] }

const Fixed = z.strictObject({ scale: z.number().positive(), zero_point: z.number().int() })

export const OperatorSupport = z.strictObject({
  output: z
    .enum(['required', 'optional', 'float'])
    .default('required')
    .describe(
      'required: its output must be quantized too; optional: it can also write float32; float: it always writes float32',
    ),
  weight_granularity: z.enum(['tensor', 'channel']).optional().describe('overrides the weights of the profile'),
  attributes: z
    .record(z.string(), z.array(z.union([z.string(), z.number()])))
    .optional()
    .describe('the only values of attributes that it computes in integers'),
  same_scale: z.boolean().optional().describe('inputs and output have one scale and zero point'),
  fixed_output: Fixed.optional().describe('parameters that the operator always writes'),
  fixed_wide_output: Fixed.optional().describe('the same for wide activations'),
})
export type OperatorSupport = z.infer<typeof OperatorSupport>

const Name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'lower-case letters, digits, dots and dashes')

/** An integer target. Everything but `id`, `activation` and `weight` has a default. */
export const IntegerProfile = z.strictObject({
  id: Name.describe('a name of your own; the names of the built-in targets are taken'),
  object: z.literal('target').default('target'),
  kind: z.literal('integer').default('integer'),
  title: z.string().max(200).default('User profile'),
  description: z.string().max(2000).default('Sent with a job.'),
  runtime: z.string().max(200).default('any that executes QDQ models'),
  methods: z
    .array(z.enum(['static', 'dynamic', 'qat']))
    .min(1)
    .default(['static', 'qat']),
  default_method: z.enum(['static', 'dynamic', 'qat']).default('static'),
  min_opset: z.number().int().min(10).max(23).default(13),
  activation: NumberFormat.refine(fitsStorage, STORAGE_MESSAGE)
    .refine(isByteOrMore, PACKED_MESSAGE)
    .refine(({ granularity }) => granularity === 'tensor', {
      error: 'activations have one scale per tensor',
      path: ['granularity'],
    }),
  wide_activation: NumberFormat.refine(fitsStorage, STORAGE_MESSAGE)
    .refine(isByteOrMore, PACKED_MESSAGE)
    .optional()
    .describe('what the method option activation_bits 16 uses instead'),
  weight: NumberFormat.refine(fitsStorage, STORAGE_MESSAGE)
    .refine(({ symmetric, dtype }) => !symmetric || dtype.startsWith('int'), {
      error: 'symmetric weights are stored in a signed type',
      path: ['dtype'],
    })
    .refine(({ bits, dtype }) => (bits ?? STORAGE[dtype]) <= 16, STORAGE_MESSAGE),
  bias: z
    .strictObject({ dtype: z.enum(['int32', 'int8', 'float32']) })
    .default({ dtype: 'int32' })
    .describe('int32: scale(input) · scale(weight), zero point 0; int8: as weights, one scale; float32: not quantized'),
  format: z.literal('QDQ').default('QDQ'),
  formats: z
    .array(z.enum(['onnx', 'tflite']))
    .min(1)
    .optional()
    .describe('what an artifact may be; ONNX alone where this is missing'),
  hardware: z.enum(['cpu', 'other']).default('other').describe('cpu: latency is measured where the job runs'),
  placement: z
    .enum(['regions', 'all', 'inputs'])
    .default('all')
    .describe(
      'regions: only where neighbouring operators stay in integers; all: every listed operator, whatever surrounds it; inputs: only what weighted operators read',
    ),
  shapes: z.enum(['static', 'dynamic']).default('dynamic').describe('whether every dimension must be a number'),
  float_operators: z.enum(['allowed', 'forbidden']).default('allowed').describe('whether anything may stay in float'),
  accumulator: z
    .enum(['int32', 'int16-pairs'])
    .default('int32')
    .describe('int16-pairs: products of two neighbouring weights are added up in 16 bits that saturate'),
  shifts: z
    .strictObject({
      cut: z.array(z.number().int()).length(2).readonly().describe('bounds of pos(weight) + pos(input) − pos(output)'),
      bias: z
        .array(z.number().int())
        .length(2)
        .readonly()
        .describe('bounds of pos(weight) + pos(input) − pos(bias); the lower one rises with the cut, up to 0'),
    })
    .optional()
    .describe('for scales 2^−pos: by how many bits results may be shifted'),
  operators: z
    .record(z.string(), OperatorSupport)
    .default({})
    .describe('operators that compute in integers; an empty table means every operator that Fewbit can quantize'),
  run_time_operators: z
    .array(z.enum(['LSTM', 'GRU']))
    .max(2)
    .optional()
    .describe('recurrent operators whose weights become int8 and whose activations are quantized at run time'),
  browsers: z
    .array(z.enum(BROWSER_RUNTIMES))
    .max(BROWSER_RUNTIMES.length)
    .optional()
    .describe(
      'runtimes of browsers on which every artifact is run beside the float model; on the first it must run. Speed counts there, and not on this processor',
    ),
  sources: z.array(z.string().max(300)).max(50).default([]).describe('where the rules come from'),
})
export type IntegerTarget = Readonly<z.infer<typeof IntegerProfile>>

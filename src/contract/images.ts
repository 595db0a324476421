/** How pictures become the numbers of a model's input: the steps of torchvision, Keras and transformers, in their order. */
import { z } from 'zod'

const side = z.number().int().min(1).max(4096)
/** a square, or height and width */
const Box = z.union([side, z.tuple([side, side])])
const perChannel = z.array(z.number()).min(1).max(3)

export const FILTERS = ['nearest', 'bilinear', 'bicubic', 'lanczos'] as const

const Steps = z.strictObject({
  resize: z
    .union([side, z.tuple([side, side])])
    .optional()
    .describe('a number: the shorter side, the shape kept; two: height and width'),
  filter: z.enum(FILTERS).optional().describe('bilinear by default'),
  crop: Box.optional().describe('from the center'),
  channels: z.enum(['rgb', 'bgr', 'gray']).optional().describe('rgb by default'),
  layout: z.enum(['nchw', 'nhwc']).optional().describe('nchw by default'),
  scale: z.number().positive().optional().describe('of the stored 0 to 255; 1/255 by default'),
  mean: perChannel.optional().describe('taken off behind the scale, per channel in the order of channels'),
  std: z.array(z.number().positive()).min(1).max(3).optional().describe('divided by behind the mean'),
})
type Steps = z.infer<typeof Steps>

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }

/** torchvision: the weights' own transforms. keras: `preprocess_input` of keras.applications, its three modes. Sources: torchvision.transforms._presets, keras.applications.imagenet_utils. */
export const PRESETS = {
  torchvision: { resize: 256, crop: 224, ...IMAGENET },
  'torchvision-232': { resize: 232, crop: 224, ...IMAGENET },
  'keras-tf': { resize: [224, 224], layout: 'nhwc', scale: 1, mean: [127.5], std: [127.5] },
  'keras-torch': { resize: [224, 224], layout: 'nhwc', ...IMAGENET },
  'keras-caffe': {
    resize: [224, 224],
    layout: 'nhwc',
    channels: 'bgr',
    scale: 1,
    mean: [103.939, 116.779, 123.68],
    std: [1],
  },
} as const satisfies Record<string, z.input<typeof Steps>>

const Edge = z.looseObject({
  height: side.optional(),
  width: side.optional(),
  shortest_edge: side.optional(),
})

/** `preprocessor_config.json` of a folder of Hugging Face, as far as image classifiers use it. */
const PreprocessorConfig = z.looseObject({
  do_resize: z.boolean().default(true),
  size: z.union([side, Edge]).optional(),
  resample: z.number().int().min(0).max(5).default(2),
  do_center_crop: z.boolean().default(false),
  crop_size: z.union([side, Edge]).optional(),
  do_rescale: z.boolean().default(true),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
  do_normalize: z.boolean().default(true),
  image_mean: perChannel.optional(),
  image_std: z.array(z.number().positive()).min(1).max(3).optional(),
})

export const ImageSpec = Steps.extend({
  input: z.string().min(1).max(1000).describe("name of the model's input"),
  preset: z
    .enum(Object.keys(PRESETS) as [keyof typeof PRESETS, ...(keyof typeof PRESETS)[]])
    .optional()
    .describe('steps by name; those that are named beside it take precedence'),
  preprocessor_config: PreprocessorConfig.optional().describe(
    'the file of that name of transformers; instead of a preset',
  ),
})
  .superRefine((spec, context) => {
    const problem = problemOf(spec)
    if (problem) context.addIssue({ code: 'custom', ...problem })
  })
  .describe('how the pictures of a .zip become an input')
export type ImageSpec = z.infer<typeof ImageSpec>

/** Every step settled. */
export interface ImageSteps {
  input: string
  /** of what the model gets, in pixels */
  size: readonly [height: number, width: number]
  resize: number | readonly [height: number, width: number] | null
  filter: (typeof FILTERS)[number]
  channels: 'rgb' | 'bgr' | 'gray'
  layout: 'nchw' | 'nhwc'
  /** stored · scale + offset, one of each per channel */
  affine: readonly { scale: number; offset: number }[]
}

const BYTE = 1 / 255

/** The steps that a spec means. `spec` was parsed. */
export function imageSteps({ input, preset, preprocessor_config, ...own }: ImageSpec): ImageSteps {
  const known: Steps = preset
    ? (PRESETS[preset] as unknown as Steps)
    : preprocessor_config
      ? fromConfig(preprocessor_config)
      : {}
  const steps: Steps = { ...known, ...own }
  const {
    resize,
    crop,
    filter = 'bilinear',
    channels = 'rgb',
    layout = 'nchw',
    scale = BYTE,
    mean = [0],
    std = [1],
  } = steps
  const count = channels === 'gray' ? 1 : 3
  return {
    input,
    size: boxOf(crop ?? resize ?? 1),
    resize: resize ?? null,
    filter,
    channels,
    layout,
    affine: Array.from({ length: count }, (_, i) => {
      const [m, s] = [mean[mean.length === 1 ? 0 : i] ?? 0, std[std.length === 1 ? 0 : i] ?? 1]
      return { scale: scale / s, offset: -m / s }
    }),
  }
}

/** of one sample, without the axis that counts them */
export function imageShape({ size: [height, width], affine, layout }: ImageSteps): number[] {
  return layout === 'nchw' ? [affine.length, height, width] : [height, width, affine.length]
}

const boxOf = (box: number | readonly [number, number]): [number, number] =>
  typeof box === 'number' ? [box, box] : [box[0], box[1]]

/** PIL's numbers */
const RESAMPLE = ['nearest', 'lanczos', 'bilinear', 'bicubic'] as const

type Config = z.infer<typeof PreprocessorConfig>

function fromConfig(config: Config): Steps {
  const normalize = config.do_normalize ? { mean: config.image_mean, std: config.image_std } : {}
  return {
    resize: config.do_resize ? edges(config.size) : undefined,
    filter: RESAMPLE[config.resample] ?? 'bilinear',
    crop: config.do_center_crop ? edges(config.crop_size) : undefined,
    scale: config.do_rescale ? config.rescale_factor : 1,
    ...normalize,
  }
}

function edges(size: Config['size']): Steps['resize'] {
  if (typeof size !== 'object') return size
  const { height, width, shortest_edge } = size
  return height !== undefined && width !== undefined ? [height, width] : shortest_edge
}

function problemOf(spec: z.infer<typeof Steps> & { preset?: string; preprocessor_config?: object; input: string }) {
  const problem = (name: string, message: string) => ({ path: [name], message })
  if (spec.preset && spec.preprocessor_config) return problem('preset', 'not together with preprocessor_config')
  const { resize, size, affine } = imageSteps(spec as ImageSpec)
  const { crop, mean, std } = spec
  const isSized = crop !== undefined || Array.isArray(resize) || spec.preset || spec.preprocessor_config
  if (!isSized) return problem('crop', 'the pictures get one size by crop, or by resize with height and width')
  if (resize === null && crop === undefined) return problem('crop', 'the pictures get no size')
  if (typeof resize === 'number' && Math.max(...size) > resize)
    return problem('crop', `${Math.max(...size)} does not fit into pictures whose shorter side is ${resize}`)
  if (Array.isArray(resize) && (size[0] > resize[0]! || size[1] > resize[1]!))
    return problem('crop', `[${size.join(', ')}] does not fit into pictures of [${resize.join(', ')}]`)
  for (const [name, values] of Object.entries({ mean, std }))
    if (values && values.length !== 1 && values.length !== affine.length)
      return problem(name, `has ${values.length} numbers for ${affine.length} channels`)
  return null
}

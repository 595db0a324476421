/** Which form of a convolution's gradients is fastest on ONNX Runtime's CPU kernels; bench/conv-gradients.ts prints the table behind it. */
import { INPUT_FORMS } from './convolution-input.ts'
import { WEIGHT_FORMS } from './convolution-weight.ts'
import { product } from './shapes.ts'
import { type Convolution, isDense } from './window.ts'

export type InputFormName = keyof typeof INPUT_FORMS
export type WeightFormName = keyof typeof WEIGHT_FORMS

interface Choice<Form> {
  form: Form
  when?: (c: Convolution) => boolean
}

/** places of the result; NaN where they are not fixed */
const places = ({ result }: Convolution): number => product(result.map(Number))
const taps = ({ kernel }: Convolution): number => product(kernel)

/** Few places: one product over all images saves writing a kernel per image. Many: moving the batch inwards costs more than that. */
const few = (most: number) => (c: Convolution) => places(c) <= most

/** In order of preference: the first that fits is taken. */
const INPUT_ORDER: readonly Choice<InputFormName>[] = [
  { form: 'pointwise', when: isDense },
  { form: 'convolve', when: isDense },
  { form: 'transposed' },
]

const WEIGHT_ORDER: readonly Choice<WeightFormName>[] = [
  { form: 'pointwiseMerged', when: few(64) },
  { form: 'pointwise' },
  { form: 'diagonalMerged', when: (c) => isDense(c) && ((places(c) > 16 && places(c) <= 64) || taps(c) > 9) },
  { form: 'shifted', when: (c) => isDense(c) && places(c) > 64 },
  { form: 'unfolded', when: (c) => c.inputs < 16 && taps(c) <= 25 },
  { form: 'exchanged', when: (c) => c.inputs < 16 },
  { form: 'unfoldedMerged', when: few(16) },
  { form: 'tapwiseMerged', when: few(300) },
  { form: 'tapwise' },
  { form: 'exchanged' },
]

const chosen = <Form extends string>(
  order: readonly Choice<Form>[],
  forms: Readonly<Record<Form, { fits: (c: Convolution) => boolean }>>,
  c: Convolution,
): Form | undefined => order.find(({ form, when }) => forms[form].fits(c) && (when?.(c) ?? true))?.form

export const inputForm = (c: Convolution): InputFormName => chosen(INPUT_ORDER, INPUT_FORMS, c) ?? 'transposed'
export const weightForm = (c: Convolution): WeightFormName => chosen(WEIGHT_ORDER, WEIGHT_FORMS, c) ?? 'exchanged'

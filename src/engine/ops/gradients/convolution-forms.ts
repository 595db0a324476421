/** Which form of a convolution's gradients is fastest on ONNX Runtime's CPU kernels; bench/conv-gradients.ts prints the table behind it. */
import { INPUT_FORMS } from './convolution-input.ts'
import { WEIGHT_FORMS } from './convolution-weight.ts'
import { type Convolution, isDense } from './window.ts'

export type InputFormName = keyof typeof INPUT_FORMS
export type WeightFormName = keyof typeof WEIGHT_FORMS

/** In order of preference: the first that fits is taken. */
const INPUT_ORDER: readonly { form: InputFormName; when?: (c: Convolution) => boolean }[] = [
  { form: 'pointwise' },
  { form: 'convolve', when: isDense },
  { form: 'transposed' },
]

const WEIGHT_ORDER: readonly { form: WeightFormName; when?: (c: Convolution) => boolean }[] = [
  { form: 'pointwise' },
  { form: 'shifted' },
  { form: 'unfolded' },
  { form: 'exchanged' },
]

export const inputForm = (c: Convolution): InputFormName =>
  INPUT_ORDER.find(({ form, when }) => INPUT_FORMS[form].fits(c) && (when?.(c) ?? true))?.form ?? 'transposed'

export const weightForm = (c: Convolution): WeightFormName =>
  WEIGHT_ORDER.find(({ form, when }) => WEIGHT_FORMS[form].fits(c) && (when?.(c) ?? true))?.form ?? 'exchanged'

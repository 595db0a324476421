/** Which input pictures are for, where the caller does not say. */
import { z } from 'zod'
import { ImageSpec } from '../../../contract/images.ts'
import { FewbitError } from '../../../shared/errors.ts'
import { decodeModel } from '../../onnx/index.ts'

/** as in the contract; `input` may be left out where the model has one input */
export type ImageOptions = Omit<z.input<typeof ImageSpec>, 'input'> & { input?: string }

/** Throws invalid_request, and model_* errors of a model that cannot be read. */
export function imageSpecFor(images: ImageOptions, model: string): ImageSpec {
  const found = ImageSpec.safeParse({ ...images, input: images.input ?? onlyInputOf(model) })
  if (found.success) return found.data
  throw new FewbitError('invalid_request', z.prettifyError(found.error).replaceAll(/\n\s*/g, ' '), { param: '/images' })
}

function onlyInputOf(path: string): string {
  const names = decodeModel(path).model.graph.inputs.map(({ name }) => name)
  const [first, ...others] = names
  if (first !== undefined && others.length === 0) return first
  throw new FewbitError(
    'invalid_request',
    `the model has the inputs ${names.slice(0, 10).join(', ')}, and pictures are for one of them`,
    {
      param: '/images/input',
      hint: 'name it as images.input',
    },
  )
}

/** Quantization-aware training: the float model is trained while its weights and activations are rounded. */
import { FewbitError } from '../../shared/errors.ts'
import type { Method } from './method.ts'

export const qatMethod: Method = () => {
  throw new FewbitError('target_method_mismatch', 'No target of this build trains.', { param: '/method/type' })
}

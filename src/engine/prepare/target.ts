/** The target as a recipe wants it. */
import { factsOf } from '../../contract/method-facts.ts'
import type { Recipe } from '../../contract/recipe.ts'
import { FewbitError } from '../../shared/errors.ts'
import { targetOf, widened } from '../targets/index.ts'
import type { Target } from '../targets/target.ts'

/** The target with the activations that the method asks for. Throws target_method_mismatch where it has none. */
export function targetFor({ target, method }: Recipe): Target {
  const found = targetOf(target)
  if (factsOf(method).activationBits === 8 || found.kind !== 'integer') return found
  const wide = widened(found)
  if (wide) return wide
  throw new FewbitError('target_method_mismatch', `${found.id} has no 16-bit activations`, {
    param: '/method/activation_bits',
  })
}

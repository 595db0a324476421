/** Whether a data set says of an input what the job says of it. */

import type { InputValue } from '../../contract/recipe.ts'
import { FewbitError } from '../../shared/errors.ts'
import { viewAs } from './convert.ts'
import type { Dataset } from './dataset.ts'

/** Throws dataset_mismatch that names the first sample with another value. */
export function requireValues({ arrays, samples, spec }: Dataset, values: Readonly<Record<string, InputValue>>): void {
  for (const [name, given] of Object.entries(values)) {
    const array = arrays.get(name)
    if (!array) continue
    const wished = [given].flat().map(Number)
    const { scale = 1, offset = 0 } = spec.arrays[name] ?? {}
    for (let sample = 0; sample < samples; sample++) {
      const stored = viewAs(array.slice(sample, 1), array.dtype) as Iterable<number | bigint>
      const found = Array.from(stored, (x) => Number(x) * scale + offset)
      const other = found.findIndex((x, i) => Math.fround(x) !== Math.fround(wished[i % wished.length]!))
      if (other >= 0)
        throw new FewbitError(
          'dataset_mismatch',
          `input "${name}" is ${found[other]} in sample ${sample}, and ${JSON.stringify(given)} by input_values`,
          { param: `/input_values/${name}`, hint: 'leave out the samples with other values, or the fixed value' },
        )
    }
  }
}

/** A call of the library as one JSON object with absolute paths, which another process can run. */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'
import { DatasetSpec } from '../contract/recipe.ts'
import type { RunnerSpec } from '../contract/runner-protocol.ts'
import { FewbitError } from '../shared/errors.ts'
import { imageSpecFor } from './data/images/input.ts'
import { describeAny } from './data/open.ts'
import { pathOf } from './files.ts'
import { type Data, dataOf, type QuantizeOptions, recipeOf, type Source } from './options.ts'

/** Sources that are bytes are written to `scratch`. Throws not_found, dataset_*, invalid_request and target_method_mismatch. */
export async function specFor(
  model: Source,
  options: QuantizeOptions,
  scratch: string,
  output: string,
): Promise<RunnerSpec> {
  const path = pathOf(model, scratch, 'source.onnx')
  const place = (name: keyof Sets, given: Source | Data | undefined) => placeData(dataOf(given), path, scratch, name)
  const sets = {
    ...place('calibration', options.calibration),
    ...place('training', options.training),
    ...place('evaluation', options.evaluation),
  }
  return {
    recipe: recipeOf(options, await labelsOf(sets.evaluation)),
    model: path,
    ...sets,
    output: resolve(output),
    threads: options.threads ?? availableParallelism(),
    ...(options.checkpoint !== undefined && { checkpoint: resolve(options.checkpoint) }),
    ...(options.memoryBytes !== undefined && { memory_bytes: options.memoryBytes }),
    ...(options.climbed && { climbed: [...options.climbed] }),
    ...(options.maxSeconds !== undefined && { max_seconds: options.maxSeconds }),
  }
}

type Sets = Pick<RunnerSpec, 'calibration' | 'training' | 'evaluation'>

const placeData = (given: Data | undefined, model: string, scratch: string, name: keyof Sets): Sets =>
  given
    ? {
        [name]: {
          path: pathOf(given.data, scratch, `${name}.npz`),
          spec: specOf(given, model),
          ...(given.part && { part: given.part }),
        },
      }
    : {}

/** Throws invalid_request. */
function specOf({ arrays, images, text }: Data, model: string): DatasetSpec {
  const given = { arrays, text, ...(images && { images: imageSpecFor(images, model) }) }
  const found = DatasetSpec.safeParse(given)
  if (found.success) return found.data
  throw new FewbitError('invalid_request', z.prettifyError(found.error).replaceAll(/\n\s*/g, ' '))
}

/** Of the evaluation data, without decoding any. */
async function labelsOf(evaluation: Sets['evaluation']) {
  return evaluation ? (await describeAny(evaluation.path, evaluation.spec)).labels : null
}

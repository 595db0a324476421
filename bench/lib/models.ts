/** Where the models of the benches lie, and their files. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Ends the process with what it wants. */
export function wanted(what: string): never {
  console.error(`This bench wants ${what}.`)
  process.exit(1)
}

const given = process.env.FEWBIT_MODELS

/** One folder per model with model.onnx, calibration and evaluation data as .npz or .zip, and what they need. */
export const MODELS_ROOT =
  given && existsSync(given)
    ? given
    : wanted(
        `FEWBIT_MODELS to name a directory with one folder per model; ${given ? `${given} is not there` : 'it is not set'}`,
      )

/** A file of a model's folder. Ends the process where it is missing. */
export function fileOf(model: string, ...names: readonly string[]): string {
  const path = join(MODELS_ROOT, model, ...names)
  return existsSync(path) ? path : wanted(path)
}

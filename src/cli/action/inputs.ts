/** The inputs of action.yml, from the variables in which it hands them over. */
import { FewbitError } from '../../shared/errors.ts'
import type { Limits } from './judge.ts'

/** of action.yml, and the options of `fewbit quantize` that they become */
const OPTIONS = ['target', 'method', 'calibration', 'evaluation', 'metric', 'training', 'seed', 'output'] as const

export interface Inputs {
  /** of `fewbit quantize` */
  args: string[]
  limits: Limits
}

type Environment = Record<string, string | undefined>

/** Throws invalid_request. */
export function readInputs(environment: Environment): Inputs {
  const given = (name: string) => environment[`FEWBIT_${name.toUpperCase().replaceAll('-', '_')}`]?.trim() || undefined
  const model = given('model')
  if (!model)
    throw new FewbitError('invalid_request', 'the input model is empty', { hint: 'model: path/to/model.onnx' })
  const options = OPTIONS.flatMap((name) => (given(name) ? [`--${name}=${given(name)}`] : []))
  const extra = (given('options') ?? '').split(/\s+/).filter(Boolean)
  return {
    args: ['quantize', ...options, ...extra.map((option) => `--set=${option}`), '--force', '--', model],
    limits: {
      maxAccuracyDrop: numberOf('max-accuracy-drop', given('max-accuracy-drop')),
      minSpeedup: numberOf('min-speedup', given('min-speedup')),
      maxSizeRatio: numberOf('max-size-ratio', given('max-size-ratio')),
      isStrict: given('strict') === 'true',
    },
  }
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined || Number.isFinite(Number(text))) return text === undefined ? undefined : Number(text)
  throw new FewbitError('invalid_request', `the input ${name} is ${JSON.stringify(text)}, not a number`)
}

/** The words of `fewbit quantize` as options of the library. */
import type { MethodName, MetricName } from '../contract/recipe.ts'
import type { Data, QuantizeOptions } from '../engine/options.ts'
import { defaultMethod } from '../engine/options.ts'
import { FewbitError } from '../shared/errors.ts'

/** as commander names them */
export interface Asked {
  target: QuantizeOptions['target']
  method?: MethodName
  set?: Record<string, unknown>
  excludeOp?: string[]
  excludeNode?: string[]
  inputShape?: QuantizeOptions['inputShapes']
  inputValue?: QuantizeOptions['inputValues']
  format?: QuantizeOptions['format']
  tfliteIo?: NonNullable<QuantizeOptions['tflite']>['io']
  tfliteImages?: NonNullable<QuantizeOptions['tflite']>['images']
  calibration?: string
  calibrationSamples?: number
  evaluation?: string
  metric?: MetricName
  wordSeparator?: number
  training?: string
  epochs?: number
  steps?: number
  checkpoint?: string
  scale?: Data['arrays']
  images?: Data['images']
  text?: Data['text']
  maxAccuracyDrop?: number
  minSpeedup?: number
  maxSize?: number
  /** the library that shall load the result */
  for?: 'transformers.js'
  dtypes?: string
  output?: string
  force?: boolean
  threads?: number
  memory?: number
  maxSeconds?: number
  seed?: number
  quiet?: boolean
  json?: boolean
}

/** option, what it cannot do without */
const NEEDS: readonly [keyof Asked, string, keyof Asked, string][] = [
  ['metric', '--metric', 'evaluation', '--evaluation'],
  ['wordSeparator', '--word-separator', 'metric', '--metric'],
  ['maxAccuracyDrop', '--max-accuracy-drop', 'evaluation', '--evaluation'],
  ['calibrationSamples', '--calibration-samples', 'calibration', '--calibration'],
  ['epochs', '--epochs', 'training', '--training'],
  ['steps', '--steps', 'training', '--training'],
  ['dtypes', '--dtypes', 'for', '--for'],
  ['tfliteIo', '--tflite-io', 'format', '--format'],
  ['tfliteImages', '--tflite-images', 'format', '--format'],
]

/** Throws invalid_request. */
export function optionsOf(asked: Asked): QuantizeOptions {
  requireTogether(asked)
  return { target: asked.target, ...methodOf(asked), ...formatOf(asked), ...dataOf(asked), ...runOf(asked) }
}

/** Throws invalid_request for an option that another one must go with. */
export function requireTogether(asked: Partial<Asked>): void {
  for (const [name, flag, other, needed] of NEEDS)
    if (asked[name] !== undefined && asked[other] === undefined)
      throw new FewbitError('invalid_request', `${flag} says nothing without ${needed}`)
}

export function methodOf({ target, method, set, excludeOp, excludeNode, inputShape, inputValue }: Asked) {
  return {
    method: { type: method ?? (set ? defaultMethod(target) : 'auto'), ...set } as QuantizeOptions['method'],
    exclude: { op_types: excludeOp, nodes: excludeNode },
    inputShapes: inputShape,
    inputValues: inputValue,
  }
}

/** What the artifact is, where it was said. */
export const formatOf = ({ format, tfliteIo, tfliteImages }: Asked): Pick<QuantizeOptions, 'format' | 'tflite'> => ({
  ...(format && { format }),
  ...((tfliteIo ?? tfliteImages) && { tflite: defined({ io: tfliteIo, images: tfliteImages }) }),
})

export function dataOf({
  scale,
  images,
  text,
  ...asked
}: Omit<Asked, 'target'>): Pick<QuantizeOptions, 'calibration' | 'evaluation' | 'training'> {
  const { calibration, calibrationSamples, evaluation, metric, wordSeparator, training, epochs, steps } = asked
  const arrays = { ...(scale && { arrays: scale }), ...(images && { images }), ...(text && { text }) }
  return {
    ...(calibration !== undefined && {
      calibration: { data: calibration, ...arrays, ...defined({ samples: calibrationSamples }) },
    }),
    ...(evaluation !== undefined && {
      evaluation: { data: evaluation, ...arrays, ...defined({ metric, wordSeparator }) },
    }),
    ...(training !== undefined && { training: { data: training, ...arrays, ...defined({ epochs, steps }) } }),
  }
}

const runOf = ({ checkpoint, ...asked }: Asked): Partial<QuantizeOptions> => defined({ checkpoint, ...limitsOf(asked) })

export const limitsOf = ({ threads, memory, maxSeconds, seed }: Omit<Asked, 'target'>) =>
  defined({ threads, memoryBytes: memory, maxSeconds, seed })

/** without what was not said */
const defined = <T extends object>(object: T): Partial<T> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>

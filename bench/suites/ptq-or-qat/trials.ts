/** What is compared: models with their data, and the forms of integers that they take. */
import type { CompareOptions } from '../../../src/engine/index.ts'
import { fileOf } from '../../lib/models.ts'
import { dataOf, hasPart, specOf, subjectOf } from '../../lib/subjects.ts'
import { charactersOf } from '../../lib/text-lines.ts'

export interface Trial {
  /** title and folder */
  name: string
  /** the part of the data that judges */
  evaluation: string
  metric: 'top1' | 'cer'
  /** minutes that one row may take; what it has then counts */
  minutes: number
}

export const TRIALS: readonly Trial[] = [
  { name: 'kws-dscnn', evaluation: 'evaluation', metric: 'top1', minutes: 20 },
  { name: 'fashion-cnn', evaluation: 'evaluation', metric: 'top1', minutes: 20 },
  { name: 'bert-tiny-sst2', evaluation: 'test', metric: 'top1', minutes: 20 },
  { name: 'mobilenetv2-cifar10', evaluation: 'evaluation', metric: 'top1', minutes: 20 },
  // the model of the demo
  { name: 'ocr-ppocrv4', evaluation: 'evaluation', metric: 'cer', minutes: 10 },
]

type Target = NonNullable<CompareOptions['targets']>[number]

export interface Form {
  title: string
  target: Target
}

const profile = (id: string, activation: object, weight: object) =>
  ({
    id,
    activation: { dtype: 'uint8', symmetric: false, ...activation },
    weight: { dtype: 'int8', symmetric: true, ...weight },
  }) as Exclude<Target, string>

export const FORMS: readonly Form[] = [
  { title: '8 bits, weights per channel (cpu-int8)', target: 'cpu-int8' },
  {
    title: '8 bits, powers of two, one scale per tensor',
    target: profile(
      'power-of-two',
      { dtype: 'int8', symmetric: true, scale: 'power_of_two' },
      { scale: 'power_of_two' },
    ),
  },
  {
    title: '4-bit weights per channel, 8-bit activations',
    target: profile('w4a8', {}, { bits: 4, granularity: 'channel' }),
  },
  {
    title: '4-bit weights per channel, 4-bit activations',
    target: profile('w4a4', { bits: 4 }, { bits: 4, granularity: 'channel' }),
  },
]

/** Everything that makes sense, at its defaults: calibration data calibrates, what there is to train on trains, other samples judge. */
export async function optionsFor({ name, evaluation, metric }: Trial, { target }: Form): Promise<CompareOptions> {
  const subject = subjectOf(name)
  const { arrays } = specOf(subject)
  const classesOf = metric === 'cer' ? charactersOf(fileOf(name, 'keys.txt')) : undefined
  const part = async (of: string) => ({ data: await dataOf(subject, of, classesOf), arrays })
  return {
    targets: [target],
    calibration: await part('calibration'),
    evaluation: { ...(await part(evaluation)), metric },
    ...(hasPart(subject, 'train') && { training: await part('train') }),
    threads: 2,
  }
}

export const modelOf = ({ name }: Trial): string => subjectOf(name).model

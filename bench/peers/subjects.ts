/** The models that both sides quantize: their data as .npz, and how right an artifact is. */
import { copyFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatasetSpec } from '../../src/contract/recipe.ts'
import { type Dataset, openDataset } from '../../src/engine/data/dataset.ts'
import { batchesOf } from '../../src/engine/data/samples.ts'
import type { RunTensor, Session } from '../../src/engine/runtime/runtime.ts'
import { argmaxPerSample } from '../../src/engine/verify/agreement.ts'
import { top1 } from '../../src/engine/verify/metrics/classes.ts'
import type { Label } from '../../src/engine/verify/metrics/metric.ts'
import { editDistance } from '../../src/engine/verify/metrics/sequences.ts'
import { averagePrecision } from '../lib/average-precision.ts'
import { detectionsOf, truths } from '../lib/detector.ts'
import { imageNames } from '../lib/images.ts'
import { fileOf } from '../lib/models.ts'
import { dataOf, specOf, subjectOf } from '../lib/subjects.ts'
import { charactersOf } from '../lib/text-lines.ts'

export interface Subject {
  name: string
  /** of the right answers, in percent */
  metric: 'top-1' | 'characters right' | 'AP50-95'
  /** samples in one calibration run */
  batch: number
  /** quantized without data too */
  dynamic?: boolean
}

export const SUBJECTS: readonly Subject[] = [
  { name: 'squeezenet-imagenet', metric: 'top-1', batch: 1 },
  { name: 'mobilenetv2-cifar10', metric: 'top-1', batch: 4 },
  { name: 'fastestdet-coco', metric: 'AP50-95', batch: 1 },
  { name: 'ocr-ppocrv4', metric: 'characters right', batch: 1 },
  { name: 'bert-tiny-sst2', metric: 'top-1', batch: 4, dynamic: true },
  { name: 'kws-dscnn', metric: 'top-1', batch: 4 },
  { name: 'fashion-cnn', metric: 'top-1', batch: 4 },
  { name: 'magika', metric: 'top-1', batch: 4, dynamic: true },
]

/** How right an artifact is, in percent, and how right it would be on the samples that `counts` says (times each). */
export interface Score {
  value: number
  on: (counts: readonly number[]) => number
}

export interface Prepared {
  folder: string
  model: string
  calibration: string
  spec: DatasetSpec
  evaluation: Dataset
  score: (session: Session) => Promise<Score>
}

export async function prepareSubject({ name, metric }: Subject): Promise<Prepared> {
  const subject = subjectOf(name)
  const folder = mkdtempSync(join(tmpdir(), 'fewbit-peers-'))
  const classesOf = metric === 'characters right' ? charactersOf(fileOf(name, 'keys.txt')) : undefined
  const model = join(folder, 'model.onnx')
  copyFileSync(subject.model, model)
  const calibration = await dataOf(subject, 'calibration', classesOf)
  const spec = specOf(subject)
  const evaluation = await openDataset(await dataOf(subject, 'evaluation', classesOf), spec)
  const names = metric === 'AP50-95' ? await imageNames(fileOf(name, 'evaluation.zip')) : []
  const score = (session: Session) =>
    metric === 'AP50-95' ? scoreDetector(session, evaluation, names) : scoreLabels(session, evaluation, metric)
  return { folder, model, calibration, spec, evaluation, score }
}

/** Errors of a text line without the spaces at its ends, as its data set counts them. */
const LINES = {
  isError: true,
  score: ({ data, dims, dtype }: RunTensor, labels: readonly Label[]) => {
    const [, steps, classes] = dims as [number, number, number]
    return labels.map((label, sample) => {
      const part = (data as Float32Array).subarray(sample * steps * classes, (sample + 1) * steps * classes)
      const path = argmaxPerSample({ dtype, dims: [steps, classes], data: part }, steps)
      const read = path.filter((symbol, i) => symbol !== 0 && symbol !== path[i - 1])
      const isInk = (symbol: number) => symbol !== classes - 1
      const trimmed = read.slice(Math.max(read.findIndex(isInk), 0), read.findLastIndex(isInk) + 1)
      const expected = label.filter((symbol) => symbol >= 0)
      return { value: editDistance(trimmed, expected), weight: expected.length }
    })
  },
}

const NO_CONTEXT = { classAxis: null, wordSeparator: null }

async function scoreLabels(session: Session, dataset: Dataset, metric: Subject['metric']): Promise<Score> {
  const { score, isError } = metric === 'top-1' ? top1 : LINES
  const first = session.outputs.find(({ dtype }) => dtype === 'float32')!.name
  const found: { value: number; weight: number }[] = []
  const all = { dataset, start: 0, count: dataset.samples }
  for await (const { feeds, labels } of batchesOf(all, session.inputs, metric === 'top-1' ? 32 : 4))
    found.push(...score((await session.run(feeds))[first]!, labels!, NO_CONTEXT))
  const on = (counts: readonly number[]): number => {
    const sum = (pick: (one: (typeof found)[number]) => number) =>
      found.reduce((total, one, i) => total + counts[i]! * pick(one), 0)
    const share = sum(({ value }) => value) / sum(({ weight }) => weight)
    return 100 * (isError ? 1 - share : share)
  }
  return { value: on(found.map(() => 1)), on }
}

async function scoreDetector(session: Session, dataset: Dataset, names: readonly string[]): Promise<Score> {
  const detections = await detectionsOf(session, { dataset, start: 0, count: dataset.samples }, names)
  const boxes = truths()
  const images = [...new Set(boxes.map(({ image }) => image))].toSorted((a, b) => a - b)
  const on = (counts: readonly number[]): number => {
    const times = images.flatMap((image, i) => new Array<number>(counts[i] ?? 1).fill(image))
    const again = <T extends { image: number }>(all: readonly T[]) =>
      times.flatMap((image, copy) => all.filter((one) => one.image === image).map((one) => ({ ...one, image: copy })))
    return averagePrecision(again(boxes), again(detections)).ap50to95
  }
  return { value: averagePrecision(boxes, detections).ap50to95, on }
}

/** Metrics of images: the class of each pixel, and how closely a picture is met. */
import { FewbitError } from '../../../shared/errors.ts'
import { at } from '../../ir/list.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import { argmaxAlong, axisInRank } from '../agreement.ts'
import { numbers } from '../numbers.ts'
import { type AdditiveMetric, corpus, type Label } from './metric.ts'

/** Per class: pixels that are it and are said to be it, and pixels that are either. */
type Overlap = Map<number, { both: number; either: number }>

/** as in PASCAL VOC and Cityscapes */
const IGNORED = 255

/** Mean intersection over union of the classes that occur. M. Everingham et al., The PASCAL Visual Object Classes Challenge, 2010. */
export const miou = corpus<Overlap>({
  isError: false,
  items: (output, labels, { classAxis }) => {
    const said = classesIn(output, labels, classAxis)
    return labels.map((label, i) => overlapOf(said.subarray(i * label.length, (i + 1) * label.length), label))
  },
  figure: (items) => {
    const all: Overlap = new Map()
    for (const item of items)
      for (const [name, { both, either }] of item) {
        const known = all.get(name) ?? { both: 0, either: 0 }
        all.set(name, { both: known.both + both, either: known.either + either })
      }
    const shares = [...all.values()].map(({ both, either }) => both / either)
    return shares.reduce((sum, share) => sum + share, 0) / Math.max(shares.length, 1)
  },
})

function classesIn(output: RunTensor, labels: readonly Label[], classAxis: number | null): Int32Array {
  const pixels = labels.reduce((sum, label) => sum + label.length, 0)
  const values = numbers(output)
  if (values.length === pixels) return Int32Array.from(values)
  const found = argmaxAlong(output, axisInRank(classAxis, output.dims.length))
  if (found.length === pixels) return found
  throw new FewbitError(
    'dataset_labels_invalid',
    `miou compares the classes of pixels: the labels have ${pixels / labels.length} for each sample, the output [${output.dims.join(', ')}] has ${found.length / labels.length}`,
    { param: '/evaluation/dataset_id', hint: "give labels of the shape [samples, height, width] in the output's size" },
  )
}

function overlapOf(said: Int32Array, label: Label): Overlap {
  const found: Overlap = new Map()
  const count = (name: number, both: number) => {
    const known = found.get(name)
    if (!known) found.set(name, { both, either: 1 })
    else {
      known.both += both
      known.either++
    }
  }
  for (const [i, truth] of label.entries()) {
    if (truth < 0 || truth === IGNORED) continue
    if (said[i] === truth) count(truth, 1)
    else {
      count(truth, 0)
      count(said[i]!, 0)
    }
  }
  return found
}

/** of a picture that is met exactly */
const EXACT_DB = 100

/** Mean peak signal-to-noise ratio over samples, in dB. The peak is 255 where a label exceeds 1, and 1 otherwise. */
export const psnr: AdditiveMetric = {
  isError: false,
  score: (output, labels) => {
    const values = numbers(output)
    const width = values.length / labels.length
    return labels.map((label, i) => {
      if (label.length !== width) throw otherSize(output, label)
      return { value: decibels(values.subarray(i * width, (i + 1) * width), label), weight: 1 }
    })
  },
}

function decibels(values: Float32Array | Float64Array, label: Label): number {
  let [error, largest] = [0, 0]
  for (const [i, target] of label.entries()) {
    error += (at(values, i) - target) ** 2
    largest = Math.max(largest, target)
  }
  const peak = largest > 1 ? 255 : 1
  return error === 0 ? EXACT_DB : Math.min(EXACT_DB, 10 * Math.log10((peak * peak * label.length) / error))
}

const otherSize = ({ dims }: RunTensor, label: Label): FewbitError =>
  new FewbitError(
    'dataset_labels_invalid',
    `psnr compares each output with its label: the output is [${dims.join(', ')}], a label has ${label.length} numbers`,
    { param: '/evaluation/dataset_id', hint: 'give labels in the shape of the output' },
  )

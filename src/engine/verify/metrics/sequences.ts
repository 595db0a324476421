/** Metrics of one sequence per sample: recognised text, and the next token. */
import { FewbitError } from '../../../shared/errors.ts'
import { at, leading } from '../../ir/list.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import { argmaxPerSample } from '../agreement.ts'
import { numbers } from '../numbers.ts'
import type { AdditiveMetric, Label, Score } from './metric.ts'

export const cer: AdditiveMetric = {
  isError: true,
  score: (output, labels) => labels.map((label, i) => characterErrors(output, i, label)),
}

/** Character error rate of greedy CTC decoding: output [N, T, C]. */
export function characterErrors(output: RunTensor, sample: number, label: Label, blank = 0): Score {
  const decoded = decodeGreedily(output, sample, blank, 'cer')
  const expected = label.filter((symbol) => symbol >= 0)
  return { value: editDistance(decoded, expected), weight: expected.length }
}

/** Word error rate of greedy CTC decoding; words are what `wordSeparator` stands between. */
export const wer: AdditiveMetric = {
  isError: true,
  score: (output, labels, { wordSeparator }) => {
    if (wordSeparator === null)
      throw new FewbitError('invalid_request', 'wer does not know which class stands between words', {
        param: '/evaluation/word_separator',
        hint: 'name it as word_separator: the class of the blank between words, as in {"metric": "wer", "word_separator": 96}',
      })
    return labels.map((label, i) => {
      const decoded = wordsIn(decodeGreedily(output, i, 0, 'wer'), wordSeparator)
      const expected = wordsIn(
        label.filter((symbol) => symbol >= 0),
        wordSeparator,
      )
      return { value: editDistance(decoded, expected), weight: expected.length }
    })
  },
}

function wordsIn(symbols: readonly number[], separator: number): string[] {
  const words: number[][] = [[]]
  for (const symbol of symbols)
    if (symbol === separator) words.push([])
    else at(words, words.length - 1).push(symbol)
  return words.filter((word) => word.length > 0).map((word) => word.join(' '))
}

function decodeGreedily(output: RunTensor, sample: number, blank: number, metric: string): number[] {
  const { row, steps } = rowOf(output, sample, metric)
  const path = argmaxPerSample(row, steps)
  return path.filter((symbol, i) => symbol !== blank && symbol !== path[i - 1])
}

/** [steps, classes] of one sample of [samples, steps, classes] */
function rowOf(output: RunTensor, sample: number, metric: string) {
  if (output.dims.length !== 3) throw notSteps(output, metric)
  const [, steps, classes] = leading(3, output.dims)
  const data = numbers(output).subarray(sample * steps * classes, (sample + 1) * steps * classes)
  return { row: { dtype: output.dtype, dims: [steps, classes], data } as RunTensor, data, steps, classes }
}

const notSteps = ({ dims }: RunTensor, metric: string): FewbitError =>
  new FewbitError(
    'dataset_labels_invalid',
    `the metric ${metric} reads an output of the shape [samples, steps, classes], and the first one has the shape [${dims.join(', ')}]`,
    {
      param: '/evaluation/metric',
      hint: 'choose a metric that fits the output: agreement, cosine or mse need no labels',
    },
  )

/** Levenshtein distance. */
export function editDistance<T>(a: readonly T[], b: readonly T[]): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      current[j] = Math.min(
        at(previous, j) + 1,
        at(current, j - 1) + 1,
        at(previous, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
      )
    }
    previous = current
  }
  return at(previous, b.length)
}

/** e to the mean negative log-likelihood of the labelled tokens: label t is the token that should follow position t, negative ones do not count. */
export const perplexity: AdditiveMetric = {
  isError: true,
  figure: Math.exp,
  score: (output, labels) =>
    labels.map((label, i) => {
      const { data, steps, classes } = rowOf(output, i, 'perplexity')
      const score = { value: 0, weight: 0 }
      for (let t = 0; t < Math.min(steps, label.length); t++) {
        const token = at(label, t)
        if (token < 0) continue
        score.value += surprise(data.subarray(t * classes, (t + 1) * classes), token)
        score.weight++
      }
      return score
    }),
}

/** −log softmax(logits)[token] */
function surprise(logits: Float32Array | Float64Array, token: number): number {
  let largest = Number.NEGATIVE_INFINITY
  for (const logit of logits) largest = Math.max(largest, logit)
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - largest)
  return Math.log(sum) + largest - (logits[token] ?? Number.NEGATIVE_INFINITY)
}

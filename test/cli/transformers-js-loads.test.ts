/** transformers.js itself loads each dtype of a folder that we wrote, from disk, and its pipelines answer as with the float model. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { env, pipeline, RawImage } from '@huggingface/transformers'
import { DTYPES, type Dtype, isDtype } from '../../src/cli/transformers-js/dtypes.ts'
import { startCommand } from '../kit/command.ts'
import { writeClassifier, writeEmbedder, writeImageClassifier } from '../kit/hugging-face.ts'

const SENTENCES = ['the cat sat on the mat.', 'a dog sitting, good.', 'bad cat', 'good dog sat on a mat, a bad mat.']
const ALL = Object.keys(DTYPES).filter(isDtype)

/** cosine between answers of the dtype and of float; two bits keep little of weights that are as random as these */
const LEAST: Record<Dtype, number> = {
  fp16: 0.9999,
  q8: 0.995,
  int8: 0.995,
  uint8: 0.99,
  q4: 0.95,
  q4f16: 0.95,
  q2: 0.3,
  q2f16: 0.3,
}

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'loads-test-'))
  env.allowRemoteModels = false
  env.localModelPath = directory
})
after(() => rmSync(directory, { recursive: true }))

async function folder(name: string, write: (path: string) => void, dtypes: readonly Dtype[]): Promise<void> {
  write(join(directory, `${name}-float`))
  const line = `quantize ${name}-float --for transformers.js --dtypes ${dtypes.join(',')} --threads 1 -q -o ${name}`
  const ran = await startCommand(line.split(' '), { directory })
  assert.equal(ran.code, 0, ran.stderr + ran.stdout)
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length)
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    Array.from(x).reduce((sum, n, i) => sum + n * (y[i] ?? 0), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

/** Scores of all labels, in the order of their names. */
const scoresOf = (answers: readonly { label: string; score: number }[]): number[] =>
  answers.toSorted((a, b) => a.label.localeCompare(b.label)).map(({ score }) => score)

type Asks = (dtype: Dtype | 'fp32') => Promise<number[]>

function follows(asks: Asks, dtypes: readonly Dtype[]): void {
  let float: number[]
  before(async () => {
    float = await asks('fp32')
    assert.ok(float.length > 0 && float.every(Number.isFinite))
  })
  for (const dtype of dtypes)
    test(`${dtype} answers as fp32 does`, async () => {
      const found = await asks(dtype)
      assert.ok(found.every(Number.isFinite), String(found))
      assert.ok(cosine(float, found) >= LEAST[dtype], `cosine ${cosine(float, found)}`)
    })
}

describe('a sequence classifier', () => {
  before(() => folder('classifier', writeClassifier, ALL))
  follows(async (dtype) => {
    const classify = await pipeline('text-classification', 'classifier', { dtype })
    const answers = await Promise.all(SENTENCES.map((text) => classify(text, { top_k: null })))
    await classify.dispose()
    return answers.flatMap((one) => scoresOf(one as { label: string; score: number }[]))
  }, ALL)

  test('q8 and int8 have the same settings, and are computed once', () => {
    const bytes = (name: string) => readFileSync(join(directory, 'classifier', 'onnx', name))
    assert.deepEqual(bytes('model_quantized.onnx'), bytes('model_int8.onnx'))
  })
})

describe('an embedder', () => {
  const dtypes = ['fp16', 'q8', 'q4'] as const
  before(() => folder('embedder', writeEmbedder, dtypes))
  follows(async (dtype) => {
    const embed = await pipeline('feature-extraction', 'embedder', { dtype })
    const vectors = await embed(SENTENCES, { pooling: 'mean', normalize: true })
    await embed.dispose()
    return Array.from(vectors.data as Float32Array)
  }, dtypes)
})

describe('an image classifier', () => {
  const dtypes = ['fp16', 'q8', 'uint8', 'q4'] as const
  before(() => folder('images', writeImageClassifier, dtypes))
  follows(async (dtype) => {
    const classify = await pipeline('image-classification', 'images', { dtype })
    const pixels = Uint8ClampedArray.from({ length: 3 * 40 * 40 }, (_, i) => (i * 37) % 256)
    const answers = await classify(new RawImage(pixels, 40, 40, 3), { top_k: 2 })
    await classify.dispose()
    return scoresOf(answers as { label: string; score: number }[])
  }, dtypes)
})

/** Lines of text become the tokens that the library of Hugging Face makes of them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { z } from 'zod'
import { TextSpec } from '../../../src/contract/text.ts'
import { viewAs } from '../../../src/engine/data/convert.ts'
import { inspectText, openText } from '../../../src/engine/data/text/index.ts'
import { quantize } from '../../../src/engine/index.ts'
import { int64 } from '../../../src/engine/ir/tensor.ts'
import { buildModel } from '../../kit/model.ts'
import { type ZipMember, zip } from '../../kit/npz.ts'
import { TOKENIZER, VOCABULARY } from '../../kit/tokenizer.ts'

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'text-test-'))
})
after(() => rmSync(directory, { recursive: true }))

const member = (name: string, value: unknown): ZipMember => ({
  name,
  bytes: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
})
const linesOf = (lines: readonly object[]): ZipMember =>
  member('data.jsonl', lines.map((line) => JSON.stringify(line)).join('\n'))
const tokenizer = member('tokenizer.json', TOKENIZER)
const stored = (...members: ZipMember[]): string => {
  const path = join(directory, 'text.zip')
  writeFileSync(path, zip(members))
  return path
}
const spec = (given: Partial<z.input<typeof TextSpec>> = {}) => TextSpec.parse({ max_length: 8, ...given })

async function rows(path: string, text: TextSpec, name: string): Promise<number[][]> {
  const dataset = await openText(path, { arrays: {}, text })
  const array = dataset.arrays.get(name)!
  const values = Array.from(viewAs(array.slice(0, dataset.samples), array.dtype) as BigInt64Array, Number)
  const width = array.shape[1]!
  return Array.from({ length: dataset.samples }, (_, i) => values.slice(i * width, (i + 1) * width))
}

const A = 'The cats sat on the mat.'
const B = 'a dog sitting, good dogs on a mat'

describe('text', () => {
  /** tokenizers 0.22.2 with truncation and padding to 8: tokens, types, mask */
  const OF_HUGGING_FACE: [object, number[], number[], number[]][] = [
    [{ text: A }, [2, 4, 5, 11, 6, 7, 4, 3], [0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1]],
    [{ text: 'good cat' }, [2, 16, 5, 3, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]],
    [{ text: A, text_pair: B }, [2, 4, 5, 3, 9, 10, 15, 3], [0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]],
    [
      { text: 'good cat', text_pair: B },
      [2, 16, 5, 3, 9, 10, 15, 3],
      [0, 0, 0, 0, 1, 1, 1, 1],
      [1, 1, 1, 1, 1, 1, 1, 1],
    ],
    [{ text: B, text_pair: 'bad' }, [2, 9, 10, 15, 12, 3, 17, 3], [0, 0, 0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]],
    [{ text: B, text_pair: A }, [2, 9, 10, 15, 3, 4, 5, 3], [0, 0, 0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]],
  ]
  test('is cut, padded and marked as Hugging Face does', async () => {
    const path = stored(tokenizer, linesOf(OF_HUGGING_FACE.map(([line]) => line)))
    assert.deepEqual(
      await rows(path, spec(), 'input_ids'),
      OF_HUGGING_FACE.map(([, ids]) => ids),
    )
    assert.deepEqual(
      await rows(path, spec(), 'token_type_ids'),
      OF_HUGGING_FACE.map(([, , types]) => types),
    )
    assert.deepEqual(
      await rows(path, spec(), 'attention_mask'),
      OF_HUGGING_FACE.map(([, , , mask]) => mask),
    )
  })

  test('may come as tokens, and has the next token as its label where that is asked for', async () => {
    const path = stored(linesOf([{ input_ids: [5, 6, 7] }, { input_ids: [9, 8, 7, 6, 5, 4, 3, 2, 1] }]))
    const next = spec({ labels: 'next_token' })
    assert.deepEqual(await rows(path, next, 'input_ids'), [
      [5, 6, 7, 0, 0, 0, 0, 0],
      [9, 8, 7, 6, 5, 4, 3, 2],
    ])
    const { labels } = await openText(path, { arrays: {}, text: next })
    assert.deepEqual(
      Array.from({ length: 16 }, (_, i) => labels!.value(i)),
      [6, 7, -1, -1, -1, -1, -1, -1, 8, 7, 6, 5, 4, 3, 2, -1],
    )
    assert.deepEqual((await inspectText(path, next)).labels, { dtype: 'int64', shape: [2, 8] })
  })

  test('has classes or figures in a field of any name', async () => {
    const fields = { text: 'sentence', label: 'score' }
    const path = stored(
      tokenizer,
      linesOf([
        { sentence: A, score: 0.5 },
        { sentence: B, score: 2 },
      ]),
    )
    assert.deepEqual((await inspectText(path, spec({ fields }))).labels, { dtype: 'float64', shape: [2] })
    const classes = stored(
      tokenizer,
      linesOf([
        { sentence: A, score: 1 },
        { sentence: B, score: 0 },
      ]),
    )
    assert.deepEqual((await inspectText(classes, spec({ fields }))).labels, { dtype: 'int64', shape: [2] })
  })

  const REFUSED: [string, ZipMember[], RegExp][] = [
    ['without lines', [tokenizer], /0 files of lines/],
    ['in two files', [tokenizer, linesOf([{ text: A }]), member('b.jsonl', { text: B })], /2 files of lines/],
    ['without a tokenizer', [linesOf([{ text: A }])], /no tokenizer\.json/],
    ['with a line that is none', [tokenizer, member('data.jsonl', `{"text": "a"}\n\n[1]`)], /line 3 .*no JSON object/],
    ['without its field', [tokenizer, linesOf([{ texts: A }])], /line 1 .*has no "text"/],
    [
      'with labels in some lines',
      [tokenizer, linesOf([{ text: A, label: 1 }, { text: B }])],
      /1 of 2 lines .*no label/,
    ],
    ['with words as labels', [tokenizer, linesOf([{ text: A, label: 'good' }])], /line 1 .*"good"/],
  ]
  for (const [what, members, words] of REFUSED)
    test(`${what} is refused by name`, () => assert.rejects(inspectText(stored(...members), spec()), words))

  test('with a tokenizer that is none is refused', () =>
    assert.rejects(
      openText(stored(member('tokenizer.json', { model: { type: 'Nothing' } }), linesOf([{ text: A }])), {
        arrays: {},
        text: spec(),
      }),
      /the tokenizer cannot be used/,
    ))
})

test('a model of language is quantized and judged with text', async () => {
  const m = buildModel()
  const ids = m.input('input_ids', ['N', 8], 'int64')
  const embedded = m.node('Gather', [m.weight('table', [VOCABULARY, 16]), ids], { name: 'embed' })
  const product = m.node('MatMul', [embedded, m.weight('head', [16, 4])], { name: 'head' })
  const axes = m.constant('axes', int64([1], [1]))
  m.output(m.node('ReduceSum', [product, axes], { name: 'pool', attributes: {} }), 'scores', ['N', 1, 4])
  const lines = Array.from({ length: 40 }, (_, i) => ({
    text: `${i % 2 ? A : B} ${'good '.repeat(i % 5)}`,
    label: i % 4,
  }))
  const archive = zip([tokenizer, linesOf(lines)])
  const { report } = await quantize(m.bytes(), {
    target: 'cpu-int8',
    calibration: { data: archive, text: { max_length: 8 } },
    evaluation: { data: archive, text: { max_length: 8 }, metric: 'agreement' },
    threads: 1,
  })
  assert.equal(report.metrics.accuracy?.samples, 40)
  assert.ok(report.metrics.fidelity!.sqnr_db > 15, JSON.stringify(report.metrics.fidelity))
})

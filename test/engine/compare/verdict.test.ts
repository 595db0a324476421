/** Verdicts on made tables where the right answer is known, and every number of their words against the table. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Comparison, Verdict } from '../../../src/contract/comparison.ts'
import type { Goals } from '../../../src/contract/goals.ts'
import { type Entry, tableOf } from '../../../src/engine/compare/rules/table.ts'
import { failed, floatEntry, made, SAMPLES, verdictOf } from '../../kit/comparison.ts'

interface Case {
  name: string
  rows: readonly Entry[]
  goals?: Goals
  verdict: Verdict['verdict']
  /** name of the recommended row */
  take: string | null
  says: readonly RegExp[]
}

const dynamic = made('dynamic', { method: 'dynamic', lost: 8, won: 4, speedup: 1.3, ratio: 0.26, seconds: 1 })
const good = made('static', { method: 'static', lost: 6, won: 4, speedup: 2.4, seconds: 4 })
const poor = made('static', { method: 'static', lost: 300, won: 20, speedup: 2.4, seconds: 4 })
const trained = (lost: number, won: number) => made('qat', { method: 'qat', lost, won, speedup: 2.4, seconds: 44 })

const CASES: readonly Case[] = [
  {
    name: 'training wins nothing that matters',
    rows: [dynamic, good, trained(4, 6)],
    verdict: 'ptq_is_enough',
    take: 'static',
    says: [/11\.0 times the cost: no difference that matters, not worth it/, /25 % of the size and runs 2\.40 times/],
  },
  {
    name: 'training wins back what quantization loses',
    rows: [poor, trained(10, 8)],
    verdict: 'qat_pays',
    take: 'qat',
    says: [/−14\.0 points of top1 .*beyond the margin of 1\.0 points/, /\+13\.9 points of top1 .*it pays/],
  },
  {
    name: 'training gains significantly, and less than the margin',
    rows: [made('static', { method: 'static', lost: 10 }), trained(0, 4)],
    verdict: 'ptq_is_enough',
    take: 'static',
    says: [/significant, but less than the margin of 1\.0 points/],
  },
  {
    name: 'too few samples to tell',
    rows: [made('static', { method: 'static', lost: 1, samples: 50 }), made('qat', { method: 'qat', samples: 50 })],
    verdict: 'undecided',
    take: 'static',
    says: [/the samples are too few to decide/, /About \d+ samples like these would tell/],
  },
  {
    name: 'fewer samples than an interval takes',
    rows: [made('static', { method: 'static', samples: 4 })],
    verdict: 'undecided',
    take: 'static',
    says: [/\(4 samples, too few for an interval\)/],
  },
  {
    name: 'rows that are tied: the one that trains nothing',
    rows: [made('static', { method: 'static' }), made('qat', { method: 'qat', seconds: 9 })],
    verdict: 'ptq_is_enough',
    take: 'static',
    says: [/0\.0 points of top1 .* no difference that matters/],
  },
  {
    name: 'neither keeps the quality, and training is no better',
    rows: [poor, made('qat', { method: 'qat', lost: 302, won: 20, seconds: 44 })],
    verdict: 'stay_float',
    take: null,
    says: [/no method keeps its quality/],
  },
  {
    name: 'training gains much and still misses the goal',
    rows: [poor, trained(120, 20)],
    goals: { max_accuracy_drop: 0.01 },
    verdict: 'stay_float',
    take: null,
    says: [/no method keeps its quality/, /it pays/],
  },
  {
    name: 'the same without a goal',
    rows: [poor, trained(120, 20)],
    verdict: 'qat_pays',
    take: 'qat',
    says: [/−5\.0 points of top1 .*beyond the margin/],
  },
  {
    name: 'quantization loses, and nobody trained',
    rows: [poor],
    verdict: 'undecided',
    take: null,
    says: [/no row was trained/],
  },
  {
    name: 'quantization loses, and the training failed',
    rows: [poor, failed('qat', 'qat', 'training_failed')],
    verdict: 'undecided',
    take: null,
    says: [/qat failed with training_failed/],
  },
  {
    name: 'a target without training loses',
    rows: [made('weight_only', { method: 'weight_only', target: 'cpu-int4', lost: 200 })],
    verdict: 'stay_float',
    take: null,
    says: [/For cpu-int4, stay with the float model/],
  },
  {
    name: 'neither smaller nor faster',
    rows: [made('dynamic', { method: 'dynamic', speedup: 0.8, ratio: 0.99 })],
    verdict: 'stay_float',
    take: null,
    says: [/no artifact is small, fast and legal enough/, /99 % of the size and runs 0\.80 times as fast/],
  },
  {
    name: 'slower and much smaller is of use',
    rows: [made('dynamic', { method: 'dynamic', speedup: 0.8, ratio: 0.25 })],
    verdict: 'ptq_is_enough',
    take: 'dynamic',
    says: [/runs 0\.80 times as fast/],
  },
  {
    name: 'the goal of speed leaves one row only',
    rows: [dynamic, good],
    goals: { min_speedup: 2 },
    verdict: 'ptq_is_enough',
    take: 'static',
    says: [/runs 2\.40 times/],
  },
  {
    name: 'the goal of speed leaves none',
    rows: [dynamic, good],
    goals: { min_speedup: 5 },
    verdict: 'stay_float',
    take: null,
    says: [/stay with the float model/],
  },
  {
    name: 'an artifact that the target refuses',
    rows: [made('static', { method: 'static', target: 'edge-npu', speedup: null, violations: 3 })],
    verdict: 'stay_float',
    take: null,
    says: [/breaks 3 rules of the target/],
  },
  {
    name: 'other hardware: no word of a speed that was not measured',
    rows: [made('static', { method: 'static', target: 'npu-qnn-htp', speedup: null })],
    verdict: 'ptq_is_enough',
    take: 'static',
    says: [/its speed shows on hardware that is not here/],
  },
  {
    name: 'of what keeps the quality the fastest, of equally fast ones the smallest',
    rows: [dynamic, good, made('smaller', { method: 'static', lost: 4, won: 3, speedup: 2.38, ratio: 0.2 })],
    verdict: 'ptq_is_enough',
    take: 'smaller',
    says: [/20 % of the size/],
  },
  {
    name: 'nothing ran',
    rows: [failed('dynamic', 'dynamic', 'nothing_to_quantize'), failed('qat', 'qat', 'dataset_required')],
    verdict: 'undecided',
    take: null,
    says: [/no method gave a result/, /dynamic failed with nothing_to_quantize/],
  },
]

const valueAt = (document: unknown, pointer: string): unknown =>
  pointer
    .slice(1)
    .split('/')
    .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document)

/** Numbers as a reader meets them: signs apart, names of targets and rows left out. */
function numbersIn(text: string, table: Comparison): number[] {
  const names = table.rows.flatMap(({ name, target }) => [name, target]).sort((a, b) => b.length - a.length)
  const bare = names.reduce(
    (rest, name) => rest.replaceAll(name, ' '),
    text.replaceAll('95 % interval', '').replaceAll('top1', ''),
  )
  return [...bare.matchAll(/\d+(?:\.\d+)?/g)].map(([number]) => Number(number))
}

const isSame = (shown: number, stored: unknown): boolean =>
  typeof stored === 'number' &&
  [1, 100].some((unit) => [0, 1, 2].some((digits) => Number(Math.abs(unit * stored).toFixed(digits)) === shown))

describe('verdicts', () => {
  for (const { name, rows: entries, goals, verdict: expected, take, says } of CASES)
    test(name, () => {
      const { verdict, rows } = verdictOf(entries, goals)
      assert.equal(verdict.verdict, expected, verdict.text)
      assert.equal(verdict.row === null ? null : rows[verdict.row]!.name, take, verdict.text)
      for (const pattern of says) assert.match(verdict.text, pattern)
    })

  for (const { name, rows, goals } of CASES)
    test(`every number is the table's: ${name}`, () => {
      const table = tableOf([floatEntry, ...rows], goals)
      for (const { text, evidence } of table.verdicts) {
        const values = evidence.map(({ pointer }) => valueAt(table, pointer))
        for (const number of numbersIn(text, table))
          assert.ok(
            values.some((value) => isSame(number, value)),
            `${number} of "${text}" stands nowhere`,
          )
        assert.ok(evidence.every(({ claim }) => text.includes(claim)))
      }
    })
})

describe('the table', () => {
  test('tests each row against the float model, the next cheaper one, and trained ones against the best that is not', () => {
    const { rows } = tableOf([floatEntry, dynamic, good, trained(4, 6)])
    const [float, first, second, last] = rows.map(({ tests }) => tests)
    assert.deepEqual(float, { float: null, cheaper: null, post_training: null })
    assert.equal(first!.float!.row, 0)
    assert.equal(first!.float!.gain, -0.002)
    assert.equal(first!.cheaper, null)
    assert.equal(second!.cheaper!.row, 1)
    assert.equal(second!.cheaper!.cost_ratio, 4)
    assert.equal(last!.cheaper!.row, 2)
    assert.equal(last!.post_training!.row, 2)
    assert.equal(last!.post_training!.cost_ratio, 11)
    assert.equal(last!.post_training!.samples, SAMPLES)
    assert.equal(second!.post_training, null)
  })

  test('does not pair samples of different data', () => {
    const alone: Entry = { ...good, scores: { ...good.scores!, measured_on: 'held_out' } }
    const { rows } = tableOf([floatEntry, dynamic, alone, trained(4, 6)])
    assert.equal(rows[2]!.tests.cheaper, null)
    assert.equal(rows[2]!.tests.float!.row, 0)
    assert.equal(rows[3]!.tests.cheaper!.row, 1)
  })

  test('says which goals are met, and when that cannot be known', () => {
    const goals = { max_accuracy_drop: 0.02, min_speedup: 2 }
    const npu = made('npu', { method: 'static', target: 'npu-qnn-htp', speedup: null })
    const met = tableOf([floatEntry, dynamic, good, npu, failed('qat', 'qat', 'training_failed')], goals).rows
    assert.deepEqual(
      met.slice(1).map(({ meets_goals }) => meets_goals),
      [false, true, null, null],
    )
    assert.ok(tableOf([floatEntry, good]).rows.every(({ meets_goals }) => meets_goals === null))
  })

  test('recommends the target that is served best', () => {
    const four = made('weight_only', {
      method: 'weight_only',
      target: 'cpu-int4',
      lost: 200,
      speedup: 0.9,
      ratio: 0.14,
    })
    const { recommendation, verdicts } = tableOf([floatEntry, four, good])
    assert.deepEqual(
      verdicts.map(({ target, verdict }) => [target, verdict]),
      [
        ['cpu-int4', 'stay_float'],
        ['cpu-int8', 'ptq_is_enough'],
      ],
    )
    assert.equal(recommendation?.target, 'cpu-int8')
    assert.equal(tableOf([floatEntry, failed('dynamic', 'dynamic', 'out_of_memory')]).recommendation, null)
  })

  test('outputs without labels and classes are judged by their noise', () => {
    const regression = (name: string, method: 'static' | 'qat', db: number): Entry => ({
      facts: {
        ...made(name, { method, seconds: method === 'qat' ? 10 : 1 }).facts,
        accuracy: null,
        fidelity: { sqnr_db: db, cosine: 1, agreement: null, samples: 100, measured_on: 'evaluation' },
      },
      scores: {
        quality: 'sqnr_db',
        measured_on: 'evaluation',
        float: null,
        quantized: Array.from({ length: 100 }, (_, i) => db + (i % 5) / 5),
        weights: Array.from({ length: 100 }, () => 1),
      },
    })
    const judged = (...rows: Entry[]) => tableOf([floatEntry, ...rows]).verdicts[0]!
    const enough = judged(regression('static', 'static', 34), regression('qat', 'qat', 35))
    assert.equal(enough.verdict, 'ptq_is_enough')
    assert.match(enough.text, /SQNR of 34\.0 dB; .* \+1\.0 dB .*less than the margin of 3\.0 dB/)
    assert.equal(judged(regression('static', 'static', 8), regression('qat', 'qat', 28)).verdict, 'qat_pays')
    const between = judged(regression('static', 'static', 20))
    assert.equal(between.verdict, 'undecided')
    assert.match(between.text, /noise alone does not decide: name an evaluation data set with labels/)
  })
})

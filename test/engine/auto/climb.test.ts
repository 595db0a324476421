/** The method auto: the cheapest rung that meets the goals is taken, the best one otherwise, within its time, and the report says why. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { AutoReport, Rung } from '../../../src/contract/auto.ts'
import { FewbitError, type QuantizeOptions, quantize } from '../../../src/engine/index.ts'
import { randomData } from '../../kit/data.ts'
import { CLASSES, convNet, IMAGE, mlp } from '../../kit/model.ts'
import { brightSpots } from '../../kit/training.ts'

const data = brightSpots(120, IMAGE, CLASSES)

type Climbed = { auto: AutoReport; told: { rung: Rung; best: boolean }[]; method: string; artifact: Uint8Array }

async function climb(options: Partial<QuantizeOptions> = {}, model = convNet()): Promise<Climbed> {
  const told: Climbed['told'] = []
  const { report, artifact } = await quantize(model, {
    target: 'cpu-int8',
    method: 'auto',
    calibration: data,
    threads: 1,
    onRung: (climbed) => told.push(climbed),
    ...options,
    output: undefined,
  })
  assert.ok(report.auto)
  return { auto: report.auto, told, method: report.method, artifact: artifact as Uint8Array }
}

const names = ({ rungs }: AutoReport) => rungs.map(({ name }) => name)

describe('the method auto', () => {
  test('takes the first rung that meets the goals, which are a point of accuracy where none are named', async () => {
    const { auto, told, method } = await climb({ goals: { max_accuracy_drop: 0.5 } })
    assert.deepEqual([names(auto), auto.taken, auto.ended, auto.met], [['static'], 0, 'goals_met', true])
    assert.deepEqual([method, told.map(({ best }) => best)], ['static', [true]])
    assert.match(auto.text, /static meets the goals, and it is the cheapest/)
    assert.equal(auto.rungs[0]?.accuracy?.samples, 60, 'half of the data judges')
    assert.equal((await climb({ goals: {} })).auto.goals.max_accuracy_drop, 0.01)
  })

  test('climbs to training for quality, leaves out what cannot help, and takes what came closest', async () => {
    const goals = { max_accuracy_drop: 0.5, min_speedup: 1000 }
    const { auto } = await climb({ goals })
    assert.deepEqual(names(auto), ['static', 'dynamic'], 'rounding and training make nothing faster')
    assert.deepEqual([auto.met, auto.ended], [false, 'ladder_ended'])
    assert.match(auto.text, /came closest: the speedup is [\d.]+, the goal was at least 1000/)
    const fewest = Math.min(...auto.rungs.map(({ missed }) => missed.length))
    const speeds = auto.rungs.map(({ latency_ms, missed }) => (missed.length === fewest ? latency_ms!.speedup : 0))
    assert.equal(auto.taken, speeds.indexOf(Math.max(...speeds)))
  })

  test('training is the last rung, unless it is not wanted', async () => {
    // nobody agrees with the float model on every one of random samples
    const goals = { max_accuracy_drop: 0 }
    const evaluation = { data: randomData(200, IMAGE), metric: 'cosine' } as const
    const options = { goals, evaluation, training: { data, steps: 4 } }
    const { auto } = await climb(options)
    assert.deepEqual(names(auto).slice(-2), ['static_mixed_precision', 'qat'])
    assert.equal(auto.rungs.at(-1)?.status, 'succeeded')
    const drops = auto.rungs.map(({ accuracy }) => accuracy?.drop ?? 1)
    assert.equal(auto.taken, drops.indexOf(Math.min(...drops)))
    const without = (await climb({ ...options, method: { type: 'auto', train: false } })).auto
    assert.ok(!names(without).includes('qat') && !without.not_climbed.includes('qat'))
  })

  test('keeps to its time, and ends when it is asked to, with the best so far', async () => {
    const goals = { min_speedup: 1000 }
    const { auto } = await climb({ goals, maxSeconds: 0.5 })
    assert.deepEqual([names(auto), auto.ended, auto.not_climbed.includes('dynamic')], [['static'], 'time', true])
    const stop = new AbortController()
    const stopped = await climb({ goals, stop: stop.signal, onRung: () => stop.abort() })
    assert.deepEqual([names(stopped.auto), stopped.auto.ended], [['static'], 'stopped'])
    assert.match(stopped.auto.text, /It was asked to stop\. Not tried: .*dynamic/)
  })

  test('without data the ranges of made-up inputs come last', async () => {
    const { auto } = await climb({ calibration: undefined }, mlp())
    assert.equal(names(auto)[0], 'dynamic')
  })

  test('the artifact is that of the rung that was taken, with the report of all of them', async () => {
    const output = mkdtempSync(join(tmpdir(), 'fewbit-auto-'))
    try {
      const { report } = await quantize(convNet(), {
        target: 'cpu-int8',
        method: 'auto',
        calibration: data,
        goals: { max_accuracy_drop: 0.5 },
        output,
        seed: 3,
      })
      assert.deepEqual(readdirSync(output).toSorted(), ['model.onnx', 'plan.json', 'report.html', 'report.json'])
      const written = JSON.parse(readFileSync(join(output, 'report.json'), 'utf8'))
      assert.deepEqual(written.auto, JSON.parse(JSON.stringify(report.auto)))
      assert.equal(report.metrics.size_bytes.quantized, readFileSync(join(output, 'model.onnx')).length)
    } finally {
      rmSync(output, { recursive: true })
    }
  })

  test('what fails on every rung is the error of the first', async () => {
    const wrong = { data: randomData(20, [3, 5]), metric: 'cosine' } as const
    const failing = climb({ calibration: undefined, evaluation: wrong })
    await assert.rejects(failing, (error) => error instanceof FewbitError && /has 3 axes/.test(error.detail))
  })
})

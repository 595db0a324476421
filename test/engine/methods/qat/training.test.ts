/** Quantization-aware training as properties: what it wins, that it repeats itself, goes on where it stopped, and says no in time. */
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { randomSource } from '../../../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../../../src/engine/data/write-npz.ts'
import { float32, view } from '../../../../src/engine/ir/tensor.ts'
import { TARGETS } from '../../../../src/engine/targets/index.ts'
import { FewbitError } from '../../../../src/shared/errors.ts'
import { randomData } from '../../../kit/data.ts'
import { buildModel, CLASSES, convNet, IMAGE, mlp } from '../../../kit/model.ts'
import { brightSpots, runTraining, type TrainingJob, trainingDirectory } from '../../../kit/training.ts'

const COARSE = {
  id: 'coarse',
  activation: { dtype: 'uint8', symmetric: false },
  weight: { dtype: 'int8', bits: 3, symmetric: true, granularity: 'channel' },
}
const SHIFTING = {
  id: 'shifting',
  activation: { dtype: 'int8', symmetric: true, scale: 'power_of_two' },
  weight: { dtype: 'int8', bits: 4, symmetric: true, scale: 'power_of_two', granularity: 'tensor' },
}
const WIDE = {
  id: 'wide',
  activation: { dtype: 'uint16', symmetric: false },
  weight: { dtype: 'int8', bits: 2, symmetric: true, granularity: 'channel' },
}

/** whose smallest range is larger than what the values need */
const ROOMY = {
  id: 'roomy',
  activation: { dtype: 'uint8', symmetric: false, minimum_range: 4 },
  weight: { dtype: 'int8', bits: 3, symmetric: true, granularity: 'channel' },
}

const net = (): TrainingJob => ({
  model: convNet({ width: 8 }),
  training: randomData(120, IMAGE),
  recipe: { target: COARSE, training: { steps: 60, batch_size: 16 } },
})

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'succeeded',
    (error: unknown) => (error instanceof FewbitError ? error.code : String(error)),
  )

describe('training', () => {
  test('wins back what few bits cost, without labels, and says so', async () => {
    const { report, messages, plan, scales } = await runTraining(net())
    const { training } = report
    assert.equal(training!.kept, 'trained')
    for (const { value, role, scale } of plan.values) {
      const [first] = [scale].flat()
      if (role === 'activation') assert.ok(scales.includes(first!), `the plan tells the trained scale of ${value}`)
    }
    assert.ok(
      training!.best!.loss < 0.5 * training!.post_training.loss,
      `${training!.best!.loss} of ${training!.post_training.loss}`,
    )
    assert.equal(training!.loss, 'distillation')
    assert.deepEqual([training!.samples, training!.held_out_samples], [104, 16])
    assert.equal(report.metrics.fidelity!.samples, 16)
    assert.ok(messages.some((message) => message.type === 'training' && message.step === 60))
  })

  for (const scale of ['any', 'power_of_two'] as const) {
    for (const learned of [true, false]) {
      test(`keeps the smallest range of the target, scales ${scale}, learned ${learned}`, async () => {
        const symmetric = scale === 'power_of_two'
        const dtype = symmetric ? 'int8' : 'uint8'
        const target = { ...ROOMY, activation: { ...ROOMY.activation, dtype, symmetric, scale } }
        const training = { steps: 60, batch_size: 16 }
        const { report, scales: written } = await runTraining({
          ...net(),
          recipe: { target, method: { type: 'qat', learn_scales: learned }, training },
        })
        assert.deepEqual(report.metrics.target_conformance.violations, [])
        assert.equal(report.training!.kept, 'trained')
        for (const one of written) assert.ok(one >= (4 / 255) * (1 - 1e-6), `${one}`)
      })
    }
  }

  test('never gives back less than it started from', async () => {
    const wild = { ...net().recipe, training: { steps: 12, batch_size: 16, learning_rate: 10 } }
    const { report } = await runTraining({ ...net(), recipe: wild })
    assert.equal(report.training!.kept, 'post_training')
    assert.ok(report.warnings.some(({ code }) => code === 'training_not_better'))
  })

  test('starts from what the method static finds, and gives back just that where nothing is better', async () => {
    const m = buildModel()
    const uneven = m.weight('w1', [8, 16])
    uneven.tensor = float32(
      [8, 16],
      view(uneven.tensor!, 'float32').map((w, i) => w * 50 ** ((i % 5) / 4)),
    )
    const hidden = m.node('Relu', [m.node('MatMul', [m.input('x', ['N', 8]), uneven])])
    m.output(m.node('MatMul', [hidden, m.weight('w2', [16, 4])]), 'y', ['N', 4])
    const [model, training] = [m.bytes(), randomData(100, [8])]
    const target = { ...SHIFTING, weight: { ...SHIFTING.weight, bits: 8 } }
    const spec = { calibration: { path: 'training.npz', spec: { arrays: {} } } }
    const run = (recipe: object) => runTraining({ model, training, spec, recipe: { target, ...recipe } })
    const trained = await run({ method: { type: 'qat' }, training: { steps: 1, batch_size: 16, learning_rate: 10 } })
    assert.equal(trained.report.training!.kept, 'post_training')
    const found = await run({ method: { type: 'static', adaround: 'auto' } })
    assert.ok(found.report.search.some(({ step, kept }) => kept && step.startsWith('cross-layer equalization')))
    assert.ok(trained.bytes.equals(found.bytes))
  })

  for (const [name, recipe] of [
    ['labels and a teacher', { method: { type: 'qat', loss: 'blend' } }],
    ['labels alone, momentum', { method: { type: 'qat', loss: 'cross_entropy', optimizer: 'sgd' } }],
    ['ranges that follow the data', { method: { type: 'qat', learn_scales: false } }],
    ['powers of two', { target: SHIFTING }],
    ['powers of two that follow the data', { target: SHIFTING, method: { type: 'qat', learn_scales: false } }],
    ['16-bit activations, 2-bit weights', { target: WIDE }],
    ['one scale per tensor and weight decay', { method: { type: 'qat', per_channel: false, weight_decay: 0.01 } }],
  ] as const) {
    test(`${name}: the loss falls`, async () => {
      const { report } = await runTraining({
        model: convNet({ width: 8 }),
        training: brightSpots(120, IMAGE, CLASSES),
        recipe: { target: COARSE, training: { steps: 60, batch_size: 16 }, ...recipe },
      })
      const { curve, judged, post_training } = report.training!
      const mean = (points: typeof curve) => points.reduce((sum, { loss }) => sum + loss, 0) / points.length
      assert.ok(mean(curve.slice(-15)) < mean(curve.slice(0, 15)), JSON.stringify(curve.map(({ loss }) => loss)))
      assert.ok(Math.min(...judged.map(({ loss }) => loss)) < post_training.loss)
      assert.ok(report.metrics.target_conformance.ok, JSON.stringify(report.metrics.target_conformance.violations))
    })
  }

  for (const target of Object.values(TARGETS)) {
    if (!target.methods.includes('qat')) continue
    for (const learn_scales of [true, false]) {
      test(`${target.id}, ${learn_scales ? 'scales learned' : 'ranges followed'}: the trained artifact keeps the rules of the target`, async () => {
        const { report } = await runTraining({
          model: convNet({ width: 8 }),
          training: randomData(120, IMAGE),
          recipe: {
            target: target.id,
            method: { type: 'qat', learn_scales },
            ...(target.kind === 'integer' && target.shapes === 'static' && { input_shapes: { x: [1, ...IMAGE] } }),
            training: { steps: 40, batch_size: 16 },
          },
        })
        const { ok, violations } = report.metrics.target_conformance
        assert.ok(ok, JSON.stringify(violations))
        assert.equal(report.training!.batch_size, 16)
      })
    }
  }

  test('the same job gives the same bytes, another seed others', async () => {
    const [a, b] = [await runTraining(net()), await runTraining(net())]
    assert.ok(a.bytes.equals(b.bytes))
    const other = await runTraining({ ...net(), recipe: { ...net().recipe, seed: 1 } })
    assert.ok(!a.bytes.equals(other.bytes))
  })

  test('killed and started again, it ends with the bytes of one that was not', async () => {
    const whole = await runTraining(net())
    const directory = trainingDirectory()
    let clock = 0
    const job: TrainingJob = { ...net(), directory, spec: { checkpoint: 'checkpoint.bin' }, now: () => (clock += 700) }
    const killed = runTraining({
      ...job,
      onMessage: (message) => {
        if (message.type === 'checkpoint' && message.step > 20) throw new Error('killed')
      },
    })
    await assert.rejects(killed, { message: 'killed' })
    assert.ok(existsSync(join(directory, 'checkpoint.bin')))
    const resumed = await runTraining(job)
    const first = resumed.messages.find((message) => message.type === 'training')
    assert.ok(first?.type === 'training' && first.step > 20, 'it goes on where it was')
    assert.ok(whole.bytes.equals(resumed.bytes))
    rmSync(directory, { recursive: true })
  })

  test('the state of another job is not taken', async () => {
    const directory = trainingDirectory()
    writeFileSync(join(directory, 'checkpoint.bin'), '{"format":"fewbit training 1","fingerprint":"other"}\n')
    const { messages } = await runTraining({ ...net(), directory, spec: { checkpoint: 'checkpoint.bin' } })
    assert.ok(messages.some((message) => message.type === 'training' && message.step === 60))
    rmSync(directory, { recursive: true })
  })

  test('a stop ends it at once and packages the best so far', async () => {
    const { report } = await runTraining({
      ...net(),
      recipe: { ...net().recipe, training: { steps: 100_000, batch_size: 16, learning_rate: 0.0001 } },
      onMessage: (message, directory) => {
        if (message.type === 'training') writeFileSync(join(directory, 'stop'), '')
      },
    })
    assert.equal(report.training!.ending, 'stopped')
    assert.ok(report.training!.steps < 100_000)
    assert.ok(report.warnings.some(({ code }) => code === 'training_stopped'))
  })

  test('memory: a smaller batch where the job leaves it open, a refusal with numbers where it does not', async () => {
    const small = { spec: { memory_bytes: 253 * 2 ** 20 } }
    const { report } = await runTraining({ ...net(), ...small, recipe: { ...net().recipe, training: { steps: 10 } } })
    assert.ok(report.training!.batch_size < 32)
    const fixed = { ...net().recipe, training: { steps: 10, batch_size: 104 } }
    await assert.rejects(
      runTraining({ ...net(), ...small, recipe: fixed }),
      /Training with batches of 104 needs about \d+ MiB .* may use 253 MiB/,
    )
  })

  test('a file made for one sample at a time trains in batches all the same', async () => {
    const m = buildModel()
    const hidden = m.node('Relu', [m.node('MatMul', [m.input('x', [1, 8]), m.weight('w1', [8, 16])])])
    m.output(m.node('MatMul', [hidden, m.weight('w2', [16, 4])]), 'y', [1, 4])
    const recipe = { target: COARSE, training: { epochs: 4, batch_size: 16 } }
    const { report } = await runTraining({ model: m.bytes(), training: randomData(100, [8]), recipe })
    assert.deepEqual([report.training!.batch_size, report.training!.kept], [16, 'trained'])
  })

  test('what no gradient reaches stays, and is said', async () => {
    const m = buildModel()
    const choice = m.node('Hardmax', [m.node('MatMul', [m.input('x', ['N', 8]), m.weight('w1', [8, 16])])])
    m.output(m.node('MatMul', [choice, m.weight('w2', [16, 4])]), 'y', ['N', 4])
    const recipe = { target: COARSE, training: { steps: 20, batch_size: 16 } }
    const { report } = await runTraining({ model: m.bytes(), training: randomData(100, [8]), recipe })
    assert.ok(report.warnings.some(({ code, detail }) => code === 'partly_trained' && /w1/.test(detail)))
  })

  test('labels that the float model knows by heart teach nothing: the float model teaches alone', async () => {
    const m = buildModel()
    const identity = float32([4, 4], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
    m.output(m.node('MatMul', [m.input('x', ['N', 4]), m.constant('w', identity)]), 'y', ['N', 4])
    const random = randomSource(1)
    const labels = BigInt64Array.from({ length: 100 }, (_, i) => BigInt(i % 4))
    const data = Float32Array.from({ length: 400 }, (_, i) => random() + (i % 4 === Math.floor(i / 4) % 4 ? 1 : 0))
    const training = encodeNpz({
      x: { dtype: 'float32', shape: [100, 4], data },
      labels: { dtype: 'int64', shape: [100], data: labels },
    })
    const known = await runTraining({ model: m.bytes(), training, recipe: { training: { steps: 10 } } })
    assert.deepEqual([known.report.training!.float.metric, known.report.training!.loss], [1, 'distillation'])
    const guessed = { model: convNet({ width: 8 }), training: brightSpots(60, IMAGE, CLASSES) }
    const { report } = await runTraining({ ...guessed, recipe: { training: { steps: 10 } } })
    assert.equal(report.training!.loss, 'blend')
  })

  test('labels that are no classes are refused by value', async () => {
    const labelled = { model: convNet({ width: 8 }), training: brightSpots(60, IMAGE, CLASSES + 3) }
    await assert.rejects(runTraining(labelled), /has the label 1[0-2], and the model 10 classes/)
  })

  test('no data is said so, labels that are missing too', async () => {
    assert.equal(await codeOf(runTraining({ ...net(), training: null })), 'dataset_required')
    const recipe = { method: { type: 'qat', loss: 'cross_entropy' } }
    assert.equal(
      await codeOf(runTraining({ model: mlp(), training: randomData(40, [8]), recipe })),
      'dataset_labels_invalid',
    )
  })
})

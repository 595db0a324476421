/** The format `tflite` through the whole pipeline: what is written, what the report says, what is refused before calibration. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { int } from '../../../src/engine/ir/build.ts'
import type { Progress } from '../../../src/engine/options.ts'
import { quantize } from '../../../src/engine/quantize.ts'
import { readFile } from '../../../src/engine/tflite/index.ts'
import { randomData } from '../../kit/data.ts'
import { buildModel, CLASSES, convNet, IMAGE } from '../../kit/model.ts'

const calibration = randomData(40, IMAGE)
const directory = mkdtempSync(join(tmpdir(), 'tflite-pipeline-'))
after(() => rmSync(directory, { recursive: true }))

describe('the format tflite', () => {
  test('gives a file in integers that LiteRT executed', async () => {
    const { artifact, report } = await quantize(convNet(), { target: 'npu-ethos-u', format: 'tflite', calibration })
    const { subgraphs, buffers, metadata } = readFile(artifact)
    const [input, output] = [subgraphs?.[0]?.inputs?.[0] ?? -1, subgraphs?.[0]?.outputs?.[0] ?? -1]
    const INT8 = 9
    assert.deepEqual(
      [input, output].map((i) => subgraphs?.[0]?.tensors?.[i]?.type),
      [INT8, INT8],
    )
    const recipe = JSON.parse(Buffer.from(buffers?.[metadata?.[0]?.buffer ?? 0]?.data as Uint8Array).toString())
    assert.equal(recipe.recipe.target, 'npu-ethos-u')
    const { litert, size_bytes, latency_ms, target_conformance } = report.metrics
    assert.equal(size_bytes.quantized, artifact.length)
    assert.equal(latency_ms, null)
    assert.deepEqual(target_conformance.violations, [])
    assert.equal(litert?.operators.TRANSPOSE, undefined)
    assert.ok((litert?.simulation.most_steps ?? 99) <= 1, JSON.stringify(litert))
    assert.deepEqual(report.options.tflite, { io: 'int8', images: 'nhwc' })
  })

  test('with labels the accuracy is that of the file', async () => {
    const evaluation = randomData(60, IMAGE, { classes: CLASSES, seed: 8 })
    const { report } = await quantize(convNet(), { target: 'mobile-tflite', format: 'tflite', calibration, evaluation })
    assert.equal(report.metrics.accuracy?.samples, 60)
    assert.deepEqual(report.options.tflite, { io: 'float32', images: 'nhwc' })
  })

  test('replaces the files of the other format, and those alone', async () => {
    const options = { target: 'npu-ethos-u', calibration, output: directory, overwrite: true } as const
    await quantize(convNet(), options)
    assert.ok(readdirSync(directory).includes('model.onnx'))
    const { files } = await quantize(convNet(), { ...options, format: 'tflite' })
    assert.equal(files[0], join(directory, 'model.tflite'))
    assert.deepEqual(readdirSync(directory).toSorted(), [
      'model.tflite',
      'plan.json',
      'report.html',
      'report.json',
      'signature.json',
    ])
    assert.equal(JSON.parse(readFileSync(join(directory, 'signature.json'), 'utf8')).inputs[0].name, 'x')
  })

  test('is refused by targets that do not take it', async () => {
    const asked = quantize(convNet(), { target: 'cpu-int8', format: 'tflite', calibration })
    await assert.rejects(asked, { code: 'target_format_mismatch', message: /cpu-int8 takes onnx/ })
  })

  test('names what it cannot write before it calibrates', async () => {
    const m = buildModel()
    const x = m.input('x', [1, 8])
    const product = m.node('MatMul', [x, m.weight('w', [8, 8])], { name: 'product' })
    m.output(m.node('Hardmax', [product], { name: 'hard', attributes: { axis: int(-1) } }), 'y', [1, 8])
    const phases: Progress['phase'][] = []
    const asked = quantize(m.bytes(), {
      target: 'mobile-tflite',
      format: 'tflite',
      calibration: randomData(20, [8]),
      onProgress: ({ phase }) => phases.push(phase),
    })
    await assert.rejects(asked, { code: 'model_not_convertible', message: /Hardmax.*"hard"/ })
    assert.ok(!phases.includes('calibrating'), phases.join())
  })
})

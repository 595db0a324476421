/** Folders for transformers.js: files by the names that it looks for, which ONNX Runtime loads, and nothing half-written. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { inspect } from '../../src/engine/index.ts'
import { decodeModel, saveModel } from '../../src/engine/onnx/index.ts'
import { startCommand } from '../kit/command.ts'
import { buildModel, mlp } from '../kit/model.ts'

let directory: string
const file = (...path: string[]) => join(directory, ...path)
const fewbit = (line: string) => startCommand(line.split(' ').filter(Boolean), { directory })

/** A table of embeddings and two products: input_ids [N,L] → logits [N,L,64]. */
function embedder(): Uint8Array {
  const m = buildModel()
  const ids = m.input('input_ids', ['N', 'L'], 'int64')
  const rows = m.node('Gather', [m.weight('table', [128, 64]), ids], { name: 'embed' })
  const hidden = m.node('Relu', [m.node('MatMul', [rows, m.weight('w1', [64, 96])], { name: 'up' })], { name: 'relu' })
  m.output(m.node('MatMul', [hidden, m.weight('w2', [96, 64])], { name: 'down' }), 'logits', ['N', 'L', 64])
  return m.bytes()
}

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'folder-test-'))
  for (const name of ['mine/onnx', 'empty', 'done/onnx', 'filled', 'outside'])
    mkdirSync(file(name), { recursive: true })
  writeFileSync(file('mine/onnx/model.onnx'), embedder())
  writeFileSync(file('mine/config.json'), '{"model_type":"bert"}')
  writeFileSync(file('done/onnx/model_q4.onnx'), mlp())
  writeFileSync(file('filled/mine.txt'), 'mine')
  saveModel(decodeModel(file('mine/onnx/model.onnx')).model, file('outside/model.onnx'), { mostBytes: 1 })
})
after(() => rmSync(directory, { recursive: true }))

describe('a folder for transformers.js', () => {
  test('has every dtype under its name, a configuration and a card, and the rest untouched', async () => {
    const ran = await fewbit(
      'quantize mine --for transformers.js --dtypes q8,uint8,q4,q2,fp16 --threads 1 -q --json -o made',
    )
    assert.equal(ran.code, 0, ran.stderr + ran.stdout)
    const names = [
      'model.onnx',
      'model_fp16.onnx',
      'model_q2.onnx',
      'model_q4.onnx',
      'model_quantized.onnx',
      'model_uint8.onnx',
    ]
    assert.deepEqual(readdirSync(file('made/onnx')).sort(), names)
    assert.deepEqual(readdirSync(file('made')).sort(), ['QUANTIZED.md', 'config.json', 'onnx', 'quantize_config.json'])
    assert.deepEqual(readFileSync(file('made/onnx/model.onnx')), readFileSync(file('mine/onnx/model.onnx')))
    assert.equal(readFileSync(file('made/config.json'), 'utf8'), '{"model_type":"bert"}')
    const operators = async (name: string) => (await inspect(file('made/onnx', name))).operators
    assert.ok('com.microsoft.MatMulNBits' in (await operators('model_q4.onnx')))
    assert.ok('MatMulInteger' in (await operators('model_quantized.onnx')))
    assert.ok('int8' in (await inspect(file('made/onnx/model_quantized.onnx'))).bytesByType)
    assert.ok('uint8' in (await inspect(file('made/onnx/model_uint8.onnx'))).bytesByType)
    const size = (name: string) => statSync(file('made/onnx', name)).size
    assert.ok(size('model_q2.onnx') < size('model_q4.onnx') && size('model_q4.onnx') < size('model_quantized.onnx'))
    const card = readFileSync(file('made/QUANTIZED.md'), 'utf8')
    for (const name of names) assert.ok(card.includes(`onnx/${name}`), name)
    const { per_model_config: models } = JSON.parse(readFileSync(file('made/quantize_config.json'), 'utf8'))
    assert.deepEqual(Object.keys(models.model), ['q8', 'uint8', 'q4', 'q2', 'fp16'])
    assert.match(models.model.q4.sha256, /^[0-9a-f]{64}$/)
  })

  test('takes a model at the root with weights beside it', async () => {
    assert.ok(existsSync(file('outside/model.onnx.data')))
    const ran = await fewbit('quantize outside --for transformers.js --dtypes q8 --threads 1 -q -o from-outside')
    assert.equal(ran.code, 0, ran.stderr)
    assert.deepEqual(readdirSync(file('from-outside/onnx')).sort(), ['model.onnx', 'model_quantized.onnx'])
    assert.equal((await inspect(file('from-outside/onnx/model.onnx'))).parameters, 20_480)
  })
})

describe('what no folder is made of', () => {
  const cases: [string, number, RegExp][] = [
    ['empty', 2, /holds no \.onnx file/],
    ['nowhere', 2, /there is no file or folder nowhere/],
    ['done', 1, /of fewer bits only: model_q4\.onnx/],
    ['mine --dtypes q5', 2, /"q5" is not written: transformers\.js has none/],
    ['mine --dtypes q1', 2, /no kernel for 1-bit weights/],
    ['mine --dtypes q8 --method static', 2, /--method says nothing together with --for/],
    ['mine --dtypes q8 -o filled', 2, /filled exists already\nhint: {2}--force/],
  ]
  for (const [line, code, words] of cases)
    test(`${line}: ${code}`, async () => {
      const before = readdirSync(directory)
      const ran = await fewbit(`quantize ${line} --for transformers.js`)
      assert.equal(ran.code, code, ran.stderr)
      assert.match(ran.stderr, words)
      assert.deepEqual(readdirSync(directory), before)
      assert.deepEqual(readdirSync(file('filled')), ['mine.txt'])
    })
})

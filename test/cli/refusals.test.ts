/** Command lines that cannot be obeyed: what is said, with which exit code, and that nothing is written. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { quantize } from '../../src/engine/index.ts'
import { startCommand } from '../kit/command.ts'
import { randomData } from '../kit/data.ts'
import { mlp } from '../kit/model.ts'

let directory: string
const file = (name: string) => join(directory, name)
const fewbit = (line: string) => startCommand(line.split(' ').filter(Boolean), { directory })

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'refusals-test-'))
  writeFileSync(file('model.onnx'), mlp())
  writeFileSync(file('data.npz'), randomData(40, [8], { classes: 4 }))
  writeFileSync(file('other.npz'), randomData(40, [9]))
  writeFileSync(file('text.onnx'), 'no model')
  writeFileSync(file('broken.json'), '[]')
  const { artifact } = await quantize(mlp(), { target: 'cpu-int8', method: 'dynamic', threads: 1 })
  writeFileSync(file('quantized.onnx'), artifact)
})
after(() => rmSync(directory, { recursive: true }))

describe('what cannot be done', () => {
  const cases: [string, number, RegExp][] = [
    ['', 2, /Usage: fewbit/],
    ['quantise model.onnx', 2, /unknown command 'quantise'\n\(Did you mean quantize\?\)/],
    ['quantize', 2, /missing required argument 'model'/],
    ['quantize model.onnx --metod static', 2, /Did you mean --method\?/],
    ['quantize model.onnx --method best', 2, /Allowed choices are static, dynamic/],
    ['quantize model.onnx --target npu', 2, /There is cpu-int8/],
    ['quantize model.onnx --target broken.json', 2, /holds no profile/],
    ['quantize model.onnx --target nowhere.json', 2, /cannot be read/],
    ['quantize model.onnx --set bits', 2, /name=value, as in bits=4/],
    ['quantize model.onnx -c data.npz --set bitz=4', 2, /bitz/],
    ['quantize model.onnx --threads none', 2, /whole number/],
    ['quantize model.onnx --memory much', 2, /4G or 512M/],
    ['quantize model.onnx --max-accuracy-drop 0.1', 2, /says nothing without --evaluation/],
    ['quantize model.onnx -m qat', 2, /--training file\.npz/],
    ['quantize model.onnx -t cpu-int4 -m static', 2, /does not support the method static[\s\S]*weight_only/],
    ['quantize nowhere.onnx -m dynamic', 2, /there is no file nowhere\.onnx/],
    ['quantize model.onnx -c nowhere.npz', 2, /there is no file nowhere\.npz/],
    ['quantize text.onnx -m dynamic', 1, /./],
    ['quantize model.onnx -c other.npz', 1, /other|x/],
    ['quantize model.onnx -c text.onnx', 1, /numpy/],
    ['quantize quantized.onnx -m dynamic', 1, /quantized already/],
    ['inspect data.npz', 1, /ONNX/],
    ['inspect nowhere.onnx', 2, /nowhere/],
    ['targets npu', 2, /There is cpu-int8/],
    ['check model.onnx', 2, /required option/],
    ['check data.npz -t npu-qnn-htp', 1, /ONNX/],
  ]
  for (const [line, code, words] of cases)
    test(`fewbit ${line}: ${code}`, async () => {
      const before = readdirSync(directory)
      const ran = await fewbit(`${line}${line.startsWith('quantize ') ? ' -o never' : ''}`)
      assert.equal(ran.code, code, ran.stderr)
      assert.match(ran.stderr, words)
      assert.equal(ran.stdout, '')
      assert.deepEqual(readdirSync(directory), before)
    })

  test('is an object for programs', async () => {
    const ran = await fewbit('quantize text.onnx -m dynamic -o never --json -q')
    assert.equal(ran.code, 1)
    assert.equal(ran.stderr, '')
    assert.equal(JSON.parse(ran.stdout).error.code, 'model_not_onnx')
  })
})

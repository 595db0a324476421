/** The command line: what it writes, what it says, how it ends. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Report } from '../../src/contract/report.ts'
import { inspect, TARGET_NAMES } from '../../src/engine/index.ts'
import { startCommand } from '../kit/command.ts'
import { randomData } from '../kit/data.ts'
import { CLASSES, convNet, mlp } from '../kit/model.ts'
import { pictureArchive } from '../kit/pictures.ts'

let directory: string
const INPUTS = ['data.npz', 'model.onnx']
const file = (name: string) => join(directory, name)
const fewbit = (line: string, env: Record<string, string> = {}) =>
  startCommand(line.split(' ').filter(Boolean), { directory, env })

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'command-test-'))
  writeFileSync(file('model.onnx'), mlp())
  writeFileSync(file('data.npz'), randomData(40, [8], { classes: 4 }))
})

after(() => rmSync(directory, { recursive: true }))

describe('fewbit quantize', () => {
  test('writes model, report and plan where it is told, and says what they cost', async () => {
    const ran = await fewbit('quantize model.onnx -m static -c data.npz --exclude-op Relu --threads 1 -o made/here')
    assert.equal(ran.code, 0, ran.stderr)
    assert.match(ran.stdout, /^cpu-int8, static\nsize .* → .*\nfidelity .* dB/)
    assert.match(ran.stdout, /made\/here\/model\.onnx/)
    assert.match(ran.stderr, /^preparing: .*\n[\s\S]*^packaging: /m)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with it
    assert.doesNotMatch(ran.stdout + ran.stderr, /\x1b/)
    assert.deepEqual(readdirSync(file('made/here')).sort(), ['model.onnx', 'plan.json', 'report.html', 'report.json'])
    const report = Report.parse(JSON.parse(readFileSync(file('made/here/report.json'), 'utf8')))
    assert.deepEqual(report.options.exclude, { op_types: ['Relu'], nodes: [] })
    const { bytesByType } = await inspect(file('made/here/model.onnx'))
    assert.ok('int8' in bytesByType || 'uint8' in bytesByType)
    assert.deepEqual(readdirSync(directory).sort(), [...INPUTS, 'made'].sort())
  })

  test('prints one object for programs, and names the directory after model and target', async () => {
    const ran = await fewbit(
      'quantize model.onnx -t cpu-int8-avx2 -m dynamic --set per_channel=false --json -q --seed 3',
    )
    assert.equal(ran.code, 0, ran.stderr)
    assert.equal(ran.stderr, '')
    const { files, missed, report } = JSON.parse(ran.stdout)
    assert.equal(files[0], file('model-cpu-int8-avx2/model.onnx'))
    assert.deepEqual(missed, [])
    assert.equal(Report.parse(report).options.seed, 3)
    assert.equal(report.options.method.per_channel, false)
  })

  test('ends with 3 where a goal was missed, and writes all the same', async () => {
    const goals = '--evaluation data.npz --metric top1 --max-accuracy-drop -1 --min-speedup 1000000'
    const ran = await fewbit(`quantize model.onnx -m dynamic ${goals} -o missed`)
    assert.equal(ran.code, 3, ran.stderr)
    assert.match(ran.stdout, /missed: the top1 drop is .*\nmissed: the speedup is/)
    assert.ok(existsSync(file('missed/model.onnx')))
  })

  test('replaces what an earlier run wrote only by force', async () => {
    assert.equal((await fewbit('quantize model.onnx -m dynamic -o twice')).code, 0)
    writeFileSync(file('twice/model.onnx'), 'mine')
    const again = await fewbit('quantize model.onnx -m dynamic -o twice')
    assert.equal(again.code, 2)
    assert.match(again.stderr, /twice holds a file model\.onnx already\nhint: {2}--force/)
    assert.equal(readFileSync(file('twice/model.onnx'), 'utf8'), 'mine')
    assert.equal((await fewbit('quantize model.onnx -m dynamic -o twice --force')).code, 0)
    assert.ok(readFileSync(file('twice/model.onnx')).length > 100)
  })
})

describe('fewbit inspect, targets and check', () => {
  test('tell what a model holds', async () => {
    const { code, stdout } = await fewbit('inspect model.onnx')
    assert.equal(code, 0)
    assert.match(stdout, /^input {2,}x: float32\[N, 8\]$/m)
    assert.match(stdout, /^ +2 {2}MatMul$/m)
    assert.match(stdout, /^ +512 B {2}float32\[8, 16\] {2}w1 {2}MatMul$/m)
    const { largest } = JSON.parse((await fewbit('inspect model.onnx --json')).stdout)
    assert.deepEqual(largest, [
      { name: 'w1', dtype: 'float32', shape: [8, 16], bytes: 512, readers: ['MatMul'] },
      { name: 'w2', dtype: 'float32', shape: [16, 4], bytes: 256, readers: ['MatMul'] },
    ])
  })

  test('tell what targets would make of a model, and why not more', async () => {
    const { code, stdout, stderr } = await fewbit('inspect model.onnx -t cpu-int8 -t cpu-int4')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^cpu-int8, static\n {2}3 of 3 nodes in fewer bits\n {2}0 B of 768 B weights stay/m)
    assert.match(stdout, /^cpu-int4, weight_only\n {2}nothing: The model has no MatMul/m)
  })

  test('list every target, and print one as a profile that comes back with an id of its own', async () => {
    const { stdout } = await fewbit('targets')
    assert.deepEqual(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0]),
      [...TARGET_NAMES],
    )
    const profile = JSON.parse((await fewbit('targets edge-npu')).stdout)
    writeFileSync(file('mine.json'), JSON.stringify({ ...profile, id: 'mine' }))
    const ran = await fewbit('quantize model.onnx -c data.npz -t mine.json')
    assert.equal(ran.code, 0, ran.stderr)
    assert.equal((await fewbit('check mine-is-no-directory/model.onnx -t mine.json')).code, 2)
    const checked = await fewbit('check model-mine/model.onnx -t mine.json')
    assert.match(checked.stdout, /^ok: \d+ nodes keep every rule of mine$/m)
    assert.equal(checked.code, 0)
  })

  test('name each broken rule of a file that was made for something else', async () => {
    const ran = await fewbit('check model.onnx -t edge-npu --json')
    assert.equal(ran.code, 1, ran.stderr)
    const { ok, violations } = JSON.parse(ran.stdout)
    assert.equal(ok, false)
    const rules = violations.map(({ node, rule }: { node: string; rule: string }) => `${node}: ${rule}`)
    for (const node of ['m1', 'r1', 'm2']) assert.ok(rules.includes(`${node}: float_operators`), rules.join('\n'))
    const { stdout } = await fewbit('check model.onnx -t edge-npu')
    assert.match(stdout, /^ {2}m1: float_operators: /m)
    assert.match(stdout, /^source: /m)
  })
})

describe('help', () => {
  for (const command of ['', 'quantize', 'compare', 'inspect', 'targets', 'check'])
    test(`of fewbit ${command} teaches with examples`, async () => {
      const { code, stdout, stderr } = await fewbit(`${command} --help`)
      assert.equal(code, 0)
      assert.equal(stderr, '')
      assert.match(stdout, /^Examples:\n {2}\$ fewbit /m)
    })

  test('colours follow FORCE_COLOR', async () => {
    const { stderr } = await fewbit('inspect nowhere.onnx', { FORCE_COLOR: '1' })
    assert.ok(stderr.startsWith('\u001b[31merror:'))
  })
})

test('fewbit quantize takes a .zip of pictures and a preprocessor_config.json', async () => {
  writeFileSync(file('conv.onnx'), convNet())
  writeFileSync(file('pictures.zip'), await pictureArchive(CLASSES, 5))
  const config = { do_resize: true, size: { height: 16, width: 16 }, image_mean: [0.5], image_std: [0.5] }
  writeFileSync(file('preprocessor_config.json'), JSON.stringify(config))
  const ran = await fewbit('quantize conv.onnx -c pictures.zip --images preprocessor_config.json -o seen --json -q')
  assert.equal(ran.code, 0, ran.stderr)
  assert.ok(JSON.parse(ran.stdout).report.metrics.fidelity.sqnr_db > 10)
  const wrong = await fewbit('quantize conv.onnx -c pictures.zip --images imagenet')
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /There is torchvision/)
})

/** `fewbit mcp`, spoken to with the official client. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { randomData } from '../kit/data.ts'
import { mlp } from '../kit/model.ts'
import { descendantsOf } from '../kit/processes.ts'
import { until } from '../kit/service.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js')
let directory: string
let transport: StdioClientTransport
const client = new Client({ name: 'test', version: '1' })
const file = (name: string) => join(directory, name)

async function call(name: string, args: Record<string, unknown>, options = {}) {
  const { content, isError } = await client.callTool({ name, arguments: args }, options)
  const [first] = content as { text: string }[]
  return { text: first!.text, found: isError ? null : JSON.parse(first!.text), isError: isError === true }
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mcp-test-'))
  mkdirSync(file('root'))
  writeFileSync(file('root/model.onnx'), mlp())
  writeFileSync(file('root/data.npz'), randomData(40, [8], { classes: 4 }))
  writeFileSync(file('secret.onnx'), mlp())
  symlinkSync(file('secret.onnx'), file('root/link.onnx'))
  transport = new StdioClientTransport({
    command: process.execPath,
    args: [MAIN, 'mcp', '--root', file('root')],
    env: { PATH: process.env.PATH!, TMPDIR: directory },
  })
  await client.connect(transport)
})
after(async () => {
  await client.close()
  rmSync(directory, { recursive: true })
})

test('the verbs are tools that say what they need and what they write', async () => {
  const { tools } = await client.listTools()
  assert.deepEqual(
    tools.map(({ name, annotations }) => [name, annotations?.readOnlyHint]),
    [
      ['inspect_model', true],
      ['list_targets', true],
      ['check_model', true],
      ['quantize_model', false],
      ['compare_methods', false],
      ['read_report', true],
    ],
  )
  const { properties, required } = tools.find(({ name }) => name === 'quantize_model')!.inputSchema
  assert.deepEqual(required, ['model'])
  assert.match(JSON.stringify(properties), /first axis = sample/)
})

test('from a model to an artifact and its report', async () => {
  const { found: inspection } = await call('inspect_model', { model: 'model.onnx', targets: ['cpu-int8'] })
  assert.equal(inspection.operators.MatMul, 2)
  assert.equal(inspection.outlooks[0].target, 'cpu-int8')
  const told: string[] = []
  const { found: made, text } = await call(
    'quantize_model',
    { model: 'model.onnx', calibration: 'data.npz', exclude_operators: ['Relu'], output: 'made', min_speedup: 1e6 },
    { onprogress: ({ message }: { message?: string }) => told.push(message ?? '') },
  )
  assert.ok(made, text)
  assert.ok(made.metrics.fidelity.sqnr_db > 10)
  assert.match(made.missed_goals[0], /the speedup is/)
  assert.ok(
    told.some((line) => line.startsWith('preparing: ')),
    told.join('\n'),
  )
  assert.ok(existsSync(file('root/made/model.onnx')))
  const { found: report } = await call('read_report', { path: 'made', section: 'options' })
  assert.deepEqual(report.options, JSON.parse(readFileSync(file('root/made/report.json'), 'utf8')).options)
  const { found: checked } = await call('check_model', { model: 'made/model.onnx', target: 'npu-qnn-htp' })
  assert.equal(checked.target, 'npu-qnn-htp')
})

test('a comparison has a verdict', async () => {
  const { found, text } = await call('compare_methods', {
    model: 'model.onnx',
    targets: ['cpu-int8'],
    methods: ['dynamic'],
    evaluation: 'data.npz',
    output: 'compared',
  })
  assert.ok(found, text)
  assert.ok(found.comparison.recommendation.verdict, text)
  assert.equal(found.comparison.rows.length, 2)
})

const REFUSED: [string, string, Record<string, unknown>, RegExp][] = [
  ['a file beside the root', 'inspect_model', { model: '../secret.onnx' }, /outside of .*\nhint: .*--root/],
  ['a link out of the root', 'inspect_model', { model: 'link.onnx' }, /outside of/],
  [
    'an output beside the root',
    'quantize_model',
    { model: 'model.onnx', method: 'dynamic', output: '../x' },
    /outside/,
  ],
  ['a model that is not there', 'inspect_model', { model: 'nowhere.onnx' }, /there is no file .*nowhere\.onnx/],
  ['no data', 'quantize_model', { model: 'model.onnx', method: 'qat' }, /data[\s\S]*hint: /],
  ['an option that is none', 'quantize_model', { model: 'model.onnx', options: { 'x --force': 1 } }, /options/],
  ['no report', 'read_report', { path: 'data.npz' }, /not a report/],
]
for (const [what, name, args, words] of REFUSED)
  test(`${what} is refused in words`, async () => {
    const { text, isError } = await call(name, args)
    assert.ok(isError)
    assert.match(text, words)
  })

test('what is no longer wanted ends with its processes', async () => {
  const abort = new AbortController()
  const args = { model: 'model.onnx', training: 'data.npz', method: 'qat', output: 'long' }
  const running = call('quantize_model', args, { signal: abort.signal, timeout: 60_000 })
  await until(async () => (await descendantsOf(transport.pid!)).length > 0, 'nothing runs')
  abort.abort()
  await assert.rejects(running)
  await until(async () => (await descendantsOf(transport.pid!)).length === 0, 'something still runs')
  assert.equal(existsSync(file('root/long')), false)
})

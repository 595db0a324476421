/** The commands that talk to a service: login, submit, watch, download, dev. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startCommand } from '../kit/command.ts'
import { randomData } from '../kit/data.ts'
import { mlp } from '../kit/model.ts'
import { type Service, startService, until } from '../kit/service.ts'

const KEY = 'fb_bootstrap_key_of_this_test_0123456789'
let directory: string
let service: Service
const file = (name: string) => join(directory, name)
const fewbit = (line: string, env: Record<string, string> = {}) =>
  startCommand(line.split(' ').filter(Boolean), {
    directory,
    env: { XDG_CONFIG_HOME: file('config'), FEWBIT_SERVER: service.url, ...env },
  })
const withKey = (line: string) => fewbit(line, { FEWBIT_API_KEY: KEY })

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'command-service-test-'))
  writeFileSync(file('model.onnx'), mlp())
  writeFileSync(file('data.npz'), randomData(40, [8], { classes: 4 }))
  service = await startService({ FEWBIT_BOOTSTRAP_KEY: KEY, REQUIRE_KEYS: 'true' }, ['api', 'worker'])
})
after(async () => {
  await service?.close()
  rmSync(directory, { recursive: true })
})

describe('fewbit login', () => {
  test('checks a key before it remembers it, in a file that only its owner reads', async () => {
    const settings = file('config/fewbit/servers.json')
    const wrong = await fewbit('login', { FEWBIT_API_KEY: 'fb_wrong' })
    assert.equal(wrong.code, 1, wrong.stderr)
    assert.match(wrong.stderr, /key[\s\S]*hint: .*fewbit login/)
    assert.equal(existsSync(settings), false)
    const right = await withKey('login')
    assert.equal(right.code, 0, right.stderr)
    assert.equal(statSync(settings).mode & 0o777, 0o600)
    const { FEWBIT_SERVER: _, ...env } = { FEWBIT_SERVER: '', XDG_CONFIG_HOME: file('config') }
    const known = await startCommand(['download', 'job_nowhere'], { directory, env })
    assert.match(known.stderr, /job_nowhere/, 'server and key are remembered')
    assert.equal(known.code, 2)
    assert.ok(![wrong, right, known].some(({ stdout, stderr }) => (stdout + stderr).includes(KEY)))
    rmSync(file('config'), { recursive: true })
  })

  test('sends no key over a network unencrypted, and needs one', async () => {
    const plain = await fewbit('login --server http://fewbit.example', { FEWBIT_API_KEY: KEY })
    assert.equal(plain.code, 2)
    assert.match(plain.stderr, /unencrypted[\s\S]*https/)
    const none = await fewbit('login')
    assert.equal(none.code, 2)
    assert.match(none.stderr, /no key was given/)
  })
})

describe('fewbit submit, watch and download', () => {
  test('a job from files to files, judged as fewbit quantize would', async () => {
    const ran = await withKey('submit model.onnx -m static -c data.npz -e data.npz --exclude-op Relu --watch -o made')
    assert.equal(ran.code, 0, ran.stderr)
    assert.match(ran.stdout, /^cpu-int8, static\nsize .* → .*\naccuracy .*\nfidelity .* dB/)
    assert.match(ran.stderr, /uploading model\.onnx[\s\S]*^(queued|preparing): [\s\S]*downloading/m)
    assert.deepEqual(readdirSync(file('made')).sort(), ['model.onnx', 'plan.json', 'report.html', 'report.json'])
    const { options } = JSON.parse(readFileSync(file('made/report.json'), 'utf8'))
    assert.deepEqual(options.exclude, { op_types: ['Relu'], nodes: [] })
  })

  test('the steps one by one, as objects for programs', async () => {
    const submitted = await withKey('submit model.onnx -m dynamic --set per_channel=false --seed 3 --json -q')
    assert.equal(submitted.code, 0, submitted.stderr)
    assert.equal(submitted.stderr, '')
    const { id } = JSON.parse(submitted.stdout)
    const watched = await withKey(`watch ${id} --json -q`)
    assert.equal(watched.code, 0, watched.stderr)
    const job = JSON.parse(watched.stdout)
    assert.deepEqual([job.status, job.options.method.per_channel, job.options.seed], ['succeeded', false, 3])
    const downloaded = await withKey(`download ${id} --json -q`)
    const { files } = JSON.parse(downloaded.stdout)
    const model = job.artifacts.find(({ name }: { name: string }) => name === 'model.onnx')
    const bytes = readFileSync(files.find((path: string) => path.endsWith('model.onnx')))
    assert.equal(createHash('sha256').update(bytes).digest('hex'), model.sha256)
    const again = await withKey(`download ${id}`)
    assert.equal(again.code, 2)
    assert.match(again.stderr, /holds a file .*\nhint: {2}--force/)
    assert.equal((await withKey(`download ${id} --force -q`)).code, 0)
  })

  test('a missed goal ends with 3, a job that failed with 1 and its reason', async () => {
    const missed = await withKey('submit model.onnx -m dynamic --min-speedup 1000000 --watch -o missed -q')
    assert.equal(missed.code, 3, missed.stderr)
    assert.match(missed.stdout, /missed: the speedup is/)
    const refused = await withKey('submit model.onnx --set observer=best -c data.npz')
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /observer/)
    const id = (await withKey('submit model.onnx -m dynamic --exclude-op MatMul -q')).stdout.trim()
    const failed = await withKey(`watch ${id} -q`)
    assert.equal(failed.code, 1, failed.stdout)
    assert.match(failed.stderr, /error: [\s\S]*hint: /)
  })

  test('watching goes on behind a restart of the service', async () => {
    const id = (await withKey('submit model.onnx -c data.npz -q')).stdout.trim()
    await service.kill('api')
    const watching = withKey(`watch ${id} --json -q`)
    await delay(500)
    await service.start('api')
    const { code, stdout, stderr } = await watching
    assert.equal(code, 0, stderr)
    assert.equal(JSON.parse(stdout).status, 'succeeded')
  })

  test('Ctrl-C ends the watching and says how to go on', async () => {
    await service.kill('worker')
    const id = (await withKey('submit model.onnx -c data.npz -q')).stdout.trim()
    const watching = withKey(`watch ${id}`)
    for (let i = 0; i < 100 && !watching.stderr().includes('queued'); i++) await delay(50)
    watching.child.kill('SIGINT')
    const { code, stderr } = await watching
    assert.equal(code, 130)
    assert.ok(stderr.includes(`fewbit watch ${id}`), stderr)
    await service.start('worker')
  })
})

test('fewbit dev serves until Ctrl-C', async () => {
  const running = fewbit('dev --port 0 --data served')
  let said = ''
  running.child.stdout!.on('data', (chunk) => (said += chunk))
  await until(() => said.includes('listening on') || running.child.exitCode !== null, 'it does not listen')
  const url = /listening on (\S+)/.exec(said)?.[1] ?? assert.fail(said)
  assert.equal((await fetch(`${url}/v1/targets`)).status, 200)
  running.child.kill('SIGINT')
  await running
  await assert.rejects(fetch(`${url}/livez`))
  assert.ok(existsSync(file('served')))
})

describe('a service that is not there, or not one', () => {
  const cases: [string, string, number, RegExp][] = [
    ['submit nowhere.onnx', '', 2, /there is no file nowhere\.onnx/],
    ['submit model.onnx -c nowhere.npz', '', 2, /there is no file nowhere\.npz/],
    ['submit model.onnx', 'http://127.0.0.1:1', 1, /127\.0\.0\.1:1 does not answer[\s\S]*fewbit dev/],
    ['download job_x', 'fewbit.example', 2, /not the address of a service/],
  ]
  for (const [line, server, code, words] of cases)
    test(`${line} at ${server || 'the service'}: ${code}`, async () => {
      const ran = await fewbit(`${line} -q`, { FEWBIT_API_KEY: KEY, ...(server && { FEWBIT_SERVER: server }) })
      assert.equal(ran.code, code, ran.stderr)
      assert.match(ran.stderr, words)
      assert.equal(ran.stdout, '')
    })

  test('names and bytes that a false service sends are not believed', async () => {
    const sent = Buffer.from('these bytes')
    const artifact = (name: string, sha256: string) => ({ id: 'art_1', name, size_bytes: sent.length, sha256 })
    const jobs: Record<string, object> = {
      climbs: artifact('../../model.onnx', '0'.repeat(64)),
      differs: artifact('model.onnx', '0'.repeat(64)),
    }
    const liar = createServer((request, response) => {
      const id = request.url!.split('/')[3]!
      if (request.url!.includes('/artifacts/')) return response.end(sent)
      response.setHeader('content-type', 'application/json')
      return response.end(JSON.stringify({ id, status: 'succeeded', warnings: [], artifacts: [jobs[id]] }))
    })
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve))
    try {
      const server = { FEWBIT_SERVER: `http://127.0.0.1:${(liar.address() as AddressInfo).port}` }
      const climbs = await fewbit('download climbs -q', server)
      assert.match(climbs.stderr, /answered something that is not of Fewbit/)
      const differs = await fewbit('download differs -q', server)
      assert.match(differs.stderr, /model\.onnx arrived with other bytes/)
      assert.deepEqual([climbs.code, differs.code], [1, 1])
      assert.equal(existsSync(file('differs')), false)
    } finally {
      liar.close()
    }
  })
})

/** One attempt as the worker runs it, with a runner of the test's: what it sees of this machine, and what is taken from it. */
import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { storeOutput } from '../../../workers/attempt/collect.ts'
import { runJob } from '../../../workers/attempt/run-job.ts'
import { openSandbox, type Sandbox } from '../../../workers/process/sandbox.ts'
import { type Api, startApi } from '../../kit/api.ts'
import { getJob, type Job, startJob } from '../../kit/client.ts'
import { mlp } from '../../kit/model.ts'
import { processesCalled } from '../../kit/processes.ts'

const OUTPUT_BYTES = 100_000
const NEVER = new AbortController().signal
const say = (message: string) => `require('fs').writeSync(3, JSON.stringify(${message}) + '\\n')`
const tell = (expression: string) =>
  say(`{ type: 'error', code: 'model_invalid', stage: 'x', detail: JSON.stringify(${expression}) }`)
const result = (...names: string[]) =>
  say(`{ type: 'result', files: ${JSON.stringify(names.map((name) => ({ name, content_type: 'a/b' })))} }`)

describe('an attempt', () => {
  let api: Api
  let scripts: string
  let sandboxes: Sandbox[]
  before(async () => {
    process.env.SECRET_OF_THE_OPERATOR = 'secret'
    api = await startApi({ RUNNER_OUTPUT_BYTES: String(OUTPUT_BYTES), TRAINING_STOP_SECONDS: '1' })
    scripts = await mkdtemp(join(tmpdir(), 'fewbit-scripts-'))
    // the job's own user reads the program
    await chmod(scripts, 0o755)
    sandboxes = await Promise.all([openSandbox('auto', [scripts]), openSandbox('off', [scripts])])
  })
  after(async () => {
    await api.close()
    await rm(scripts, { recursive: true })
  })

  const run = async (script: string, sandbox = sandboxes[0]!, limits = {}): Promise<Job> => {
    const job = await startJob(api.url, { method: { type: 'dynamic' }, calibration: undefined, limits }, mlp())
    const path = join(scripts, 'runner.cjs')
    await writeFile(path, `${script}; setInterval(() => {}, 1000)`)
    assert.equal(await runJob(api.deps, { sandbox, runner: [process.execPath, path] }, job.id, NEVER), 'done')
    return getJob(api.url, job.id)
  }
  const answerOf = ({ error }: Job) => {
    assert.equal(error?.code, 'model_invalid', JSON.stringify(error))
    return JSON.parse(error.detail)
  }

  test('sees three variables of the environment, and none of ours', async () => {
    for (const sandbox of sandboxes) {
      const names = answerOf(await run(tell('Object.keys(process.env)'), sandbox)) as string[]
      const own = names.filter((name) => name !== 'PWD')
      assert.deepEqual(own.toSorted(), ['OMP_NUM_THREADS', 'ORT_DISABLE_TELEMETRY', 'PATH'], sandbox.name)
    }
  })

  test('finds its own directory with its model in it, and no other job', async () => {
    const other = join(api.redis.directory, 'jobs', 'another')
    await mkdir(other, { recursive: true, mode: 0o700 })
    await writeFile(join(other, 'secret'), 'secret')
    for (const sandbox of sandboxes.filter(
      ({ gaps }) => !gaps.some((gap) => /user of the worker|stays root/.test(gap)),
    )) {
      const [here, secret] = answerOf(
        await run(
          tell(
            `[require('fs').readdirSync('.'), (() => { try { return require('fs').readFileSync('${other}/secret', 'utf8') } catch (e) { return e.code } })()]`,
          ),
          sandbox,
        ),
      ) as [string[], string]
      assert.deepEqual(here.toSorted(), ['model.onnx', 'out'], sandbox.name)
      assert.match(secret, /^(ENOENT|EACCES)$/, sandbox.name)
    }
    await rm(other, { recursive: true })
  })

  test('has no descriptor of ours open', async () => {
    for (const sandbox of sandboxes) {
      const open = answerOf(
        await run(
          tell(
            `require('fs').readdirSync('/proc/self/fd').map((fd) => { try { return require('fs').readlinkSync('/proc/self/fd/' + fd) } catch { return '' } }).filter((path) => /redis|store|\\.log$/.test(path))`,
          ),
          sandbox,
        ),
      )
      assert.deepEqual(open, [], sandbox.name)
    }
  })

  const attacks = {
    'a symbolic link instead of a file': `require('fs').symlinkSync('/etc/hostname', 'out/report.json'); ${result('report.json')}`,
    'a link to its input': `require('fs').linkSync('model.onnx', 'out/report.json'); ${result('report.json')}`,
    'a directory instead of a file': `require('fs').mkdirSync('out/report.json'); ${result('report.json')}`,
    'a pipe instead of a file': `require('child_process').spawnSync('mkfifo', ['out/report.json']); ${result('report.json')}`,
    'an output directory that is a link': `require('fs').rmdirSync('out'); require('fs').symlinkSync('/etc', 'out'); ${result('hostname')}`,
    'no report': result('model.onnx'),
    'a report that is none': `require('fs').writeFileSync('out/report.json', '{"metrics":{}}'); ${result('report.json')}`,
  }
  for (const [what, script] of Object.entries(attacks)) {
    test(`that leaves ${what} fails, and nothing is stored`, async () => {
      const before = (await stored()).length
      const job = await run(script, sandboxes[1])
      assert.deepEqual([job.status, job.error?.code, job.artifacts], ['failed', 'quantization_failed', []])
      // the model of the first job is the only file that stays
      assert.ok((await stored()).length <= Math.max(before, 1), String(await stored()))
    })
  }

  test('of whose files one is missing or too large keeps none of them', async () => {
    const directory = await mkdtemp(join(scripts, 'out-'))
    await writeFile(join(directory, 'small'), 'good')
    await writeFile(join(directory, 'large'), Buffer.alloc(OUTPUT_BYTES))
    const before = await stored()
    for (const [name, code] of [
      ['missing', 'quantization_failed'],
      ['large', 'output_limit'],
    ] as const) {
      const files = ['small', name].map((one) => ({ id: `art_${one}`, name: one, content_type: 'a/b' }))
      const limits = { seconds: 1, memoryBytes: 1, outputBytes: OUTPUT_BYTES, threads: 1 }
      await assert.rejects(storeOutput(api.deps, { jobId: 'job_x', directory, files, limits }), { code })
      assert.deepEqual(await stored(), before, name)
    }
  })

  const hoards = {
    'files beside the output': `require('fs').writeFileSync('beside', Buffer.alloc(${OUTPUT_BYTES})); require('fs').writeFileSync('beside2', 'x')`,
    'many small files': `for (let i = 0; i < 200; i++) require('fs').writeFileSync('out/' + i, '')`,
    'a file that is deleted and still open': `const fs = require('fs'); for (const n of ['a', 'b']) { fs.openSync(n, 'w'); fs.writeFileSync(n, Buffer.alloc(${OUTPUT_BYTES * 0.7})); fs.unlinkSync(n) }`,
    'a directory that nobody may read': `const fs = require('fs'); fs.mkdirSync('out/x'); fs.writeFileSync('out/x/big', Buffer.alloc(${OUTPUT_BYTES})); fs.chmodSync('out/x', 0)`,
    'files deeper than a path can be': `const fs = require('fs'); for (let i = 0; i < 50; i++) { fs.mkdirSync('d'.repeat(200)); process.chdir('d'.repeat(200)) } fs.writeFileSync('deep', Buffer.alloc(${OUTPUT_BYTES}))`,
    'files where everybody may write': `const fs = require('fs'); for (const path of ['/dev/shm', '/tmp', '.']) for (const n of ['a', 'b']) try { fs.writeFileSync(path + '/' + n + process.pid, Buffer.alloc(${OUTPUT_BYTES})) } catch {}`,
  }
  for (const [what, script] of Object.entries(hoards)) {
    test(`that hoards ${what} is over its limit, and all of it is removed`, async () => {
      for (const sandbox of sandboxes) {
        const { error } = await run(script, sandbox)
        assert.equal(error?.code, 'output_limit', `${sandbox.name}: ${JSON.stringify(error)}`)
      }
      assert.deepEqual(await leftFiles(), [])
    })
  }

  test('that starts processes without end is stopped, and none is left', async () => {
    for (const sandbox of sandboxes) {
      const job = await run(
        `for (let i = 0; i < 400; i++) require('child_process').spawn('sleep', ['1234.5'], { detached: true, stdio: 'ignore' }).on('error', () => {})`,
        sandbox,
        { max_runtime_seconds: 5 },
      )
      assert.match(String(job.error?.code), /^(runner_crashed|time_limit)$/, sandbox.name)
    }
    assert.deepEqual(await processesCalled('sleep 1234.5'), [])
  })

  test('that asks to be stopped by a link does not make the worker write through it', async () => {
    const victim = join(scripts, 'victim')
    await writeFile(victim, 'kept')
    await chmod(victim, 0o666)
    await run(
      `require('fs').symlinkSync('${victim}', 'stop'); ${say("{ type: 'progress', phase: 'training', fraction: 0.1, step: 1, total_steps: 9, message: '' }")}`,
      sandboxes[1],
      { max_runtime_seconds: 1 },
    )
    assert.equal(await readFile(victim, 'utf8'), 'kept')
  })

  test('that floods its channel waits, while the worker goes on', async () => {
    const message = `{ type: 'warning', code: 'x', detail: 'y'.repeat(1000) }`
    const job = await run(
      `const line = Buffer.from((JSON.stringify(${message}) + '\\n').repeat(1000)); for (let i = 0; i < 8; i++) for (let at = 0; at < line.length;) try { at += require('fs').writeSync(3, line, at) } catch {}; ${tell('1')}`,
    )
    assert.equal(job.error?.code, 'model_invalid')
    assert.equal(job.warnings.length, 100)
  })

  test('leaves no directory behind, whatever happened', async () => {
    assert.deepEqual(await leftFiles(), [])
  })

  const leftFiles = async () => {
    const left = await readdir(join(api.redis.directory, 'jobs'), { recursive: true, withFileTypes: true })
    return left.filter((entry) => entry.isFile()).map(({ name }) => name)
  }
  const stored = () => api.storedFiles()
})

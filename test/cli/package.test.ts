/** The package as npm packs it, in a directory that has nothing but it and what it depends on. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { startCommand } from '../kit/command.ts'
import { randomData } from '../kit/data.ts'
import { mlp } from '../kit/model.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
/** what the engine may need; the service's libraries are not there while it runs */
const ENGINE = ['onnxruntime-node', 're2js', 'yauzl', 'zod']
const run = promisify(execFile)

let directory: string
let names: string[]
const at = (...path: string[]) => join(directory, ...path)
const installed = (...path: string[]) => at('node_modules', 'fewbit', ...path)
const manifest = () => JSON.parse(readFileSync(installed('package.json'), 'utf8'))

/** Makes libraries of this checkout visible there, as npm would have installed them. */
function link(libraries: readonly string[]): void {
  for (const name of libraries) {
    mkdirSync(dirname(at('node_modules', name)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), at('node_modules', name))
  }
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'package-test-'))
  const packed = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', directory], {
    cwd: ROOT,
  })
  const [{ filename, files }] = JSON.parse(packed.stdout)
  names = files.map(({ path }: { path: string }) => path)
  mkdirSync(installed(), { recursive: true })
  await run('tar', ['-xzf', at(filename), '-C', installed(), '--strip-components=1'])
  link(ENGINE)
  writeFileSync(at('package.json'), '{ "type": "module" }')
  writeFileSync(at('model.onnx'), mlp())
  writeFileSync(at('data.npz'), randomData(40, [8]))
})
after(() => rmSync(directory, { recursive: true }))

test('holds what runs, its types and its papers, and nothing else', () => {
  for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md', 'dist/src/engine/index.d.ts', 'dist/workers/runner.js'])
    assert.ok(names.includes(name), name)
  const strangers = names.filter(
    (name) => !/^(dist\/(src|workers)\/.*\.(js|d\.ts)|[A-Z]+(\.md)?|package\.json)$/.test(name),
  )
  assert.deepEqual(strangers, [])
})

test('may be published, for everybody and with its provenance', () => {
  const { private: isPrivate, publishConfig, engines } = manifest()
  assert.equal(isPrivate, undefined)
  assert.deepEqual(publishConfig, { access: 'public', provenance: true })
  assert.equal(engines.node, '>=20.19')
})

test('quantizes in one line, with the engine alone', async () => {
  writeFileSync(
    at('one-line.js'),
    `import { quantize } from 'fewbit'
     console.log((await quantize('model.onnx', { target: 'cpu-int8', calibration: 'data.npz', output: 'made' })).artifact)`,
  )
  assert.ok(!existsSync(at('node_modules', 'fastify')) && !existsSync(at('node_modules', 'bullmq')))
  const { stdout } = await run(process.execPath, ['one-line.js'], { cwd: directory })
  assert.equal(stdout.trim().split('/').slice(-2).join('/'), 'made/model.onnx')
  assert.ok(existsSync(at('made', 'report.json')))
})

test('has types', async () => {
  link(['typescript', '@types/node'])
  writeFileSync(
    at('typed.ts'),
    `import { type Conformance, check, FewbitError, inspect, quantize, type Report } from 'fewbit'
     const { report } = await quantize('model.onnx', { target: 'cpu-int8', method: { type: 'static', observer: 'mse' } })
     export const sqnr: number | undefined = (report satisfies Report).metrics.fidelity?.sqnr_db
     export const checked: Conformance = await check('model.onnx', 'npu-qnn-htp')
     export const operators: Record<string, number> = (await inspect(new Uint8Array())).operators
     export const code = (error: FewbitError): string => error.code
     // @ts-expect-error: no such target
     await quantize('model.onnx', { target: 'cpu-int7' })
     // @ts-expect-error: no such figure
     console.log(report.metrics.fidelity?.decibels)`,
  )
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node']
  const compiler = join('node_modules', 'typescript', 'bin', 'tsc')
  const { stdout } = await run(process.execPath, [compiler, ...options, '--skipLibCheck', 'typed.ts'], {
    cwd: directory,
  }).catch((error: { stdout: string }) => error)
  assert.equal(stdout, '')
})

test('has a command that a shell can start', async () => {
  link(['commander'])
  const main = installed(manifest().bin.fewbit)
  assert.match(readFileSync(main, 'utf8'), /^#!\/usr\/bin\/env node\n/)
  chmodSync(main, 0o755)
  assert.equal((await run(main, ['--version'])).stdout.trim(), manifest().version)
  const ran = await startCommand(['quantize', 'model.onnx', '-m', 'dynamic', '-o', 'by-command'], { directory, main })
  assert.equal(ran.code, 0, ran.stderr)
  assert.ok(existsSync(at('by-command', 'model.onnx')))
})

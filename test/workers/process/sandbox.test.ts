/** What the process that touches uploads can reach. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { withoutPaths } from '../../../workers/process/last-words.ts'
import { openSandbox } from '../../../workers/process/sandbox.ts'

const LIMITS = { seconds: 20, memoryBytes: 1 << 30, outputBytes: 1 << 20, threads: 1 }
const hasBubblewrap = spawnSync('bwrap', ['--unshare-all', '--ro-bind', '/', '/', 'true']).status === 0
const skip = hasBubblewrap ? false : 'bubblewrap does not work here'

/** Runs a script in the sandbox and returns what it prints. */
async function confined(script: string, mode: 'auto' | 'off' = 'auto'): Promise<{ output: string; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-sandbox-'))
  try {
    const sandbox = await openSandbox(mode, [])
    const [file, ...args] = sandbox.confine([process.execPath, '-e', script], directory, LIMITS)
    const output = execFileSync(file!, args, {
      cwd: directory,
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      encoding: 'utf8',
    })
    return { output: output.trim(), directory }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

test('no file outside of the job directory can be read', { skip }, async (t) => {
  const other = await mkdtemp(join(tmpdir(), 'fewbit-secret-'))
  t.after(() => rm(other, { recursive: true }))
  const secret = join(other, 'other-job.txt')
  await writeFile(secret, 'secret')
  for (const path of [secret, '/etc/passwd', '/etc/hostname']) {
    const { output } = await confined(
      `try { console.log(require('fs').readFileSync(${JSON.stringify(path)}, 'utf8')) } catch (e) { console.log(e.code) }`,
    )
    assert.equal(output, 'ENOENT', path)
  }
})

test('no connection can be opened, not even to this machine', { skip }, async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const { output } = await confined(
    `require('net').connect(${port}, '127.0.0.1').on('connect', () => { console.log('connected'); process.exit() }).on('error', (e) => console.log(e.code))`,
  )
  assert.notEqual(output, 'connected')
  server.close()
})

test('its own directory is writable, and the others of the machine are not', { skip }, async () => {
  const { output } = await confined(
    `const fs = require('fs'); fs.writeFileSync('mine', 'x'); try { fs.writeFileSync('/usr/lib/x', 'x'); console.log('wrote') } catch (e) { console.log(e.code) }`,
  )
  assert.equal(output, 'EROFS')
})

/** What Docker does to the /proc of a container, and a user without rights in it. */
const CONTAINER = `mount -t proc proc /proc; mount --bind /dev/null /proc/version; mount --bind /proc/sys /proc/sys
exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all "$@"`
const inContainer = ['unshare', '-mpf', '--kill-child', '--propagation', 'private', 'sh', '-ec', CONTAINER, 'sh']
const skipContainer = spawnSync(inContainer[0]!, [...inContainer.slice(1), 'true']).status === 0 ? skip : 'needs root'

test('in a container that hides parts of /proc there are walls too, and no environment of others', {
  skip: skipContainer,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-sandbox-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  await chmod(directory, 0o777)
  const own = pathToFileURL(join(import.meta.dirname, '..', '..', '..', 'workers', 'process', 'sandbox.js')).href
  const inside = `console.log(require('os').cpus().length > 0, require('fs').readdirSync('/proc').sort().join())`
  const outside = `const { openSandbox } = await import(${JSON.stringify(own)})
    const { spawnSync } = await import('node:child_process')
    const sandbox = await openSandbox('require', [])
    const [file, ...args] = sandbox.confine([process.execPath, '-e', ${JSON.stringify(inside)}], ${JSON.stringify(directory)}, ${JSON.stringify(LIMITS)})
    process.stdout.write(spawnSync(file, args, { cwd: ${JSON.stringify(directory)}, encoding: 'utf8' }).stdout)`
  const command = [...inContainer, process.execPath, '--input-type=module', '-e', outside]
  const output = execFileSync(command[0]!, command.slice(1), { cwd: directory, encoding: 'utf8' })
  assert.equal(output.trim(), 'true cpuinfo,meminfo,stat')
})

test('without bubblewrap the limits still hold: no larger file than allowed', async () => {
  const { output } = await confined(
    `process.on('SIGXFSZ', () => {}); try { require('fs').writeFileSync('big', Buffer.alloc(${2 << 20})); console.log('wrote') } catch (e) { console.log(e.code) }`,
    'off',
  )
  assert.equal(output, 'EFBIG')
})

test('messages lose the paths of this machine and keep the names of nodes', () => {
  const text = "Load of /tmp/job/model.onnx failed at node '/conv1/Conv' (/onnxruntime_src/core/graph/graph.cc:1389)"
  assert.equal(withoutPaths(text), "Load of model.onnx failed at node '/conv1/Conv' (graph.cc:1389)")
})

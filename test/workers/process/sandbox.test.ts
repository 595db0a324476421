/** What a runner that obeys an attacker can reach, in the strongest confinement that works here, and without walls. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { withoutPaths } from '../../../workers/process/last-words.ts'
import { openSandbox } from '../../../workers/process/sandbox.ts'
import { systemCallFilter } from '../../../workers/process/system-calls.ts'
import { CONFINED_LIMITS, confined } from '../../kit/confined.ts'
import { isAlive } from '../../kit/processes.ts'
import { until } from '../../kit/service.ts'

const walls = await openSandbox('auto', ['/usr/bin', '/bin'])
const limits = await openSandbox('off', [])
const skip = walls.name === 'bubblewrap' ? false : 'bubblewrap does not work here'
const isRoot = process.getuid?.() === 0

const ask = async (script: string, sandbox = walls) => JSON.parse((await confined(sandbox, script)).said)

test('no file outside of the job directory can be read', { skip }, async (t) => {
  const other = await mkdtemp(join(tmpdir(), 'fewbit-secret-'))
  t.after(() => rm(other, { recursive: true }))
  await chmod(other, 0o755)
  const secret = join(other, 'other-job.txt')
  await writeFile(secret, 'secret')
  const paths = [secret, '/etc/passwd', '/etc/hostname', '/root/.profile']
  const answers = await ask(
    `answer(${JSON.stringify(paths)}.map((path) => attempt(() => fs.readFileSync(path, 'utf8'))))`,
  )
  assert.deepEqual(
    answers,
    paths.map(() => 'ENOENT'),
  )
})

test('nothing can be written to but its own directory, no setting of the kernel either', { skip }, async () => {
  const { writable, created } = await ask(`
    const writable = []
    const walk = (path, depth) => {
      const found = fs.lstatSync(path, { throwIfNoEntry: false })
      if (!found || !(found.isDirectory() || found.isFile())) return
      if (attempt(() => fs.accessSync(path, fs.constants.W_OK)) === 'done') writable.push(path)
      if (depth === 0 || !found.isDirectory() || path === process.cwd()) return
      const names = attempt(() => fs.readdirSync(path))
      if (Array.isArray(names)) for (const name of names) walk(path === '/' ? '/' + name : path + '/' + name, depth - 1)
    }
    walk('/', 3)
    walk('/proc/sys', 6)
    const created = ['/', '/dev', '/dev/shm', '/tmp', '/proc', '/usr/lib'].map((path) => attempt(() => fs.writeFileSync(path + '/x', '')))
    answer({ writable: writable.filter((path) => path !== process.cwd() && !path.startsWith(process.cwd() + '/')), created })`)
  assert.deepEqual(writable, [])
  for (const code of created) assert.match(code, /^(EROFS|ENOENT|EACCES|EPERM)$/)
})

test('it is an ordinary user without privileges, inside and for the machine', async () => {
  for (const sandbox of [walls, limits]) {
    const { said, user } = await confined(
      sandbox,
      `answer({ user: process.getuid(), status: attempt(() => fs.readFileSync('/proc/self/status', 'utf8')) })`,
    )
    const answered: { user: number; status: string } = JSON.parse(said)
    const staysRoot = sandbox.gaps.some((gap) => /stays root/.test(gap))
    assert.deepEqual([user === 0, answered.user === 0], [staysRoot, staysRoot], sandbox.name)
    assert.match(answered.status, /^ENOENT$|^CapEff:\s+0+\n(.+\n)*NoNewPrivs:\s+1$/m, sandbox.name)
  }
})

test('jobs of a worker that is root run as users of their own', { skip: !isRoot && 'needs root' }, async () => {
  const answers = await Promise.all([1, 2].map(() => confined(walls, 'answer(1)')))
  assert.notEqual(answers[0]!.user, answers[1]!.user)
})

test('no connection can be opened, not even to this machine, whatever the kind of socket', { skip }, async (t) => {
  const tcp = createServer().listen(0, '127.0.0.1')
  const abstract = createServer().listen(`\0fewbit-${process.pid}`)
  t.after(() => Promise.all([tcp, abstract].map((server) => server.close())))
  await Promise.all([once(tcp, 'listening'), once(abstract, 'listening')])
  const { port } = tcp.address() as AddressInfo
  const answers = await ask(`
    const connect = (...to) => new Promise((resolve) => require('net').connect(...to).on('connect', () => resolve('connected')).on('error', (e) => resolve(e.code)))
    const datagram = new Promise((resolve) => { const s = require('dgram').createSocket('udp4'); s.on('error', (e) => resolve(e.code)); s.send('x', ${port}, '127.0.0.1', () => {}); setTimeout(resolve, 200, 'refused') })
    const listen = new Promise((resolve) => require('net').createServer().on('error', (e) => resolve(e.code)).listen('./socket', () => resolve('listens')))
    Promise.all([connect(${port}, '127.0.0.1'), connect('\\0fewbit-${process.pid}'), datagram, listen]).then(answer)`)
  for (const made of answers) assert.doesNotMatch(made, /connected/)
  if (systemCallFilter() && !walls.gaps.includes('its system calls are not filtered'))
    assert.deepEqual([answers[0], answers[1], answers[3]], ['EPERM', 'EPERM', 'EPERM'])
})

test('it sees no process but its own, no environment, and cannot signal others', { skip }, async (t) => {
  process.env.SECRET_OF_THE_OPERATOR = 'secret of the operator'
  t.after(() => delete process.env.SECRET_OF_THE_OPERATOR)
  const { environments, commands, killed } = await ask(`
    const pids = fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name))
    const read = (name) => pids.map((pid) => attempt(() => fs.readFileSync('/proc/' + pid + '/' + name, 'utf8')))
    answer({ environments: read('environ'), commands: read('cmdline'), killed: attempt(() => process.kill(${process.pid}, 0)) })`)
  assert.doesNotMatch(environments.join(), /secret of the operator/)
  assert.ok(commands.length <= 3, commands.join('\n'))
  assert.equal(killed, 'ESRCH')
})

const isFiltered = !skip && !walls.gaps.includes('its system calls are not filtered')

test('calls that reach around the walls are refused: new namespaces, message queues, shared memory', {
  skip: !isFiltered && 'no filter of system calls here',
}, async () => {
  const answers = await ask(`
    const run = (...command) => { const { status, error } = require('child_process').spawnSync(command[0], command.slice(1)); return error?.code ?? status }
    answer({ mode: attempt(() => /^Seccomp:\\s+(\\d)/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]),
      namespace: run('unshare', '-U', 'true'), queue: run('ipcmk', '-Q'), memory: run('ipcmk', '-M', '1000000'), ordinary: run('true') })`)
  assert.match(answers.mode, /^(2|ENOENT)$/)
  assert.equal(answers.ordinary, 0)
  for (const name of ['namespace', 'queue', 'memory']) assert.notEqual(answers[name], 0, name)
})

test('the filter is a program that the kernel takes: eight bytes an instruction, jumps inside of it', () => {
  for (const arch of ['x64', 'arm64']) {
    const program = systemCallFilter(arch)!
    const size = program.length / 8
    assert.ok(Number.isInteger(size) && size < 4096, arch)
    for (let i = 0; i < size; i++) {
      const isJump = (program.readUInt16LE(8 * i) & 7) === 5
      const furthest = Math.max(program[8 * i + 2]!, program[8 * i + 3]!)
      if (isJump) assert.ok(i + 1 + furthest < size, `${arch} ${i}`)
    }
  }
  assert.equal(systemCallFilter('mips'), null)
})

/** What Docker does to the /proc of a container, and a user without rights in it. */
const CONTAINER = `mount -t proc proc /proc; mount --bind /dev/null /proc/version; mount --bind /proc/sys /proc/sys
exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all "$@"`
const inContainer = ['unshare', '-mpf', '--kill-child', '--propagation', 'private', 'sh', '-ec', CONTAINER, 'sh']
/** whether an ordinary user may make walls, which some machines forbid */
const USER_WALLS = ['bwrap', '--unshare-all', '--ro-bind', '/', '/', 'true']
const skipContainer = spawnSync(inContainer[0]!, [...inContainer.slice(1), ...USER_WALLS]).status !== 0
const own = pathToFileURL(join(import.meta.dirname, '..', '..', '..', 'workers', 'process', 'sandbox.js')).href

/** Runs `script` in the sandbox that a process finds which `launcher` starts. */
async function confinedUnder(launcher: string[], mode: string, script: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-sandbox-'))
  await chmod(directory, 0o777)
  const outside = `const { openSandbox } = await import(${JSON.stringify(own)})
    const { giveFilter } = await import(${JSON.stringify(own.replace('sandbox.js', 'confine.js'))})
    const { spawn } = await import('node:child_process')
    const sandbox = await openSandbox('${mode}', [], ${JSON.stringify(directory)})
    const { command: [file, ...args], filter, end } = await sandbox.confine([process.execPath, '-e', ${JSON.stringify(script)}], ${JSON.stringify(directory)}, ${JSON.stringify(CONFINED_LIMITS)})
    const child = spawn(file, args, { cwd: ${JSON.stringify(directory)}, stdio: ['ignore', 'inherit', 'inherit', 'ignore', 'pipe'] })
    if (filter) giveFilter(child, filter)
    child.on('exit', end)`
  try {
    const command = [...launcher, process.execPath, '--input-type=module', '-e', outside]
    return execFileSync(command[0]!, command.slice(1), { cwd: directory, encoding: 'utf8' }).trim()
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

test('in a container that hides parts of /proc there are walls too, and no environment of others', {
  skip: skipContainer && 'needs root and user namespaces',
}, async () => {
  const inside = `console.log(require('os').cpus().length > 0, require('fs').readdirSync('/proc').sort().join())`
  assert.equal(await confinedUnder(inContainer, 'require', inside), 'true cpuinfo,meminfo,stat')
})

test('without bubblewrap the limits still hold: no larger file than allowed', async () => {
  const answer = await ask(
    `process.on('SIGXFSZ', () => {}); answer(attempt(() => fs.writeFileSync('big', Buffer.alloc(${2 << 20}))))`,
    limits,
  )
  assert.equal(answer, 'EFBIG')
})

test('without bubblewrap nothing of a job survives it, wherever its processes went', async () => {
  const { said } = await confined(
    limits,
    `const child = require('child_process').spawn('setsid', ['env', '-i', 'sh', '-c', '(cd /; exec sleep 1000 <&- >&- 2>&-) & echo $!'], { detached: true })
    child.stdout.once('data', (pid) => answer(Number(pid)))`,
  )
  const pid = Number(said)
  assert.ok(pid > 1, said)
  await until(() => !isAlive(pid), 'it is left')
})

test('what is missing is said: without bubblewrap, root and prlimit', async () => {
  assert.ok(limits.gaps.some((gap) => /open connections/.test(gap)))
  const path = process.env.PATH
  process.env.PATH = '/nonexistent'
  const [bare, required] = await Promise.allSettled([openSandbox('auto', []), openSandbox('require', [])])
  process.env.PATH = path
  assert.equal(required.status, 'rejected')
  assert.ok(bare.status === 'fulfilled' && bare.value.name === 'rlimits')
  assert.ok(bare.value.gaps.some((gap) => /prlimit is missing/.test(gap)))
})

test('messages lose the paths of this machine and keep the names of nodes', () => {
  const text = "Load of /tmp/job/model.onnx failed at node '/conv1/Conv' (/onnxruntime_src/core/graph/graph.cc:1389)"
  assert.equal(withoutPaths(text), "Load of model.onnx failed at node '/conv1/Conv' (graph.cc:1389)")
})

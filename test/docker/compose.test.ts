/** The deployment files agree with the program: commands exist, settings are known, the image builds what they run. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { Environment } from '../../src/shared/config.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')

interface ComposeService {
  image: string
  command: string[]
  environment?: Record<string, string>
  volumes?: string[]
  depends_on?: Record<string, unknown>
  healthcheck: { test: string[] }
  user?: string
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
}
interface Compose {
  services: Record<string, ComposeService>
  volumes: Record<string, unknown>
}

const compose = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as Compose
const dockerfile = readFileSync(join(ROOT, 'docker', 'Dockerfile'), 'utf8')
const own = Object.entries(compose.services).filter(([, { image }]) => image === 'fewbit')

test('there are redis, api, worker and notify, each with a health check', () => {
  assert.deepEqual(Object.keys(compose.services).toSorted(), ['api', 'notify', 'redis', 'worker'])
  for (const service of Object.values(compose.services)) assert.ok(service.healthcheck.test.length > 1)
})

test('every command and health check runs a file that the build makes', () => {
  for (const [name, { command, healthcheck }] of own) {
    const scripts = [...command, ...healthcheck.test].filter((word) => word.endsWith('.js'))
    assert.ok(scripts.length > 0, name)
    for (const script of scripts) assert.ok(existsSync(join(ROOT, script)), script)
  }
})

test('each health check asks for its own process, and fails where nothing runs', () => {
  for (const [name, { healthcheck }] of own) {
    const [, command, script, asked] = healthcheck.test
    assert.deepEqual([command, asked], ['node', name])
    const env = { PATH: process.env.PATH, DATA_DIR: join(tmpdir(), 'fewbit-nothing-runs-here'), PORT: '1' }
    assert.equal(spawnSync(process.execPath, [join(ROOT, script!), name], { env }).status, 1, name)
  }
  assert.match(dockerfile, /^HEALTHCHECK .*"dist\/workers\/healthcheck\.js", "api"/m)
})

test('every setting is one that the program reads, and none has a bad value', () => {
  for (const [name, { environment = {} }] of own) {
    const given = Object.fromEntries(
      Object.entries(environment).map(([key, value]) => [key, value.replace(/^\$\{\w+:-(.*)\}$/, '$1')]),
    )
    for (const key of Object.keys(given)) assert.ok(Object.hasOwn(Environment.shape, key), `${name}: ${key}`)
    const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
    assert.ok(Environment.safeParse(set).success, name)
  }
})

test('volumes are declared, the files they bring exist, and nobody is root', () => {
  for (const [name, { volumes = [], user }] of Object.entries(compose.services)) {
    for (const volume of volumes) {
      const [source] = volume.split(':')
      const found = source!.startsWith('.') ? existsSync(join(ROOT, source!)) : Object.hasOwn(compose.volumes, source!)
      assert.ok(found, volume)
    }
    if (name !== 'redis') assert.equal(user, 'node')
  }
  assert.match(dockerfile, /^USER node$/m)
})

test('no container of ours can gain rights or change its own files', () => {
  for (const [name, { read_only, cap_drop, security_opt = [] }] of own) {
    assert.deepEqual([read_only, cap_drop], [true, ['ALL']], name)
    assert.ok(security_opt.includes('no-new-privileges:true'), name)
  }
})

test('the image copies only what exists', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths]) => paths!.split(' '))
  assert.ok(copied.length >= 5)
  for (const path of copied) assert.ok(existsSync(join(ROOT, path)), path)
})

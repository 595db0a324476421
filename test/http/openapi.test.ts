/** The committed description equals what the routes say, is valid, and its client types equal what it generates. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createConfig, lint } from '@redocly/openapi-core'
import openapiTypescript, { astToString } from 'openapi-typescript'

const ROOT = join(import.meta.dirname, '..', '..', '..')

test('openapi.yaml is what the routes generate', () => {
  execFileSync(process.execPath, [join(ROOT, 'dist/src/http/write-openapi.js'), '--check'], {
    cwd: ROOT,
    stdio: 'pipe',
  })
})

test('openapi.yaml passes the linter', () => {
  const spectral = join(ROOT, 'node_modules/.bin/spectral')
  execFileSync(spectral, ['lint', 'openapi.yaml', '--fail-severity', 'warn'], { cwd: ROOT, stdio: 'pipe' })
})

test('openapi.yaml passes a second linter', async () => {
  const problems = await lint({
    ref: join(ROOT, 'openapi.yaml'),
    config: await createConfig({ extends: ['recommended'] }),
  })
  assert.deepEqual(
    problems.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`),
    [],
  )
})

test('the client types are what openapi.yaml generates', async () => {
  const generated = astToString(
    await openapiTypescript(readFileSync(join(ROOT, 'openapi.yaml')), { defaultNonNullable: false }),
  )
  const committed = readFileSync(join(ROOT, 'test/generated/api.ts'), 'utf8')
  assert.ok(committed.endsWith(generated), 'run npm run openapi')
})

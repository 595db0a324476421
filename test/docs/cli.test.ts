/** The commands of docs/cli.md, executed as they stand there. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { randomData } from '../kit/data.ts'
import { mlp } from '../kit/model.ts'
import { blocksOf, ROOT } from './blocks.ts'

const MAIN = join(ROOT, 'dist', 'src', 'cli', 'main.js')
const BLOCKS = blocksOf('cli.md').filter(({ language }) => language === 'sh')

const missing = ['bash', 'jq'].filter((tool) => spawnSync(tool, ['--version']).error)
const skip = missing.length > 0 ? `${missing.join(', ')} not installed` : false

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'docs-test-'))
  mkdirSync(join(directory, 'bin'))
  writeFileSync(join(directory, 'bin', 'fewbit'), `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`)
  chmodSync(join(directory, 'bin', 'fewbit'), 0o755)
  writeFileSync(join(directory, 'model.onnx'), mlp())
  writeFileSync(join(directory, 'data.npz'), randomData(40, [8]))
  writeFileSync(join(directory, 'test.npz'), randomData(40, [8], { classes: 4 }))
})
after(() => rmSync(directory, { recursive: true }))

test('there are commands to run', () => assert.equal(BLOCKS.length, 6))

for (const [i, { text }] of BLOCKS.entries())
  test(`block ${i + 1} of docs/cli.md works`, { skip }, async () => {
    const env = { PATH: `${join(directory, 'bin')}${delimiter}${process.env.PATH}`, TMPDIR: directory }
    await promisify(execFile)('bash', ['--norc', '-eu', '-c', text], { cwd: directory, env })
  })

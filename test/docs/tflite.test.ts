/** The walk of docs/tflite.md, executed as it stands there; what it says of operators is what the table has. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { LOWERINGS } from '../../src/engine/tflite/index.ts'
import { randomData } from '../kit/data.ts'
import { convNet, IMAGE } from '../kit/model.ts'
import { blocksOf, ROOT } from './blocks.ts'

const [walk] = blocksOf('tflite.md').filter(({ language }) => language === 'sh')
const missing = ['bash', 'jq'].filter((tool) => spawnSync(tool, ['--version']).error)

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'tflite-page-'))
  mkdirSync(join(directory, 'bin'))
  const main = join(ROOT, 'dist', 'src', 'cli', 'main.js')
  writeFileSync(join(directory, 'bin', 'fewbit'), `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`)
  chmodSync(join(directory, 'bin', 'fewbit'), 0o755)
  writeFileSync(join(directory, 'model.onnx'), convNet())
  writeFileSync(join(directory, 'data.npz'), randomData(40, IMAGE))
})
after(() => rmSync(directory, { recursive: true }))

test('the walk works', { skip: missing.length > 0 ? `${missing.join(', ')} not installed` : false }, async () => {
  const env = { PATH: `${join(directory, 'bin')}${delimiter}${process.env.PATH}`, TMPDIR: directory }
  const { stdout } = await promisify(execFile)('bash', ['--norc', '-eu', '-c', walk?.text ?? ''], {
    cwd: directory,
    env,
  })
  assert.match(stdout, /executed +by LiteRT/)
  assert.match(stdout, /^x float32 \[1,16,16,3\]\nx int8 \[1,3,16,16\]$/m)
})

test('the page names every operator that can be written', () => {
  const page = readFileSync(join(ROOT, 'docs', 'tflite.md'), 'utf8')
  const said = page.slice(page.indexOf('## What can be written'))
  for (const name of Object.keys(LOWERINGS)) assert.match(said, new RegExp(`\\b${name}\\b`), name)
})

/** The walks of docs/adding-*.md, applied together to a copy of the sources: they compile and do what they say. A misspelt operator does not compile there, and a wrong gradient is found. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Block, blocksOf, ROOT } from './blocks.ts'

const WALKS = ['adding-an-operator.md', 'adding-a-target.md', 'adding-a-method.md', 'adding-a-route.md']
const COPIED = ['src', 'workers', 'test/kit', 'test/engine/ops', 'test/engine/autodiff', 'package.json', 'openapi.yaml']

let directory: string

function run(command: string, args: readonly string[]): { failed: boolean; said: string } {
  // without this variable the inner runner does not take itself for a part of the outer one
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: directory, encoding: 'utf8', env })
  return { failed: status !== 0, said: `${stdout}${stderr}` }
}

const compile = () => run(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'])

/** Replaces the lines that a diff shows before with those that it shows after. They must stand in the file once. */
function patch(file: string, before: string, after: string): void {
  const path = join(directory, file)
  const parts = readFileSync(path, 'utf8').split(before)
  assert.equal(parts.length, 2, `${file} has these lines ${parts.length - 1} times:\n${before}`)
  writeFileSync(path, parts.join(after))
}

function applyDiff(file: string, text: string): void {
  const lines = text.trimEnd().split('\n')
  const side = (mark: string) =>
    lines
      .filter((line) => line.startsWith(' ') || line.startsWith(mark))
      .map((line) => `${line.slice(1)}\n`)
      .join('')
  patch(file, side('-'), side('+'))
}

function apply({ language, file, text }: Block): void {
  if (file === undefined) return
  if (language === 'diff') {
    applyDiff(file, text)
    return
  }
  const path = join(directory, file)
  assert.ok(!existsSync(path), `${file} is there already`)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

const CONFIG = {
  extends: join(ROOT, 'tsconfig.json'),
  compilerOptions: { rootDir: '.', outDir: 'dist', tsBuildInfoFile: 'dist/.tsbuildinfo' },
  include: ['src', 'test'],
}

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'walks-'))
  for (const path of COPIED) cpSync(join(ROOT, path), join(directory, path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(CONFIG))
})

after(() => rmSync(directory, { recursive: true }))

describe('the walks', () => {
  test('apply to the sources as they are, and compile', () => {
    for (const walk of WALKS) for (const block of blocksOf(walk)) apply(block)
    assert.equal(compile().said, '')
  })

  for (const walk of WALKS)
    test(`${walk} does what it says`, () => {
      const commands = blocksOf(walk)
        .filter(({ language }) => language === 'sh')
        .flatMap(({ text }) => text.trim().split('\n'))
        .filter((line) => line !== 'npm run build')
      assert.ok(commands.length > 0)
      for (const line of commands) {
        const [command = '', ...args] = line.split(' ')
        const { failed, said } = run(command, args)
        assert.ok(!failed, `${line}\n${said}`)
        if (args.includes('--test')) assert.match(said, /^# pass [1-9]/m, line)
      }
    })

  test('the route is in the description of the API, and so is the target', () => {
    const text = readFileSync(join(directory, 'openapi.yaml'), 'utf8')
    assert.match(text, /^ {2}\/v1\/methods:$/m)
    assert.match(text, /npu-example/)
  })
})

describe('the operator table', () => {
  test('a misspelt operator in a target does not compile, and nothing else is wrong there', () => {
    patch('src/engine/targets/npu-ethos-u.ts', 'DepthToSpace SpaceToDepth', 'DepthToSpace SpaceToDeph')
    patch(
      'src/engine/ops/activation.ts',
      'g.mul(dY, logisticSlope(g, Y))',
      'g.scale(g.mul(dY, logisticSlope(g, Y)), 7)',
    )
    const { failed, said } = compile()
    assert.ok(failed)
    const errors = said.split('\n').filter((line) => line.includes('error TS'))
    assert.equal(errors.length, 1, said)
    assert.match(errors.join(), /^src\/engine\/targets\/npu-ethos-u\.ts.*SpaceToDeph/)
  })

  test('a gradient that is wrong by a factor of seven fails the suite of the examples', () => {
    const suite = ['--test', '--test-name-pattern=Sigmoid', 'dist/test/engine/ops/examples.test.js']
    const { failed, said } = run(process.execPath, suite)
    assert.ok(failed)
    assert.match(said, /d X\[\d+\] is .*, measured /)
  })
})

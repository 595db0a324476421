/** Words that a shell completes. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { completionsOf, SCRIPTS } from '../../src/cli/completion.ts'
import { createProgram } from '../../src/cli/program.ts'
import { METHOD_NAMES, TARGET_NAMES } from '../../src/contract/recipe.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js')
const complete = (line: string) => completionsOf(createProgram({ exitCode: 0 }), line.split(' '))

const CASES: [string, readonly string[]][] = [
  ['qu', ['quantize']],
  ['co', ['compare', 'completion']],
  ['quantize model.onnx --met', ['--method', '--metric']],
  ['quantize model.onnx --method ', METHOD_NAMES],
  ['submit -t npu-q', ['npu-qnn-htp']],
  ['targets ', TARGET_NAMES],
  ['completion ', Object.keys(SCRIPTS)],
  // files, which the shell knows
  ['quantize mod', []],
  ['quantize model.onnx -c ', []],
  ['nonsense ', []],
]
for (const [line, words] of CASES) test(`fewbit ${line}`, () => assert.deepEqual(complete(line), words))

for (const shell of ['zsh', 'fish'] as const)
  test(
    `${shell} takes the script`,
    { skip: spawnSync(shell, ['--version']).error ? `${shell} is not installed` : false },
    () => void execFileSync(shell, ['-n'], { input: SCRIPTS[shell] }),
  )

test('bash asks with the words as they stand and evaluates none', () => {
  const directory = mkdtempSync(join(tmpdir(), 'completion-test-'))
  try {
    writeFileSync(join(directory, 'fewbit'), `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`)
    chmodSync(join(directory, 'fewbit'), 0o755)
    const typed = `COMP_WORDS=(fewbit quantize '$(touch pwned)' -t npu-q); COMP_CWORD=4; _fewbit; printf %s "\${COMPREPLY[*]}"`
    const env = { PATH: `${directory}${delimiter}${process.env.PATH}` }
    const script = `source <(fewbit completion bash); ${typed}`
    assert.equal(execFileSync('bash', ['--norc', '-c', script], { cwd: directory, env }).toString(), 'npu-qnn-htp')
    assert.equal(existsSync(join(directory, 'pwned')), false)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

/** A copy of the sources that a test may change, compile and run. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ROOT } from './blocks.ts'

const COPIED = ['src', 'workers', 'test/kit', 'test/engine/ops', 'test/engine/autodiff', 'package.json', 'openapi.yaml']

const CONFIG = {
  extends: join(ROOT, 'tsconfig.json'),
  compilerOptions: { rootDir: '.', outDir: 'dist', tsBuildInfoFile: 'dist/.tsbuildinfo' },
  include: ['src', 'test'],
}

export interface Outcome {
  failed: boolean
  /** both streams */
  said: string
}

export interface Copy {
  /** a file that is not there yet */
  add(file: string, text: string): void
  /** Replaces lines that stand in the file once. */
  replace(file: string, before: string, after: string): void
  read(file: string): string
  run(command: string, args: readonly string[]): Outcome
  compile(): Outcome
  remove(): void
}

export function copySources(): Copy {
  const directory = mkdtempSync(join(tmpdir(), 'sources-'))
  for (const path of COPIED) cpSync(join(ROOT, path), join(directory, path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(CONFIG))
  const read = (file: string) => readFileSync(join(directory, file), 'utf8')
  const run = (command: string, args: readonly string[]) => {
    // without this variable the inner runner does not take itself for a part of the outer one
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: directory, encoding: 'utf8', env })
    return { failed: status !== 0, said: `${stdout}${stderr}` }
  }
  return {
    read,
    run,
    add(file, text) {
      const path = join(directory, file)
      assert.ok(!existsSync(path), `${file} is there already`)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    },
    replace(file, before, after) {
      const parts = read(file).split(before)
      assert.equal(parts.length, 2, `${file} has these lines ${parts.length - 1} times:\n${before}`)
      writeFileSync(join(directory, file), parts.join(after))
    },
    compile: () => run(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.']),
    remove: () => rmSync(directory, { recursive: true }),
  }
}

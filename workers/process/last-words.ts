/** From whatever the engine threw to the message that the supervisor may show: without a path of this machine. */
import { readdirSync } from 'node:fs'
import type { RunnerMessage } from '../../src/contract/runner-protocol.ts'
import { asFewbitError } from '../../src/engine/errors.ts'

type LastWords = Extract<RunnerMessage, { type: 'error' }>

/** Roots that exist where ONNX Runtime was built, and appear in its messages. */
const FOREIGN_ROOTS = ['onnxruntime_src', 'home', 'root', 'build', 'Users', '__w', '_work']

export function lastWords(error: unknown, stage: string): LastWords {
  const { code, message, extra } = asFewbitError(error, stage)
  return {
    type: 'error',
    code,
    stage: extra.stage ?? stage,
    detail: withoutPaths(message),
    ...(extra.param !== undefined && { param: extra.param }),
    ...(extra.hint !== undefined && { hint: extra.hint }),
  }
}

/** Node names look like paths too (`/conv1/Conv`), so only what starts at a directory of some root is cut to its last part. */
export function withoutPaths(text: string, roots: readonly string[] = [...readdirSync('/'), ...FOREIGN_ROOTS]): string {
  const names = roots.map((name) => name.replace(/[^\w]/g, '\\$&')).join('|')
  const path = new RegExp(`(?<![\\w.])(?:file://)?/(?:${names})(?:/[^\\s'"\`:,;()<>\\[\\]]*)+`, 'g')
  return text.replace(path, (found) => found.replace(/\/+$/, '').split('/').at(-1)!)
}

/** From whatever the engine threw to the message that the supervisor may show: without a path of this machine. */
import { readdirSync } from 'node:fs'
import type { RunnerMessage } from '../../src/contract/recipe.ts'
import { type ErrorCode, FewbitError, messageOf } from '../../src/shared/errors.ts'

type LastWords = Extract<RunnerMessage, { type: 'error' }>

const CODES: [RegExp, ErrorCode][] = [
  [
    /bad_alloc|Failed to allocate memory|Array buffer allocation failed|Invalid typed array length|ENOMEM/i,
    'out_of_memory',
  ],
  [/EFBIG|ENOSPC|EDQUOT/, 'output_limit'],
]
/** Roots that exist where ONNX Runtime was built, and appear in its messages. */
const FOREIGN_ROOTS = ['onnxruntime_src', 'home', 'root', 'build', 'Users', '__w', '_work']

export function lastWords(error: unknown, stage: string): LastWords {
  const extra = error instanceof FewbitError ? error.extra : {}
  const text = messageOf(error)
  return {
    type: 'error',
    code: codeOf(error, text),
    stage: extra.stage ?? stage,
    detail: withoutPaths(text),
    ...(extra.param !== undefined && { param: extra.param }),
    ...(extra.hint !== undefined && { hint: extra.hint }),
  }
}

function codeOf(error: unknown, text: string): ErrorCode {
  const known = CODES.find(([pattern]) => pattern.test(text))
  if (known) return known[1]
  return error instanceof FewbitError ? error.code : 'quantization_failed'
}

/** Node names look like paths too (`/conv1/Conv`), so only what starts at a directory of some root is cut to its last part. */
export function withoutPaths(text: string, roots: readonly string[] = [...readdirSync('/'), ...FOREIGN_ROOTS]): string {
  const names = roots.map((name) => name.replace(/[^\w]/g, '\\$&')).join('|')
  const path = new RegExp(`(?<![\\w.])(?:file://)?/(?:${names})(?:/[^\\s'"\`:,;()<>\\[\\]]*)+`, 'g')
  return text.replace(path, (found) => found.replace(/\/+$/, '').split('/').at(-1)!)
}

/** What ONNX Runtime's messages mean to our users: the node, what is wrong with it in a sentence, and what to do. */
import type { ErrorCode } from '../../shared/errors.ts'
import { MEANINGS } from './meanings.ts'

export interface Translation {
  /** another code than the one of the stage */
  code?: ErrorCode
  detail: string
  hint?: string
}

const USUAL_HINT =
  'check that the float model runs in ONNX Runtime on a sample of these inputs; if it does not, export it again'

/** How ONNX Runtime names the node: while running, while loading, and where it has no kernel. */
const NODES: readonly RegExp[] = [
  /while running (?<op>\S+) node\. Name:'(?<node>[^']*)' Status Message:\s*/,
  /Node \((?<node>[^)]*)\) Op \((?<op>\w+)\)\s*(?:\[\w+\])?\s*/,
  /In Node, \("(?<node>[^"]*)", (?<op>\w+),[^)]*\)[^,]*(?:\([^)]*\)[^,]*)*,\s*/,
  /Could not find an implementation for (?<op>[\w.:]+\(\d+\)) node with name '(?<node>[^']*)'/,
]

/** `message` as ONNX Runtime wrote it. Neither part of the answer holds a path. */
export function translateMessage(message: string): Translation {
  const text = message.replace(LOADING, '')
  const found = MEANINGS.flatMap((meaning) => {
    const match = text.match(meaning.pattern)
    return match ? [{ ...meaning, match }] : []
  })[0]
  const at = NODES.map((pattern) => pattern.exec(text)).find((match) => match !== null)
  const words = found?.says?.(found.match) ?? plainWords(at ? text.slice((at.index ?? 0) + at[0].length) : text)
  const { op, node } = at?.groups ?? {}
  const where = op === undefined ? '' : `${nodeOf(node ?? '', op)} does not run: `
  const detail = where + (words || 'ONNX Runtime has no kernel for it')
  return { ...(found?.code && { code: found.code }), detail: detail.slice(0, LONGEST), hint: found?.hint ?? USUAL_HINT }
}

/** Convolutions whose layout ONNX Runtime changed are named after their result. */
const LAID_OUT = /^(.*)_nchwc$/

function nodeOf(name: string, op: string): string {
  const result = LAID_OUT.exec(name)?.[1]
  return result === undefined ? `Node "${name}" (${op})` : `The ${op} that computes "${result}"`
}

const LONGEST = 600

/** ONNX Runtime begins with the name of our working copy. */
const LOADING = /^(?:Load model from \S+ failed:\s*|Error: )+/

/** What is left of a message without places in its sources, signatures of functions, and conditions in code. */
function plainWords(text: string): string {
  return withoutPaths(text)
    .replace(/^\S+\.(?:cc|h|cpp|hpp):\d+\s+/, '')
    .replace(/^[^.]*?\)(?: const)?(?: \[with [^\]]*\])? (?=\S)/, '')
    .replace(/^.*? was false\.\s*/, '')
    .replace(/^\[\w+\]\s*:\s*\d+\s*:\s*\w+\s*:\s*/, '')
    .replace(/^\s*->.*?,\s*Error\s+/, '')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Absolute paths (build machine's sources, our directories) cut down to their last part. */
export const withoutPaths = (text: string): string =>
  text.replace(/(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][^\s:"'\\/]+){2,}/g, (path) => path.split(/[\\/]/).pop() ?? '')

/** What ONNX Runtime's messages mean to our users: the node, what is wrong with it in a sentence, and what to do. */
import type { ErrorCode } from '../../shared/errors.ts'

export interface Translation {
  /** another code than the one of the stage */
  code?: ErrorCode
  detail: string
  hint?: string
}

interface Meaning {
  pattern: RegExp
  code?: ErrorCode
  /** in our words; without it, those of ONNX Runtime stay */
  says?: (match: RegExpMatchArray) => string
  hint?: string
}

const EXPORT_AGAIN = 'export the model again with the sizes of inputs left dynamic, or name a shape in input_shapes'
const GIVE_SHAPE = 'give arrays whose samples have the shape that the model declares'

/** First match wins. */
const MEANINGS: readonly Meaning[] = [
  {
    pattern: /Failed to allocate memory|bad_alloc|bad allocation/i,
    code: 'out_of_memory',
    says: () => 'one run needs more memory than the job may use',
    hint: 'the model needs more memory for one run than the job may use',
  },
  {
    pattern: /NOT_IMPLEMENTED|Could not find an implementation|is not a registered function\/op|No Op registered/,
    code: 'model_operator_unsupported',
    hint: 'ONNX Runtime has no kernel for this operator with this element type and operator set; export the model with a newer operator set or as float32',
  },
  {
    pattern: /Opset .* is under development|Unsupported model IR version/,
    code: 'model_opset_unsupported',
    hint: 'convert the model to a released opset',
  },
  {
    pattern: /cannot be reshaped to the requested shape\. Input shape:\s*\{([^}]*)\}, requested shape:\s*\{([^}]*)\}/,
    says: ([, from, to]) => `it cannot give a value of shape [${from}] the shape [${to}]`,
    hint: `the shape is written into the file for one size of the input: ${EXPORT_AGAIN}`,
  },
  {
    pattern:
      /invalid dimensions for input: (\S+) for the following indices\s+index: (\d+) Got: (-?\d+) Expected: (-?\d+)/,
    says: ([, name, axis, got, expected]) =>
      `input "${name}" has the size ${got} on axis ${axis}, and the model takes ${expected}`,
    hint: GIVE_SHAPE,
  },
  {
    pattern: /Invalid rank for input: (\S+) Got: (\d+) Expected: (\d+)/,
    says: ([, name, got, expected]) => `input "${name}" has ${got} axes, and the model takes ${expected}`,
    hint: GIVE_SHAPE,
  },
  {
    pattern: /broadcast an axis by a dimension other than 1\. (\d+) by (\d+)/,
    says: ([, a, b]) => `it meets the sizes ${a} and ${b} on one axis, which do not go together`,
    hint: `two values depend on different sizes: check that the arrays of the data set belong together, or ${EXPORT_AGAIN}`,
  },
  {
    pattern:
      /ind(?:ices element|ex) out of (?:data )?bounds, idx=(-?\d+) must be within the inclusive range \[(-?\d+),(-?\d+)\]/,
    says: ([, index, least, most]) => `the index ${index} lies outside of its table, which has ${least} to ${most}`,
    hint: 'check the integers in the data set: token ids, positions and lengths have to fit the tables of the model',
  },
  {
    pattern: /dimension mismatch|dimensions? (?:mismatch|do not match)|incompatible (?:shapes|dimensions)/i,
    hint: `the sizes of its inputs do not go together: check the shapes of the data set, or ${EXPORT_AGAIN}`,
  },
  {
    pattern:
      /Type parameter \((\w+)\) of Optype \((\w+)\) bound to different types \((.*?) and (.*?) in node \((.*?)\)/,
    says: ([, , op, a, b, node]) => `node "${node}" (${op}) reads ${a} and ${b}, which have to be of one type`,
    hint: 'export the model again; where a converter changed its precision, a Cast is missing',
  },
]

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
  const detail =
    op === undefined ? words : `Node "${node}" (${op}) does not run: ${words || 'ONNX Runtime has no kernel for it'}`
  return { ...(found?.code && { code: found.code }), detail: detail.slice(0, LONGEST), hint: found?.hint ?? USUAL_HINT }
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
    .replace(/\s+/g, ' ')
    .trim()
}

/** Absolute paths (build machine's sources, our directories) cut down to their last part. */
export const withoutPaths = (text: string): string =>
  text.replace(/(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][^\s:"'\\/]+){2,}/g, (path) => path.split(/[\\/]/).pop() ?? '')

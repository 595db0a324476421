/** What is known of ONNX Runtime's messages: by pattern, our words for it and what to do. */
import type { ErrorCode } from '../../shared/errors.ts'

export interface Meaning {
  pattern: RegExp
  code?: ErrorCode
  /** in our words; without it, those of ONNX Runtime stay */
  says?: (match: RegExpMatchArray) => string
  hint?: string
}

const EXPORT_AGAIN = 'export the model again with the sizes of inputs left dynamic, or name a shape in input_shapes'
const EXPORTER =
  'the file breaks the rules of its operator set: run onnx.checker.check_model(model, full_check=True) on it, and export it again'
const GIVE_SHAPE = 'give arrays whose samples have the shape that the model declares'

/** First match wins. */
export const MEANINGS: readonly Meaning[] = [
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
  {
    pattern: /axis dimensions must match: Axis (\d+) has mismatched dimensions of (\d+) and (\d+)/,
    says: ([, axis, a, b]) =>
      `its inputs have the sizes ${a} and ${b} on axis ${axis}, and only sizes on the axis that it joins may differ`,
    hint: `check that the arrays of the data set belong together, or ${EXPORT_AGAIN}`,
  },
  {
    pattern: /Required attribute '(\w+)' is missing/,
    says: ([, name]) => `it has no attribute "${name}", which this operator needs`,
    hint: EXPORTER,
  },
  {
    pattern: /'?axis'? must be in \[(-?\d+) ?, ?(-?\d+)\]\.? Its actual value is:? (-?\d+)/,
    says: ([, low, high, axis]) => `its axis is ${axis}, and its input has axes ${low} to ${high}`,
    hint: EXPORTER,
  },
  {
    pattern: /Input channels C is not equal to kernel channels \* group\. C: (\d+) kernel channels: (\d+) group: (\d+)/,
    says: ([, channels, kernel, group]) =>
      `its input has ${channels} channels, and its weight takes ${kernel} in each of ${group} ${group === '1' ? 'group' : 'groups'}`,
    hint: 'check the order of the axes in the data set, channels first or last, and that the file is whole',
  },
  {
    pattern: /Invalid input shape: \{([^}]*)\}/,
    says: ([, size]) => `its window is larger than its input, which measures ${size!.replaceAll(',', ' by ')}`,
    hint: 'give larger samples, or name the size that the model was made for in input_shapes',
  },
  {
    pattern: /Mismatch between the sum of 'split' \((\d+)\) and the split dimension of the input \((\d+)\)/,
    says: ([, sum, size]) => `its parts have ${sum} elements together, and its input has ${size} on that axis`,
    hint: `the parts are written into the file for one size of the input: ${EXPORT_AGAIN}`,
  },
  {
    pattern: /Dimension of input (\d+) must be 1 instead of (\d+)/,
    says: ([, axis, size]) => `it removes axis ${axis}, which has the size ${size} and not 1`,
    hint: `the axes are written into the file for one size of the input: ${EXPORT_AGAIN}`,
  },
  {
    pattern: /Axis has less than the requested k elements|k argument \[\d+\] should not be greater/,
    says: () => 'it picks more elements than its axis has',
    hint: `give samples with more elements, or ${EXPORT_AGAIN}`,
  },
  {
    pattern: /invalid index found, index = (-?\d+)/,
    says: ([, index]) => `the index ${index} lies outside of what it reads`,
    hint: 'check the integers in the data set: token ids, positions and lengths have to fit the tables of the model',
  },
  {
    pattern: /Input (\w+) must have shape \{([^}]*)\}\. Actual:\{([^}]*)\}/,
    says: ([, input, wanted, found]) => `its input ${input} has the shape [${found}] and must have [${wanted}]`,
    hint: 'check that the sizes of the data set are those that the model was made for, and that the file is whole',
  },
  {
    pattern: /Invalid attribute perm \{([^}]*)\}, input shape = \{([^}]*)\}/,
    says: ([, perm, shape]) => `it orders axes as [${perm}], and its input has ${shape!.split(',').length} axes`,
    hint: EXPORTER,
  },
  {
    pattern: /Number of elements of input '(\w+)' must be same as rank of input '(\w+)'/,
    says: ([, of, input]) => `its ${of} need one number for each axis of ${input}`,
    hint: EXPORTER,
  },
  {
    pattern: /Invalid bias shape for broadcast|Bias should be 1D/i,
    says: () => 'its bias has another size than its result',
    hint: EXPORTER,
  },
  {
    pattern: /Integer division by zero/,
    says: () => 'a node divides whole numbers by a constant 0',
    hint: 'look for Div or Mod with a constant 0 in the model; sizes that are computed from an empty shape are the usual cause',
  },
  {
    pattern: /Type \((\S+)\) of output arg \((.+?)\) of node \((.+?)\) does not match expected type \((\S+)\)/,
    says: ([, found, output, node, expected]) =>
      `the file declares output "${output}" of node "${node}" as ${found}, and the node gives ${expected}`,
    hint: 'declare the type that the node gives, or put a Cast behind it',
  },
]

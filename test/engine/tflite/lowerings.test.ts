/** Every lowering by its own examples: LiteRT computes what ONNX Runtime computes, in float and in integers, with no warning in its log. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { OpDef } from '../../../src/engine/ops/define.ts'
import { OPS } from '../../../src/engine/ops/index.ts'
import { npuEthosU } from '../../../src/engine/targets/npu-ethos-u.ts'
import type { OperatorSupport } from '../../../src/engine/targets/target.ts'
import { LOWERINGS } from '../../../src/engine/tflite/index.ts'
import { inputsOf, type ParsedExample, parseExample } from '../../kit/example.ts'
import {
  convert,
  distance,
  feedsFor,
  floatModel,
  isFixed,
  type Parameters,
  parametersFor,
  quantizedModel,
  rangeOf,
  runLitert,
  runOnnx,
  typed,
} from '../../kit/tflite.ts'

/** in float32, of numbers around one */
const FLOAT_TOLERANCE = 2e-5
/** quantization steps by which kernels may differ: they round in fixed point, ONNX Runtime in float */
const STEPS = 1.01

const definitions: Readonly<Record<string, OpDef>> = OPS

const supported: Readonly<Record<string, OperatorSupport>> = npuEthosU.operators

/** The parameters that TensorFlow Lite fixes for an operator. */
function fixedFor(name: string): Parameters | null {
  const fixed = supported[name]?.fixed_output
  return fixed ? { scale: fixed.scale, zero: fixed.zero_point } : null
}

const computedInputs = (def: OpDef, example: ParsedExample) =>
  inputsOf(example).filter((input) => !isFixed(def, example, input))

for (const [name, { examples }] of Object.entries(LOWERINGS)) {
  describe(name, () => {
    for (const text of examples) {
      const example = parseExample(text)
      const def = definitions[name]!
      const feeds = feedsFor(computedInputs(def, example))

      test(`float: ${text}`, async () => {
        const model = await typed(floatModel(def, example))
        const expected = await runOnnx(model, feeds)
        assert.ok(distance(expected, await runLitert(convert(model), feeds)) < FLOAT_TOLERANCE)
      })

      test(`int8: ${text}`, async () => {
        const output = fixedFor(name) ?? parametersFor(rangeOf(await runOnnx(floatModel(def, example), feeds)))
        const model = await typed(quantizedModel(def, example, output))
        const expected = await runOnnx(model, feeds)
        const steps = distance(expected, await runLitert(convert(model), feeds)) / output.scale
        assert.ok(steps < STEPS, `${steps} steps apart`)
      })
    }
  })
}

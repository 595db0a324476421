/** Every operator of the table, by its own example: gradient, integers on every target that lists it, half precision, compat. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { quantizeQdqLikeOrt } from '../../../src/engine/compat/qdq/index.ts'
import { insertQuantization } from '../../../src/engine/insert/insert.ts'
import type { Model, Node } from '../../../src/engine/ir/graph.ts'
import { float32 } from '../../../src/engine/ir/tensor.ts'
import { convertToFloat16 } from '../../../src/engine/methods/float16/convert.ts'
import { inputIndex, inputRole, type OpDef } from '../../../src/engine/ops/define.ts'
import { nameAt } from '../../../src/engine/ops/gradients/define.ts'
import { OPS, type OpName } from '../../../src/engine/ops/index.ts'
import { planGraph } from '../../../src/engine/plan/plan-graph.ts'
import { TARGETS } from '../../../src/engine/targets/index.ts'
import type { IntegerTarget } from '../../../src/engine/targets/target.ts'
import { addExample, type Input, inputsOf, type ParsedExample, parseExample } from '../../kit/example.ts'
import { buildModel } from '../../kit/model.ts'
import type { Case } from '../autodiff/cases.ts'
import { examine } from '../autodiff/examine.ts'
import { type Feeds, inferTypes, runOnce, spaced } from '../autodiff/run-gradients.ts'

const TABLE = Object.entries(OPS) as [OpName, OpDef][]
const INTEGER = Object.values(TARGETS).filter((target) => target.kind === 'integer') as IntegerTarget[]
const HALF = TARGETS['gpu-float16']

const caseOf = (example: ParsedExample): Case => ({
  inputs: Object.fromEntries(inputsOf(example).map(({ name, shape }) => [name, shape])),
  build: (k, inputs) => addExample(k, example, inputs, Object.values(inputs)[0]!.dtype as 'float32' | 'float64'),
  positive: inputsOf(example).flatMap(({ name, isPositive }) => (isPositive ? [name] : [])),
  opset: example.opset,
})

const valuesOf = ({ shape, isPositive }: Input, seed: number): Float32Array =>
  Float32Array.from(
    spaced(
      shape.reduce((a, b) => a * b, 1),
      seed,
      isPositive,
    ),
  )

/** The example in float32, weights and biases as constants, with its types, and inputs for it. */
async function modelOf(def: OpDef): Promise<{ model: Model; node: Node; feeds: Feeds }> {
  const example = parseExample(def.example)
  const m = buildModel(example.opset)
  const feeds: Record<string, Feeds[string]> = {}
  const inputs = Object.fromEntries(
    inputsOf(example).map((input, i) => {
      const data = valuesOf(input, i + 1)
      const { kind } = inputRole(def, example.operands.indexOf(input))
      if (kind === 'weight' || kind === 'bias') return [input.name, m.constant(input.name, float32(input.shape, data))]
      feeds[input.name] = { dtype: 'float32', dims: input.shape, data }
      return [input.name, m.input(input.name, input.shape)]
    }),
  )
  m.model.graph.outputs.push(...addExample(m, example, inputs))
  await inferTypes(m.model)
  const [node] = m.model.graph.nodes
  return { model: m.model, node: node!, feeds }
}

/** Smallest and largest element of everything that goes in and comes out. */
function rangesOf(results: Feeds) {
  return new Map(
    Object.entries(results).map(([name, { data }]) => {
      const numbers = Array.from(data as Float32Array, Number)
      return [name, { min: Math.min(...numbers), max: Math.max(...numbers) }]
    }),
  )
}

/** Fails where a float output is further from the expected one than `share` of its range. */
function assertNear(found: Feeds, expected: Feeds, share: number, what: string): void {
  for (const [name, { data, dtype, dims }] of Object.entries(expected)) {
    assert.deepEqual(found[name]?.dims, dims, `${what}: shape of ${name}`)
    if (dtype !== 'float32') continue
    const size = Math.max(...Array.from(data as Float32Array, Math.abs), 1e-3)
    const errors = Array.from(data as Float32Array, (x, i) => Math.abs(x - Number(found[name]!.data[i])))
    const mean = errors.reduce((a, b) => a + b, 0) / errors.length
    assert.ok(mean <= share * size, `${what}: ${name} is off by ${mean} on average, numbers reach ${size}`)
  }
}

describe('every example', () => {
  for (const [name, def] of TABLE)
    test(`${name} names the operator and its inputs as the entry does`, () => {
      const { domain, opType, operands, outputs } = parseExample(def.example)
      assert.equal(domain ? `${domain}:${opType}` : opType, name)
      operands.forEach((operand, i) => {
        if (operand?.kind === 'input') assert.equal(operand.name, nameAt(def.inputs, i))
      })
      assert.deepEqual(
        outputs,
        outputs.map((_, i) => nameAt(def.outputs, i)),
      )
    })
})

describe('every role names a tensor of its operator', () => {
  for (const [name, def] of TABLE.filter(([, { quant }]) => quant))
    test(name, () => {
      const names = [...def.inputs, ...def.outputs].map((declared) => declared.replace(/[?*]$/, ''))
      for (const [tensor, role] of Object.entries(def.quant!)) {
        assert.ok(names.includes(tensor), `${tensor} is none of ${names}`)
        const others = role.kind === 'bias' ? [role.input, role.weight] : role.kind === 'same' ? [role.as] : []
        for (const other of others) assert.ok(inputIndex(def, other) >= 0, `${other} is no input`)
      }
    })
})

describe('finite differences agree with the gradient of the example of', () => {
  for (const [name, { gradient, example }] of TABLE)
    if (gradient) test(name, () => examine(caseOf(parseExample(example))))
})

const listedBy = ({ operators }: IntegerTarget, name: string): boolean => Object.hasOwn(operators, name)

describe('in integers, close to the float operator, runs', () => {
  for (const [name, def] of TABLE.filter(([, { quant, removedIn }]) => quant && !removedIn)) {
    const targets = INTEGER.filter((target) => listedBy(target, name))
    test(name, { skip: targets.length === 0 && 'no target lists it' }, async () => {
      for (const target of targets) {
        const { model, feeds } = await modelOf(def)
        const expected = await runOnce(model, feeds)
        const plan = planGraph(model.graph, { ...target, placement: 'all' }, { perChannel: true, excludes: () => null })
        assert.deepEqual([...plan.reasons.values()], [], target.id)
        insertQuantization(model, plan, rangesOf({ ...feeds, ...expected }), '')
        assert.ok([...model.graph.nodes].some(({ opType }) => opType === 'DequantizeLinear'))
        assertNear(await runOnce(model, feeds), expected, 0.06, target.id)
      }
    })
  }
})

describe('in half precision, close to the float operator, runs', () => {
  for (const [name, def] of TABLE)
    test(name, async () => {
      const { model, node, feeds } = await modelOf(def)
      const expected = await runOnce(model, feeds)
      const stays = node.domain !== '' || (HALF.blocked as readonly string[]).includes(node.opType)
      convertToFloat16(model, HALF, new Set(stays ? [node] : []), true)
      assertNear(await runOnce(model, feeds), expected, 0.005, name)
    })
})

describe('as onnxruntime.quantization writes it, close to the float operator, runs', () => {
  for (const [name, def] of TABLE.filter(([, { removedIn }]) => !removedIn))
    test(name, async () => {
      const { model, feeds } = await modelOf(def)
      const expected = await runOnce(model, feeds)
      quantizeQdqLikeOrt(model, rangesOf({ ...feeds, ...expected }), { activationType: 'uint8', weightType: 'int8' })
      assertNear(await runOnce(model, feeds), expected, 0.06, name)
    })
})

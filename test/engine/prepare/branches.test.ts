/** Models with branches: what is decided before there is data, and what a job may say of an input. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { encodeNpz } from '../../../src/engine/data/write-npz.ts'
import { int } from '../../../src/engine/ir/build.ts'
import { allGraphs, type Model, type Value } from '../../../src/engine/ir/graph.ts'
import { float32, int64 } from '../../../src/engine/ir/tensor.ts'
import { encodeModel } from '../../../src/engine/onnx/index.ts'
import { fixValues } from '../../../src/engine/passes/fix-values.ts'
import { shareInitializers } from '../../../src/engine/passes/share-initializers.ts'
import { decideBranches } from '../../../src/engine/prepare/branches.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import type { RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { openWorkspace } from '../../../src/engine/runtime/workspace.ts'
import { FewbitError } from '../../../src/shared/errors.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'

const directory = mkdtempSync(join(tmpdir(), 'fewbit-branches-'))
after(() => rmSync(directory, { recursive: true }))
const workspace = openWorkspace(directory)
const runtime = openRuntime(1)

const WIDTH = 16
type Body = (own: Builder) => Value

/** A branch with one output and names that its sibling uses too. */
function branch(body: Body, seed: number) {
  const own = buildModel(17, seed)
  own.output(body(own), `result${seed}`, [1, WIDTH])
  return { kind: 'graph' as const, value: own.model.graph }
}

const choose = (m: Builder, condition: Value, [yes, no]: [Body, Body], seed: number): Value =>
  m.node('If', [condition], { attributes: { then_branch: branch(yes, seed), else_branch: branch(no, seed + 1) } })

const layer =
  (x: Value, name = 'layer'): Body =>
  (own) =>
    own.node('Relu', [own.node('MatMul', [x, own.weight(`${name}.w`, [WIDTH, WIDTH], 0.5)], { name })], {
      name: `${name}.relu`,
    })

/** Another layer behind a branch that the number of features decides. */
const nested =
  (x: Value): Body =>
  (own) => {
    const features = own.node('Gather', [own.node('Shape', [x]), own.constant('last', int64([], [1]))], {
      attributes: { axis: int(0) },
    })
    const isWide = own.node('Equal', [features, own.constant('wide', int64([], [WIDTH]))])
    const hidden = layer(x)(own)
    return choose(own, isWide, [layer(hidden, 'inner'), (inner) => inner.node('Neg', [hidden])], 4)
  }

/** x [1,16], rate int64 → y [1,16]: one of two networks, the first with a branch of its own. */
function switched(): Model {
  const m = buildModel()
  const x = m.input('x', [1, WIDTH])
  const rate = m.input('rate', [], 'int64')
  const isHigh = m.node('Equal', [rate, m.constant('high', int64([], [16000]))], { name: 'is_high' })
  m.output(choose(m, isHigh, [nested(x), layer(x)], 2), 'y', [1, WIDTH])
  return m.model
}

const operators = ({ graph }: Model): string[] => [...graph.nodes].map(({ opType }) => opType)

const feedsOf = (rate: number): Record<string, RunTensor> => ({
  x: { dtype: 'float32', dims: [1, WIDTH], data: Float32Array.from({ length: WIDTH }, (_, i) => Math.sin(i)) },
  rate: { dtype: 'int64', dims: [], data: BigInt64Array.of(BigInt(rate)) },
})

async function resultOf(model: Model, rate: number): Promise<number[]> {
  const session = await runtime.load(workspace.save('run.onnx', model), { optimization: 'disabled' })
  const { y } = await session.run(feedsOf(rate))
  await session.release()
  return Array.from(y!.data as Float32Array)
}

describe('branches that are decided', () => {
  test('by a constant and, inside, by a shape: both are inlined and nothing changes', async () => {
    const model = switched()
    const [, rate] = model.graph.inputs
    const expected = await resultOf(model, 16000)
    fixValues(model, { rate: 16000 })
    assert.equal(await decideBranches(model, runtime, workspace), 2)
    assert.deepEqual(operators(model).sort(), ['MatMul', 'MatMul', 'Relu', 'Relu'])
    assert.ok(model.graph.inputs.includes(rate!), 'the input stays')
    assert.deepEqual(await resultOf(model, 8000), expected, 'and is no longer read')
  })

  test('a branch that data decides stays', async () => {
    const model = switched()
    const expected = [await resultOf(model, 16000), await resultOf(model, 8000)]
    assert.equal(await decideBranches(model, runtime, workspace), 0)
    assert.deepEqual([await resultOf(model, 16000), await resultOf(model, 8000)], expected)
    assert.notDeepEqual(expected[0], expected[1])
  })

  test('branches that give a constant or a copy of an outer value', async () => {
    const m = buildModel()
    const x = m.input('x', [1, WIDTH])
    m.input('rate', [], 'int64')
    const give = (own: Builder, values: (Value | string)[]) => {
      const doubled = own.node('Add', [x, x])
      const constant = own.constant('c', float32([WIDTH], new Float32Array(WIDTH).fill(3)))
      const outer = own.node('Identity', [x])
      own.model.graph.outputs.push(
        ...values.map((value) => (value === 'doubled' ? doubled : value === 'c' ? constant : outer)),
      )
      return { kind: 'graph' as const, value: own.model.graph }
    }
    const outputs = ['a', 'b', 'd'].map((name) => m.fresh(name))
    const condition = m.constant('yes', { dtype: 'bool', shape: [], data: Uint8Array.of(1) })
    const kinds = ['doubled', 'c', 'x']
    m.node('If', [condition], {
      outputs,
      attributes: { then_branch: give(buildModel(), kinds), else_branch: give(buildModel(), kinds.toReversed()) },
    })
    m.model.graph.outputs.push(...outputs)
    m.output(m.node('Add', [outputs[0]!, outputs[1]!]), 'y', [1, WIDTH])
    const before = await runtime.load(workspace.save('before.onnx', m.model), { optimization: 'disabled' })
    const expected = await before.run(feedsOf(1))
    assert.equal(await decideBranches(m.model, runtime, workspace), 1)
    const session = await runtime.load(workspace.save('after.onnx', m.model), { optimization: 'disabled' })
    const found = await session.run(feedsOf(1))
    for (const [name, { data }] of Object.entries(expected)) assert.deepEqual(found[name]!.data, data, name)
  })
})

test('what both branches hold lies in the file once', async () => {
  const m = buildModel()
  const x = m.input('x', [1, WIDTH])
  const rate = m.input('rate', [], 'int64')
  const isHigh = m.node('Equal', [rate, m.constant('high', int64([], [16000]))])
  const same = branch(layer(x), 5)
  m.output(m.node('If', [isHigh], { attributes: { then_branch: same, else_branch: branch(layer(x), 5) } }), 'y')
  const expected = await resultOf(m.model, 16000)
  shareInitializers.run(m.model)
  const weights = [...allGraphs(m.model.graph)].flatMap(({ initializers }) =>
    [...initializers].filter(({ tensor }) => tensor!.shape.length === 2),
  )
  assert.equal(weights.length, 1)
  assert.deepEqual(await resultOf(m.model, 16000), expected)
  assert.deepEqual(await resultOf(m.model, 8000), expected)
})

describe('input_values', () => {
  const data = (rate: (sample: number) => number) =>
    encodeNpz({
      x: {
        dtype: 'float32',
        shape: [40, 1, WIDTH],
        data: Float32Array.from({ length: 40 * WIDTH }, (_, i) => Math.sin(i * i)),
      },
      rate: { dtype: 'int64', shape: [40], data: BigInt64Array.from({ length: 40 }, (_, i) => BigInt(rate(i))) },
    })
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'succeeded',
      (error: unknown) => {
        assert.ok(error instanceof FewbitError, String(error))
        return error
      },
    ) as Promise<FewbitError>

  test('without them a network in branches is refused, with the way out', async () => {
    const error = await codeOf(
      runEngine(
        encodeModel(switched()),
        data(() => 16000),
      ),
    )
    assert.equal(error.code, 'nothing_to_quantize')
    assert.match(error.message, /3 layers, for example MatMul "\S+", lie in branches/)
    assert.match(error.extra.hint!, /input_values/)
  })

  for (const [rate, layers] of [
    [16000, 2],
    [8000, 1],
  ] as const) {
    test(`rate ${rate}: the network that it means is quantized, by the old signature`, async () => {
      const { model, report } = await runEngine(
        encodeModel(switched()),
        data(() => rate),
        { input_values: { rate } },
      )
      assert.equal(operators(model).filter((name) => name === 'MatMul').length, layers)
      assert.ok(!operators(model).includes('If'))
      assert.deepEqual(
        model.graph.inputs.map(({ name }) => name),
        ['x', 'rate'],
      )
      assert.ok(report.metrics.fidelity!.sqnr_db > 25)
      assert.equal(report.metrics.coverage.macs_integer, 1)
      const [expected, found] = [await resultOf(switched(), rate), await resultOf(model, rate)]
      const error = Math.max(...expected.map((y, i) => Math.abs(y - found[i]!)))
      assert.ok(error < 0.1 * Math.max(...expected.map(Math.abs)), `${error}`)
    })
  }

  test('data that says otherwise is refused with the sample', async () => {
    const error = await codeOf(
      runEngine(
        encodeModel(switched()),
        data((i) => (i === 7 ? 8000 : 16000)),
        { input_values: { rate: 16000 } },
      ),
    )
    assert.equal(error.code, 'dataset_mismatch')
    assert.match(error.message, /"rate" is 8000 in sample 7, and 16000 by input_values/)
  })

  test('strangers and numbers that do not fit are refused', async () => {
    const refusal = async (input_values: object) =>
      (
        await codeOf(
          runEngine(
            encodeModel(switched()),
            data(() => 16000),
            { input_values },
          ),
        )
      ).message
    assert.match(await refusal({ speed: 1 }), /no input "speed": it has x, rate/)
    assert.match(await refusal({ rate: [1, 2] }), /which 2 numbers do not fill/)
    assert.match(await refusal({ rate: 0.5 }), /0.5 is no int64/)
  })
})

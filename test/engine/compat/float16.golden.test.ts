/** convert_float_to_float16 against the files that ONNX Runtime 1.30 wrote: operators, names, constants bit for bit, and results. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { halfOf } from '../../../src/engine/compat/float16/attributes.ts'
import { convertToFloat16LikeOrt } from '../../../src/engine/compat/float16/index.ts'
import { type Float16Options, withFloat16Defaults } from '../../../src/engine/compat/float16/options.ts'
import { addNode, int } from '../../../src/engine/ir/build.ts'
import { codeOf } from '../../../src/engine/ir/dtype.ts'
import { allGraphs, freshName, type Model, Value } from '../../../src/engine/ir/graph.ts'
import { bytesOf, float32, view } from '../../../src/engine/ir/tensor.ts'
import { decodeModel } from '../../../src/engine/onnx/index.ts'
import { applyTypes, inferTypes } from '../../../src/engine/prepare/types.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import { openWorkspace } from '../../../src/engine/runtime/workspace.ts'
import { readGolden, rowsOf, sharedFile } from '../../kit/goldens.ts'
import { dataOf, type Outputs, runModel } from './runs.ts'
import { edges, histogram } from './tables.ts'

interface Arguments {
  keep_io_types: boolean | string[]
  op_block_list?: string[]
  node_block_list?: string[]
  force_fp16_initializers?: boolean
  min_positive_val?: number
  max_finite_val?: number
}

interface Row {
  model: string
  optionSet: string
  arguments: Arguments
  operators: Record<string, number>
  nodeOrder: [string, string][]
  initializers: Record<string, { dtype: string; sha256: string }>
  inputs: Record<string, string>
  outputs: Record<string, string>
  results?: Record<string, { data: number[] }>
  loadError?: object
}

interface Golden {
  rows: Row[]
  scalarConversion: { columns: string[]; rows: unknown[][] }
}

const ROOT = sharedFile('goldens', 'ort-1.30')
const skip = ROOT ? false : 'no golden conversions here'
const golden = ROOT ? (readGolden(join(ROOT, 'float16.json')) as unknown as Golden) : null
const at = (name: string): string => join(ROOT ?? '', 'float16', name)

/** `model set` → why ONNX Runtime's file is none to follow; operators may differ there, ours must run. */
const DEVIATIONS: Readonly<Record<string, string>> = {
  'shared_initializer_blocked half_io_node_block': 'two Casts of one name, which ONNX Runtime does not load',
}

/** Their arguments → our options. */
const optionsOf = (given: Arguments): Partial<Float16Options> => ({
  keepIoTypes: given.keep_io_types,
  ...(given.op_block_list && { blockedOperators: given.op_block_list }),
  ...(given.node_block_list && { blockedNodes: given.node_block_list }),
  ...(given.force_fp16_initializers && { forceInitializers: true }),
  ...(given.min_positive_val && { smallest: given.min_positive_val }),
  ...(given.max_finite_val && { largest: given.max_finite_val }),
})

async function typedModel(path: string): Promise<Model> {
  const folder = mkdtempSync(join(tmpdir(), 'fewbit-float16-'))
  try {
    const { model } = decodeModel(path)
    applyTypes(model, await inferTypes(model, openRuntime(1), openWorkspace(folder), { aside: false }))
    return model
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const nameOf = (dtype: string | undefined): string | undefined => (dtype === 'float32' ? 'float' : dtype)

const constantsOf = (model: Model): Row['initializers'] =>
  Object.fromEntries(
    [...allGraphs(model.graph)]
      .flatMap(({ initializers }) => [...initializers])
      .map(({ name, tensor }) => [
        name,
        { dtype: nameOf(tensor!.dtype)!, sha256: createHash('sha256').update(bytesOf(tensor!)).digest('hex') },
      ]),
  )

const typesOf = (values: Model['graph']['inputs']) => Object.fromEntries(values.map((v) => [v.name, nameOf(v.dtype)]))

const contentsOf = ({ graph }: Model): string[] =>
  [...allGraphs(graph)]
    .flatMap(({ nodes }) => [...nodes])
    .flatMap(({ name, attributes }) =>
      [...attributes].flatMap(([key, { kind, value }]) => {
        if (kind === 'tensor') return [`${name} ${key} ${value.dtype} ${Buffer.from(bytesOf(value)).toString('hex')}`]
        return kind === 'int' ? [`${name} ${key} ${value}`] : []
      }),
    )
    .sort()

const bodiesOf = ({ graph }: Model): string[] =>
  [...allGraphs(graph)].flatMap(({ nodes, outputs }) => [
    ...[...nodes].map(({ name, opType }) => `${opType} ${name}`),
    `gives ${outputs.map(({ name }) => name).join()}`,
  ])

function assertSameFile(model: Model, row: Row): void {
  const theirs = decodeModel(at(`${row.model}.${row.optionSet}.onnx`)).model
  assert.deepEqual(histogram(model), histogram(theirs))
  assert.deepEqual([...model.graph.nodes].map(({ opType, name }) => [opType, name]).sort(), row.nodeOrder.toSorted())
  assert.deepEqual(edges(model), edges(theirs))
  assert.deepEqual(bodiesOf(model).sort(), bodiesOf(theirs).sort())
  assert.deepEqual(contentsOf(model), contentsOf(theirs))
  assert.deepEqual(constantsOf(model), row.initializers)
}

/** Runs are fed and read in float32. */
function widenEnds(model: Model): void {
  const { graph } = model
  graph.inputs.forEach((half, i) => {
    if (half.dtype !== 'float16') return
    const single = new Value(half.name, 'float32', half.shape)
    half.name = freshName(model, `${half.name}_half`)
    addNode(model, graph, 'Cast', [single], { outputs: [half], attributes: { to: int(codeOf('float16')) } })
    graph.inputs[i] = single
  })
  graph.outputs.forEach((half, i) => {
    if (half.dtype !== 'float16') return
    const single = new Value(half.name, 'float32', half.shape)
    half.name = freshName(model, `${half.name}_half`)
    addNode(model, graph, 'Cast', [half], { outputs: [single], attributes: { to: int(codeOf('float32')) } })
    graph.outputs[i] = single
  })
}

function assertClose(found: Outputs, wanted: Outputs, relative: number): void {
  for (const [name, numbers] of Object.entries(wanted)) {
    const largest = Math.max(...numbers.map(Math.abs).filter(Number.isFinite), 1e-3)
    for (const [i, x] of numbers.entries())
      assert.ok(Object.is(found[name]![i], x) || Math.abs(found[name]![i]! - x) <= relative * largest, `${name}[${i}]`)
  }
}

/** A file that ONNX Runtime does not load has no results; ours must have some that follow the float model. */
async function assertSameResults(model: Model, row: Row): Promise<void> {
  const input = at(`${row.model}.input.npz`)
  const floatEnds = [...model.graph.inputs, ...model.graph.outputs].every(({ dtype }) => dtype !== 'float16')
  widenEnds(model)
  const results = await runModel(model, input)
  const reference = decodeModel(at(`${row.model}${row.results ? `.${row.optionSet}` : ''}.onnx`)).model
  widenEnds(reference)
  assertClose(results, await runModel(reference, input), row.results ? 0 : 2e-3)
  // The Casts around widened ends change what ONNX Runtime fuses, and with it where numbers are rounded.
  if (row.results && floatEnds) assertClose(results, dataOf(row.results), 1e-3)
}

describe('float16 like onnxruntime', { skip }, () => {
  for (const row of golden?.rows ?? []) {
    const key = `${row.model} ${row.optionSet}`
    test(key, async () => {
      const model = await typedModel(at(`${row.model}.onnx`))
      convertToFloat16LikeOrt(model, optionsOf(row.arguments))
      assert.deepEqual(typesOf(model.graph.inputs), row.inputs)
      assert.deepEqual(typesOf(model.graph.outputs), row.outputs)
      if (!DEVIATIONS[key]) assertSameFile(model, row)
      assert.equal(row.loadError !== undefined, key in DEVIATIONS)
      await assertSameResults(model, row)
    })
  }

  test('every deviation is one of the rows', () => {
    const keys = new Set(golden!.rows.map(({ model, optionSet }) => `${model} ${optionSet}`))
    assert.deepEqual(
      Object.keys(DEVIATIONS).filter((key) => !keys.has(key)),
      [],
    )
  })

  test('constants convert number by number', () => {
    for (const { float32Hex, float16Hex } of rowsOf(golden!.scalarConversion)) {
      const x = Buffer.from(float32Hex as string, 'hex').readFloatBE(0)
      const [half] = view(halfOf(float32([1], [x]), withFloat16Defaults({})), 'float16')
      assert.equal(half!.toString(16).padStart(4, '0'), float16Hex, float32Hex as string)
    }
  })
})

/** Times every form of a convolution's gradients on the shapes of two networks; the tables justify src/engine/ops/gradients/convolution-forms.ts. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Dim, Graph, type Model, Value } from '../../src/engine/ir/graph.ts'
import { at, entryOf } from '../../src/engine/ir/list.ts'
import { inputForm, weightForm } from '../../src/engine/ops/gradients/convolution-forms.ts'
import { INPUT_FORMS } from '../../src/engine/ops/gradients/convolution-input.ts'
import { WEIGHT_FORMS } from '../../src/engine/ops/gradients/convolution-weight.ts'
import { Emitter } from '../../src/engine/ops/gradients/emitter.ts'
import type { Convolution } from '../../src/engine/ops/gradients/window.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import type { RunTensor, Session } from '../../src/engine/runtime/runtime.ts'
import { openWorkspace } from '../../src/engine/runtime/workspace.ts'

const BATCH = 16
const ROUNDS = 15
const SKIP_SLOWER_THAN = 6

/** [channels in, channels out, image, kernel, stride, group] */
type Row = readonly [number, number, number, number, number, number]

const depthwise = (channels: number, image: number, stride: number): Row => [
  channels,
  channels,
  image,
  3,
  stride,
  channels,
]
const pointwise = (inputs: number, outputs: number, image: number): Row => [inputs, outputs, image, 1, 1, 1]

const NETWORKS: Readonly<Record<string, readonly Row[]>> = {
  'MobileNetV2, 96×96': [
    [3, 32, 96, 3, 2, 1],
    ...[depthwise(32, 48, 1), depthwise(96, 48, 2), depthwise(144, 24, 1), depthwise(144, 24, 2)],
    ...[depthwise(192, 12, 1), depthwise(192, 12, 2), depthwise(384, 6, 1), depthwise(576, 6, 2), depthwise(960, 3, 1)],
    ...[pointwise(32, 16, 48), pointwise(16, 96, 48), pointwise(96, 24, 24), pointwise(24, 144, 24)],
    ...[pointwise(144, 32, 12), pointwise(32, 192, 12), pointwise(192, 64, 6), pointwise(64, 384, 6)],
    ...[pointwise(576, 160, 3), pointwise(160, 960, 3), pointwise(320, 1280, 3)],
  ],
  'ResNet-18, 96×96': [
    [3, 64, 96, 7, 2, 1],
    ...([64, 128, 256, 512] as const).map((width, i): Row => [width, width, 24 / 2 ** i, 3, 1, 1]),
    ...([64, 128, 256] as const).map((width, i): Row => [width, width * 2, 24 / 2 ** i, 3, 2, 1]),
    ...([64, 128, 256] as const).map((width, i): Row => [width, width * 2, 24 / 2 ** i, 1, 2, 1]),
  ],
  'others, 1×1 and 3×3': [
    [32, 32, 32, 5, 1, 1],
    [64, 64, 56, 3, 1, 1],
    [16, 16, 64, 3, 1, 1],
    [64, 64, 24, 3, 1, 4],
    [96, 96, 56, 5, 1, 96],
  ],
}

function convolution([inputs, outputs, size, k, stride, group]: Row): Convolution {
  const pad = (k - 1) / 2
  const result = Math.floor((size + 2 * pad - k) / stride) + 1
  const both = (n: number) => [n, n]
  return {
    ...{ batch: BATCH, inputs, outputs, group, image: both(size), result: both(result) },
    ...{ kernel: both(k), strides: both(stride), dilations: [1, 1], begins: both(pad), ends: both(pad) },
  }
}

interface Candidate {
  name: string
  session: Session
  times: number[]
}

function modelOf(
  shapes: Record<string, readonly Dim[]>,
  emit: (g: Emitter, values: Record<string, Value>) => Value,
): Model {
  const graph = new Graph('form')
  const values = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, new Value(name, 'float32', shape)]),
  )
  graph.inputs.push(...Object.values(values))
  const g = new Emitter(graph)
  const result = emit(g, values)
  g.commit([result])
  graph.outputs.push(result)
  return {
    ...{ irVersion: 8, opsets: new Map([['', 17]]), graph, names: new Set(), suffixes: new Map() },
    ...{ producer: 'bench', metadata: new Map(), functions: [] },
  }
}

/** The quickest run: whatever else the machine does only adds to it. */
const least = (times: readonly number[]): number => Math.min(...times)

/** Least milliseconds of each model on the same feeds, interleaved; forms that are far behind are dropped early. */
async function compare(models: Record<string, Model>): Promise<Map<string, number>> {
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-bench-'))
  const workspace = openWorkspace(directory)
  const runtime = openRuntime(1)
  const candidates: Candidate[] = []
  for (const [name, model] of Object.entries(models)) {
    const session = await runtime.load(workspace.save('form.onnx', model), { optimization: 'all' })
    candidates.push({ name, session, times: [] })
  }
  const feeds = feedsOf(at(candidates, 0).session)
  for (const { session } of candidates) await session.run(feeds)
  for (let round = 0; round < ROUNDS; round++) {
    const best = Math.min(...candidates.map(({ times }) => least(times)))
    for (const { session, times } of candidates) {
      if (round > 1 && least(times) > SKIP_SLOWER_THAN * best) continue
      const start = process.cpuUsage()
      await session.run(feeds)
      const { user, system } = process.cpuUsage(start)
      times.push((user + system) / 1000)
    }
  }
  for (const { session } of candidates) await session.release()
  rmSync(directory, { recursive: true })
  return new Map(candidates.map(({ name, times }) => [name, least(times)]))
}

function feedsOf(session: Session): Record<string, RunTensor> {
  return Object.fromEntries(
    session.inputs.map(({ name, shape }) => {
      const dims = shape as number[]
      const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i))
      return [name, { dtype: 'float32' as const, dims, data }]
    }),
  )
}

const describe = (c: Convolution): string =>
  `${c.inputs}→${c.outputs} ${c.kernel[0]}×${c.kernel[0]}/${c.strides[0]} @${c.image[0]}${c.group > 1 ? ` g${c.group}` : ''}`

/** `name 1.2*` marks the form that the rules choose. */
function print(c: Convolution, times: ReadonlyMap<string, number>, chosen: string): number {
  const best = Math.min(...times.values())
  const cells = [...times]
    .sort(([, a], [, b]) => a - b)
    .map(([name, ms]) => `${name} ${ms.toFixed(1)}${name === chosen ? '*' : ''}`)
  const lost = (times.get(chosen) ?? Number.NaN) / best
  console.log(`${describe(c).padEnd(26)} ${lost > 1.15 ? '!' : ' '} ${cells.join('  ')}`)
  return (times.get(chosen) ?? 0) - best
}

async function bench(c: Convolution): Promise<void> {
  const shapes = {
    X: [BATCH, c.inputs, ...c.image],
    W: [c.outputs, c.inputs / c.group, ...c.kernel],
    dY: [BATCH, c.outputs, ...c.result],
  }
  const fitting = <F extends { fits: (c: Convolution) => boolean }>(forms: Record<string, F>) =>
    Object.entries(forms).filter(([, { fits }]) => fits(c))
  const { X, W, dY } = shapes
  const inputs = fitting(INPUT_FORMS).map(([name, { emit }]) => [
    name,
    modelOf({ dY, W }, (g, v) => emit(g, c, entryOf(v, 'dY'), entryOf(v, 'W'))),
  ])
  const weights = fitting(WEIGHT_FORMS).map(([name, { emit }]) => [
    name,
    modelOf({ X, dY }, (g, v) => emit(g, c, entryOf(v, 'X'), entryOf(v, 'dY'))),
  ])
  if (only !== 'weight') print(c, await compare(Object.fromEntries(inputs) as Record<string, Model>), inputForm(c))
  if (only !== 'input') print(c, await compare(Object.fromEntries(weights) as Record<string, Model>), weightForm(c))
}

const [only = '', filter = ''] = process.argv.slice(2)
for (const [network, rows] of Object.entries(NETWORKS)) {
  console.log(
    `\n${network}, batch ${BATCH}, 1 thread: CPU milliseconds by form (first line: by the input, second: by the kernel)`,
  )
  for (const row of rows) {
    const c = convolution(row)
    if (describe(c).includes(filter)) await bench(c)
  }
}

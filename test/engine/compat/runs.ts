/** Runs quantized files and says how far their outputs lie apart. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openNpz, readElements } from '../../../src/engine/data/npz.ts'
import type { Model } from '../../../src/engine/ir/graph.ts'
import { type Tensor, type Viewable, view } from '../../../src/engine/ir/tensor.ts'
import { encodeModel } from '../../../src/engine/onnx/index.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import type { ElementArray, RunTensor } from '../../../src/engine/runtime/runtime.ts'

export type Outputs = Record<string, number[]>

async function readFeeds(path: string): Promise<Record<string, RunTensor>> {
  const archive = await openNpz(path)
  const feeds: Record<string, RunTensor> = {}
  for (const member of archive.members) {
    const { dtype, shape } = member.header
    const tensor: Tensor = { dtype, shape, data: await readElements(member) }
    feeds[member.name] = { dtype, dims: [...shape], data: view(tensor, dtype as Viewable) as ElementArray }
  }
  archive.close()
  return feeds
}

/** Outputs of a file, with all optimizations. */
export async function runFile(path: string, input: string): Promise<Outputs> {
  const session = await openRuntime(1).load(path, { optimization: 'all', exactProducts: true })
  try {
    const results = await session.run(await readFeeds(input))
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]))
  } finally {
    await session.release()
  }
}

/** Outputs of a model, written to a file and loaded again. */
export async function runModel(model: Model, input: string): Promise<Outputs> {
  const folder = mkdtempSync(join(tmpdir(), 'fewbit-compat-'))
  try {
    const path = join(folder, 'model.onnx')
    writeFileSync(path, encodeModel(model))
    return await runFile(path, input)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const energy = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0))

/** 20·log10(|float| ÷ |float − quantized|) of the worst output. */
export function sqnr(float: Outputs, quantized: Outputs): number {
  const ratios = Object.entries(float).map(([name, wanted]) => {
    const noise = energy(wanted.map((x, i) => x - quantized[name]![i]!))
    return noise === 0 ? 200 : 20 * Math.log10(energy(wanted) / noise)
  })
  return Math.min(...ratios)
}

/** The largest difference of each output, in steps of 1/255 of its float range. */
export function stepsApart(float: Outputs, a: Outputs, b: Outputs): number {
  const steps = Object.entries(float).map(([name, wanted]) => {
    const step = (Math.max(0, ...wanted) - Math.min(0, ...wanted)) / 255 || 1
    return Math.max(...a[name]!.map((x, i) => Math.abs(x - b[name]![i]!))) / step
  })
  return Math.max(...steps)
}

export const dataOf = (outputs: Record<string, { data: number[] }>): Outputs =>
  Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data.map(Number)]))

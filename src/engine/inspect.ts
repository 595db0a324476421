/** What a model is, found out without running it, and what each target would make of it. */
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { asFewbitError } from './errors.ts'
import { pathOf, withScratch } from './files.ts'
import { allGraphs, type Graph, type Node, type Value } from './ir/graph.ts'
import { elementCount, type Tensor } from './ir/tensor.ts'
import { decodeModel } from './onnx/index.ts'
import type { QuantizeOptions, Source } from './options.ts'
import { type Outlook, type OutlookOptions, outlookOn } from './outlook.ts'

/** of the largest constants, so many are named */
const MOST = 10

/** An input or output; `null` stands for a dimension, or with no shape at all for a rank, that the model leaves open. */
export interface Port {
  name: string
  /** undefined for what is no tensor */
  dtype: string | undefined
  shape: readonly (number | string | null)[] | null
}

/** A constant of the model. */
export interface Constant {
  name: string
  dtype: string
  shape: number[]
  bytes: number
  /** operators of the nodes that read it */
  readers: string[]
}

export interface Inspection {
  inputs: Port[]
  outputs: Port[]
  /** version of the operator set by domain */
  opsets: Record<string, number>
  /** nodes by operator, the ones in branches, loops and functions included */
  operators: Record<string, number>
  /** elements of all constants */
  parameters: number
  /** bytes of the file and of the external data that it refers to */
  bytes: number
  /** bytes of all constants by element type */
  bytesByType: Record<string, number>
  /** the constants that take most space, the largest first */
  largest: Constant[]
  /** what is odd about the file */
  warnings: string[]
}

/** What is asked of `inspect` besides the structure. */
export interface InspectOptions extends OutlookOptions {
  /** names, or profiles of your own; `method` and the others of a quantization apply to each of them */
  targets: readonly QuantizeOptions['target'][]
}

/**
 * Reads the structure of a model; external data of a path lies beside it. With `targets`, ONNX Runtime folds the model for each of them, and
 * the methods plan on it; no data is needed. Throws FewbitError: not_found, model_* and what is wrong with the options.
 */
export function inspect(model: Source): Promise<Inspection>
export function inspect(model: Source, options: InspectOptions): Promise<Inspection & { outlooks: Outlook[] }>
export async function inspect(model: Source, options?: InspectOptions): Promise<Inspection & { outlooks?: Outlook[] }> {
  try {
    return await withScratch(undefined, async (scratch) => {
      const path = pathOf(model, scratch, 'source.onnx')
      const inspection = inspectFile(path)
      return options ? { ...inspection, outlooks: await outlooksOf(path, options, scratch) } : inspection
    })
  } catch (error) {
    throw asFewbitError(error, 'inspect')
  }
}

/** One after the other, each in a directory of its own: a prepared model takes memory and space. */
async function outlooksOf(path: string, { targets, ...options }: InspectOptions, scratch: string): Promise<Outlook[]> {
  const outlooks: Outlook[] = []
  for (const [i, target] of targets.entries()) {
    const directory = join(scratch, `target-${i}`)
    mkdirSync(directory)
    outlooks.push(await outlookOn(path, target, options, directory))
    rmSync(directory, { recursive: true })
  }
  return outlooks
}

function inspectFile(path: string): Inspection {
  const { model, operators, external, warnings } = decodeModel(path)
  const constants = [...allGraphs(model.graph)].flatMap(constantsOf)
  const tensors = constants.map(({ tensor }) => tensor)
  const files = [path, ...external.map((name) => join(dirname(path), name))]
  return {
    inputs: model.graph.inputs.map(portOf),
    outputs: model.graph.outputs.map(portOf),
    opsets: Object.fromEntries([...model.opsets].map(([domain, version]) => [domain || 'ai.onnx', version])),
    operators: Object.fromEntries(operators),
    parameters: tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    bytes: files.reduce((sum, file) => sum + statSync(file).size, 0),
    bytesByType: bytesByType(tensors),
    largest: constants
      .toSorted((a, b) => sizeOf(b.tensor) - sizeOf(a.tensor))
      .slice(0, MOST)
      .map(describeConstant),
    warnings,
  }
}

const portOf = ({ name, dtype, shape }: Value): Port => ({ name, dtype, shape: shape ? [...shape] : null })

interface Found {
  value: Value
  tensor: Tensor
}

function constantsOf({ initializers, nodes }: Graph): Found[] {
  const ofNode = (node: Node): Found[] => {
    const [tensor, value] = [node.opType === 'Constant' && node.tensor('value'), node.outputs[0]]
    return tensor && value ? [{ tensor, value }] : []
  }
  return [
    ...[...initializers].flatMap((value) => (value.tensor ? [{ tensor: value.tensor, value }] : [])),
    ...[...nodes].flatMap(ofNode),
  ]
}

const sizeOf = ({ data }: Tensor): number => data.length

const describeConstant = ({ value, tensor }: Found): Constant => ({
  name: value.name,
  dtype: tensor.dtype,
  shape: [...tensor.shape],
  bytes: sizeOf(tensor),
  readers: [...new Set([...value.consumers.keys()].map(({ opType }) => opType))],
})

function bytesByType(tensors: readonly Tensor[]): Record<string, number> {
  const sums = new Map<string, number>()
  for (const { dtype, data } of tensors) sums.set(dtype, (sums.get(dtype) ?? 0) + data.length)
  return Object.fromEntries(sums)
}

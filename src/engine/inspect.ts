/** What a model is, found out without running it. */
import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { asFewbitError } from './errors.ts'
import { pathOf, withScratch } from './files.ts'
import { allGraphs, type Graph, type Value } from './ir/graph.ts'
import { elementCount, type Tensor } from './ir/tensor.ts'
import { decodeModel } from './onnx/index.ts'
import type { Source } from './options.ts'

/** An input or output; `null` stands for a dimension, or with no shape at all for a rank, that the model leaves open. */
export interface Port {
  name: string
  /** undefined for what is no tensor */
  dtype: string | undefined
  shape: readonly (number | string | null)[] | null
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
  /** what is odd about the file */
  warnings: string[]
}

/** Reads the structure of a model; external data of a path lies beside it. Throws FewbitError: not_found and model_*. */
export async function inspect(model: Source): Promise<Inspection> {
  try {
    return await withScratch(undefined, async (scratch) => inspectFile(pathOf(model, scratch, 'source.onnx')))
  } catch (error) {
    throw asFewbitError(error, 'inspect')
  }
}

function inspectFile(path: string): Inspection {
  const { model, operators, external, warnings } = decodeModel(path)
  const tensors = [...allGraphs(model.graph)].flatMap(constantsOf)
  const files = [path, ...external.map((name) => join(dirname(path), name))]
  return {
    inputs: model.graph.inputs.map(portOf),
    outputs: model.graph.outputs.map(portOf),
    opsets: Object.fromEntries([...model.opsets].map(([domain, version]) => [domain || 'ai.onnx', version])),
    operators: Object.fromEntries(operators),
    parameters: tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    bytes: files.reduce((sum, file) => sum + statSync(file).size, 0),
    bytesByType: bytesByType(tensors),
    warnings,
  }
}

const portOf = ({ name, dtype, shape }: Value): Port => ({ name, dtype, shape: shape ? [...shape] : null })

function constantsOf({ initializers, nodes }: Graph): Tensor[] {
  const constants = [...nodes].filter(({ opType }) => opType === 'Constant')
  return [
    ...[...initializers].flatMap(({ tensor }) => tensor ?? []),
    ...constants.flatMap((node) => node.tensor('value') ?? []),
  ]
}

function bytesByType(tensors: readonly Tensor[]): Record<string, number> {
  const sums = new Map<string, number>()
  for (const { dtype, data } of tensors) sums.set(dtype, (sums.get(dtype) ?? 0) + data.length)
  return Object.fromEntries(sums)
}

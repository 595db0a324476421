/** Models whose sums of 8-bit products are exact on processors that saturate them. */
import { rmSync } from 'node:fs'
import { allGraphs, type Node } from '../ir/graph.ts'
import { decodeModel, saveModel } from '../onnx/index.ts'
import { runPasses } from '../passes/pass.ts'
import { unsignedWeights } from '../passes/unsigned-weights.ts'
import type { Session } from './runtime.ts'

const INT8 = 3

/**
 * Loads the model at `path` with uint8 weights where it has int8; null where something is rounded to int8 at run time, since products of int8 and uint8
 * saturate as well. ONNX Runtime's own mode, `session.x64quantprecision`, leaves subgraphs and recurrent operators out and breaks DequantizeLinear with
 * several scales.
 */
export async function withUnsignedWeights(
  path: string,
  load: (path: string) => Promise<Session>,
): Promise<Session | null> {
  const { model } = decodeModel(path)
  if ([...allGraphs(model.graph)].some(({ nodes }) => [...nodes].some(roundsToInt8))) return null
  const copy = `${path}.unsigned`
  runPasses(model, [unsignedWeights])
  saveModel(model, copy, { refer: true })
  try {
    return await load(copy)
  } finally {
    rmSync(copy, { force: true })
  }
}

const roundsToInt8 = (node: Node): boolean =>
  node.opType === 'QuantizeLinear' && (node.inputs[2]?.dtype === 'int8' || node.int('output_dtype', 0) === INT8)

/** Models whose sums of 8-bit products are exact on processors that saturate them. */
import { rmSync } from 'node:fs'
import { decodeModel, saveModel } from '../onnx/index.ts'
import { runPasses } from '../passes/pass.ts'
import { unsignedWeights } from '../passes/unsigned-weights.ts'
import type { Session } from './runtime.ts'

/**
 * Loads the model at `path` with uint8 weights where it has int8. ONNX Runtime's own mode for that, `session.x64quantprecision`, leaves subgraphs and
 * recurrent operators out and breaks DequantizeLinear with several scales.
 */
export async function withUnsignedWeights(path: string, load: (path: string) => Promise<Session>): Promise<Session> {
  const copy = `${path}.unsigned`
  const { model } = decodeModel(path)
  runPasses(model, [unsignedWeights])
  saveModel(model, copy, { refer: true })
  try {
    return await load(copy)
  } finally {
    rmSync(copy, { force: true })
  }
}

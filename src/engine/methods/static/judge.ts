/** Judges variants of a quantized model by how closely their outputs follow the float model's on samples that did not calibrate. */
import type { Model } from '../../ir/graph.ts'
import type { RunTensor, Runtime, Session } from '../../runtime/runtime.ts'
import type { Workspace } from '../../runtime/workspace.ts'
import type { Target } from '../../targets/target.ts'
import { createFidelityMeter } from '../../verify/fidelity.ts'
import { meaningOn } from '../../verify/meaning.ts'

export interface Judge {
  /** SQNR in dB of the worst output; −∞ when the model does not run */
  score(model: Model): Promise<number>
}

interface JudgeInput {
  runtime: Runtime
  workspace: Workspace
  /** file of the float model */
  floatPath: string
  batches: readonly Record<string, RunTensor>[]
  target: Target
}

/** Runs the float model once and keeps its outputs. */
export async function openJudge({ runtime, workspace, floatPath, batches, target }: JudgeInput): Promise<Judge> {
  const float = await runtime.load(floatPath, { optimization: 'all' })
  const names = float.outputs.map(({ name }) => name)
  const expected = await runAll(float, batches)
  await float.release()
  return {
    score: async (model) => {
      const session = await runtime.load(workspace.save('variant.onnx', model), meaningOn(target))
      const found = await runAll(session, batches)
      await session.release()
      const meter = createFidelityMeter(names)
      for (const [i, outputs] of expected.entries()) meter.add(outputs, found[i]!, 1)
      return meter.sqnr() ?? Number.NEGATIVE_INFINITY
    },
  }
}

async function runAll(session: Session, batches: readonly Record<string, RunTensor>[]) {
  const results: Record<string, RunTensor>[] = []
  for (const feeds of batches) results.push(await session.run(feeds))
  return results
}

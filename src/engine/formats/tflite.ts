/** What a job with the format `tflite` does besides: its artifact is converted, written and executed by LiteRT. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { VERSION } from '../../shared/version.ts'
import type { Split } from '../data/split.ts'
import { cloneModel } from '../ir/clone.ts'
import type { Model } from '../ir/graph.ts'
import { writeFile } from '../ir/sink.ts'
import type { Prepared } from '../prepare/index.ts'
import { applyTypes, inferTypes } from '../prepare/types.ts'
import { type Run, TFLITE_FILE, warn } from '../run.ts'
import { lowerGraph, measureNetwork, type Network, openLitert, openSession, signatureOf } from '../tflite/index.ts'
import { meaningOn } from '../verify/meaning.ts'
import { verifyArtifact } from '../verify/stage.ts'
import type { Verification } from '../verify/verify.ts'
import { type Simulation, simulatedBeside } from './simulation.ts'
import { tfliteOptions } from './tflite-options.ts'

export interface WrittenModel {
  path: string
  model: Model
  bytes: number
}

interface Converted {
  network: Network
  path: string
  bytes: number
}

/** What was found out about the `.tflite`; its figures take the place of those of the model that it was made from. */
export interface TfliteResult {
  bytes: number
  verification: Pick<Verification, 'accuracy' | 'fidelity' | 'scores'> | null
  litert: { version: string; operators: Record<string, number>; simulation: Simulation } | null
}

/** Writes and verifies the `.tflite`. Throws model_not_convertible and verification_failed. */
export async function makeTflite(
  run: Run,
  prepared: Prepared,
  split: Split,
  artifact: WrittenModel,
): Promise<TfliteResult> {
  const converted = await convert(run, artifact.model)
  const litert = await openLitert()
  if (litert) return executed(run, prepared, split, { artifact, converted, litert })
  warn(run, [NOT_EXECUTED])
  return { bytes: converted.bytes, verification: null, litert: null }
}

const NOT_EXECUTED = {
  code: 'tflite_not_executed',
  detail:
    'the .tflite was written and not executed, because the optional package @litertjs/core is not installed: fidelity and accuracy are those of the quantized ONNX model that it was made from',
}

async function convert(run: Run, artifact: Model): Promise<Converted> {
  const { spec, runtime, workspace } = run
  const model = cloneModel(artifact)
  applyTypes(model, await inferTypes(model, runtime, workspace, { aside: false }))
  const network = lowerGraph(model.graph, tfliteOptions(run))
  const metadata = { fewbit: JSON.stringify({ version: VERSION, recipe: spec.recipe }) }
  const { size, write } = measureNetwork(network, { producer: `fewbit ${VERSION}`, metadata })
  const path = join(spec.output, TFLITE_FILE)
  writeFile(path, write)
  writeFileSync(join(spec.output, 'signature.json'), JSON.stringify(signatureOf(network), null, 1))
  return { network, path, bytes: size }
}

interface Execution {
  artifact: WrittenModel
  converted: Converted
  litert: NonNullable<Awaited<ReturnType<typeof openLitert>>>
}

/** The verification of any artifact, with sessions of LiteRT where ONNX Runtime's would be. */
async function executed(run: Run, prepared: Prepared, split: Split, made: Execution): Promise<TfliteResult> {
  const { artifact, converted, litert } = made
  const { network, path, bytes } = converted
  const simulated = await run.runtime.load(artifact.path, meaningOn(run.target))
  const session = await openSession(litert, readFileSync(path), network)
  const compared = simulatedBeside(session, simulated, network.outputs)
  const load: Run['runtime']['load'] = async (file, options) =>
    file === path ? compared.session : run.runtime.load(file, options)
  const found = await verifyArtifact({ ...run, runtime: { ...run.runtime, load } }, prepared, split, {
    path,
    model: artifact.model,
  })
  const simulation = compared.result()
  await Promise.all([session.release(), simulated.release()])
  return {
    bytes,
    verification: { accuracy: found.accuracy, fidelity: found.fidelity, scores: found.scores },
    litert: { version: litert.version, operators: countsOf(network), simulation },
  }
}

function countsOf({ operators }: Network): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { code } of operators) counts[code] = (counts[code] ?? 0) + 1
  return counts
}

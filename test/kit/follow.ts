/** How closely an artifact follows its float model, in ONNX Runtime, sample by sample. */
import { openDataset, readBatch } from '../../src/engine/data/dataset.ts'
import { findFeeds, syntheticBatches } from '../../src/engine/data/synthetic.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import type { RunTensor, Session } from '../../src/engine/runtime/runtime.ts'
import { createFidelityMeter } from '../../src/engine/verify/fidelity.ts'

export type Feeds = Record<string, RunTensor>

/** made-up runs where there is no data */
const RUNS = 16

/** One sample after the other from the data set at `path`, in the dtypes of the inputs; made-up ones where there is none. */
export async function samplesFor(session: Session, path: string | null): Promise<Feeds[]> {
  if (path !== null) {
    const dataset = await openDataset(path, { arrays: {} })
    return Array.from({ length: dataset.samples }, (_, i) => readBatch(dataset, session.inputs, i, 1))
  }
  const feeds = await findFeeds(session, 1)
  if (!feeds) throw new Error('no inputs were found on which the model runs')
  const runs: Feeds[] = []
  for await (const run of syntheticBatches(feeds, 1, RUNS)) runs.push(run)
  return runs
}

/**
 * dB of the worst output over all samples. `asWritten`: what Q/DQ pairs mean, with the optimizations that rewrite them off, as on hardware
 * that is not here. Throws where an output is missing or has another shape.
 */
export async function sqnrOf(
  floatPath: string,
  artifactPath: string,
  data: string | null,
  asWritten: boolean,
): Promise<number> {
  const runtime = openRuntime(1)
  const float = await runtime.load(floatPath, { optimization: 'basic' })
  const artifact = await runtime.load(artifactPath, {
    optimization: asWritten ? 'disabled' : 'all',
    ...(asWritten ? { floatRounding: true } : { exactProducts: true }),
  })
  try {
    const names = float.outputs.map(({ name }) => name)
    const meter = createFidelityMeter(names)
    const ours = await samplesFor(artifact, data)
    for (const [i, feeds] of (await samplesFor(float, data)).entries()) {
      const [expected, found] = [await float.run(feeds), await artifact.run(ours[i]!)]
      for (const name of names) compareShapes(name, expected[name], found[name])
      meter.add(expected, found, 1)
    }
    return meter.result()?.sqnr_db ?? Number.NaN
  } finally {
    await float.release()
    await artifact.release()
  }
}

function compareShapes(name: string, expected: RunTensor | undefined, found: RunTensor | undefined): void {
  if (`${expected?.dims}` !== `${found?.dims}`)
    throw new Error(`output ${name} is [${found?.dims}], in the float model [${expected?.dims}]`)
}

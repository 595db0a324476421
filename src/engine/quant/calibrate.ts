/** Stage `calibrate`: runs the float model over samples and reads a range for every value; keeps ranges, never activations. */
import { FewbitError } from '../../shared/errors.ts'
import { addNode, int } from '../ir/build.ts'
import { freshName, type Model, Value } from '../ir/graph.ts'
import type { RunTensor, Session } from '../runtime/runner.ts'
import type { Observation, Observer, Range } from './observers/observer.ts'

/** Adds the smallest and largest element of each named value to the model's outputs, as `[min output, max output]`. The model is changed. */
export function addExtremes(model: Model, names: readonly string[]): Map<string, [string, string]> {
  const { graph } = model
  const produced = [...graph.nodes].flatMap((node) => [...node.outputs])
  const byName = new Map(
    [...graph.inputs, ...produced].flatMap((value) => (value ? [[value.name, value] as const] : [])),
  )
  return new Map(
    names.map((name) => {
      const value = byName.get(name)
      if (!value)
        throw new FewbitError('quantization_failed', `value "${name}" is not in the graph`, { stage: 'calibrate' })
      const outputs = ['ReduceMin', 'ReduceMax'].map((reduce) => {
        const output = new Value(freshName(model, `${name}_${reduce}`), 'float32', [])
        addNode(model, graph, reduce, [value], { outputs: [output], attributes: { keepdims: int(0) } })
        graph.outputs.push(output)
        return output.name
      })
      return [name, outputs as [string, string]]
    }),
  )
}

export interface CalibrationInput {
  session: Session
  outputs: ReadonlyMap<string, [string, string]>
  observer: Observer
  batches: AsyncIterable<Record<string, RunTensor>> | Iterable<Record<string, RunTensor>>
  onBatch?: () => void
}

/** One range per value. Throws calibration_failed when a value is NaN or infinite on the data. */
export async function calibrate({
  session,
  outputs,
  observer,
  batches,
  onBatch,
}: CalibrationInput): Promise<Map<string, Range>> {
  const observations = new Map<string, Observation>([...outputs.keys()].map((name) => [name, observer.start()]))
  const fetch = [...outputs.values()].flat()
  for await (const feeds of batches) {
    const results = await session.run(feeds, fetch)
    for (const [name, [low, high]] of outputs)
      observations.get(name)?.update(extremesOf(name, results[low], results[high]))
    onBatch?.()
  }
  return new Map([...observations].flatMap(([name, observation]) => rangeOf(name, observation)))
}

function extremesOf(name: string, low: RunTensor | undefined, high: RunTensor | undefined): Float32Array {
  const extremes = Float32Array.of(Number(low?.data[0]), Number(high?.data[0]))
  if (extremes.every(Number.isFinite)) return extremes
  throw new FewbitError(
    'calibration_failed',
    `the float model computes NaN or infinity at value "${name}" on the calibration data`,
    {
      stage: 'calibrate',
      hint: 'check the preprocessing of the data set and the weights of the model, or exclude the node that reads this value',
    },
  )
}

function rangeOf(name: string, observation: Observation): [string, Range][] {
  const range = observation.range()
  return range ? [[name, range]] : []
}

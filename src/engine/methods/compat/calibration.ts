/** Ranges of every float value by the calibrators of onnxruntime.quantization; what is in memory is one batch, however many there are. */

import type { CompatCalibration } from '../../../contract/compat.ts'
import { finite } from '../../calibrate/calibrate.ts'
import { addExtremes, extremesIn, outputsOf } from '../../calibrate/extremes.ts'
import {
  createOrtCalibrator,
  type Extremes,
  extremesOf,
  type OrtCalibratorName,
  type OrtCalibratorOptions,
} from '../../calibrate/observers/onnxruntime/index.ts'
import { onlyProbes } from '../../calibrate/probes.ts'
import type { Range } from '../../calibrate/range.ts'
import type { CalibrationBatches } from '../../data/batches.ts'
import { addNode } from '../../ir/build.ts'
import { freshName, type Model, Value } from '../../ir/graph.ts'
import { decodeModel } from '../../onnx/index.ts'
import { valuesByName } from '../../plan/named-values.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import type { MethodInput } from '../method.ts'

type Feeds = Record<string, RunTensor>
type Batches = AsyncIterable<Feeds> | Iterable<Feeds>
type Runs = Omit<CalibrationBatches, 'only'>

/** Ranges by value. Throws calibration_failed where the float model computes NaN or infinity. */
export async function compatRanges(
  input: MethodInput,
  batches: Runs,
  name: OrtCalibratorName,
  wishes: CompatCalibration,
): Promise<Map<string, Range>> {
  const { model } = decodeModel(input.workspace.save('prepared.onnx', input.prepared.model))
  const calibrators = new Map(
    floatValues(model).map((value) => [value, createOrtCalibrator(name, optionsOf(wishes))] as const),
  )
  const withElements = [...calibrators.values()].some(({ needsElements }) => needsElements)
  const names = [...calibrators.keys()]
  const known = new Set(model.graph.nodes)
  const probe = withElements ? probeElements(model, names) : probeExtremes(model, names)
  onlyProbes(model, known)
  const session = await input.runtime.load(input.workspace.save('calibration.onnx', model), {
    optimization: 'disabled',
  })
  let done = 0
  const passes = withElements ? 2 : 1
  const run = async (feeds: Feeds) => {
    const results = await session.run(feeds, probe.fetch)
    input.progress('calibrating', ++done, passes * batches.length)
    return results
  }
  for await (const stride of stridesOf(batches, wishes.stride)) {
    const extremes = new Map(names.map((value) => [value, [] as Extremes[]]))
    for await (const feeds of stride) {
      const results = await run(feeds)
      for (const value of names) {
        const found = probe.extremes(value, results)
        if (found) extremes.get(value)!.push(finite(value, found))
      }
    }
    const seen = [...calibrators].filter(([value]) => extremes.get(value)!.length > 0)
    for (const [value, calibrator] of seen) calibrator.open(extremes.get(value)!)
    if (!withElements) continue
    for await (const feeds of stride) {
      const results = await run(feeds)
      for (const [value, calibrator] of seen) calibrator.add(probe.elements(value, results))
    }
  }
  await session.release()
  return new Map([...calibrators].map(([value, calibrator]) => [value, calibrator.range()]))
}

function optionsOf(wishes: CompatCalibration): Partial<OrtCalibratorOptions> {
  const { symmetric, percentile, bins, quantized_bins: quantizedBins, averaging_constant: averagingConstant } = wishes
  const given = Object.entries({ symmetric, percentile, bins, quantizedBins, averagingConstant })
  return Object.fromEntries(given.filter(([, value]) => value !== undefined))
}

function floatValues({ graph }: Model): string[] {
  const produced = [...graph.nodes].flatMap((node) => [...node.outputs])
  return [...graph.inputs, ...produced].flatMap((value) => (value?.dtype === 'float32' ? [value.name] : []))
}

/** How the extremes and the elements of a value come out of a run. */
interface Probe {
  fetch: string[]
  /** null for a value without elements, which adds nothing to a range */
  extremes(value: string, results: Feeds): Extremes | null
  elements(value: string, results: Feeds): Float32Array
}

function probeExtremes(model: Model, names: readonly string[]): Probe {
  const outputs = addExtremes(model, names, { mayBeEmpty: true })
  return {
    fetch: outputsOf(outputs.values()),
    extremes: (value, results) => {
      const found = extremesIn(outputs.get(value)!, results)
      return found && { ...found, nearest: 0 }
    },
    elements: () => new Float32Array(),
  }
}

function probeElements(model: Model, names: readonly string[]): Probe {
  const { graph } = model
  const values = valuesByName(model)
  const outputs = new Map(
    names.map((name) => {
      const output = new Value(freshName(model, `${name}_elements`), 'float32')
      addNode(model, graph, 'Identity', [values.get(name)!], { outputs: [output] })
      graph.outputs.push(output)
      return [name, output.name]
    }),
  )
  const elements = (value: string, results: Feeds) => results[outputs.get(value)!]!.data as Float32Array
  return {
    fetch: [...outputs.values()],
    extremes: (value, results) => extremesOf(elements(value, results)),
    elements,
  }
}

/** All batches, or groups of so many; each can be read twice. */
async function* stridesOf(batches: Runs, stride = batches.length): AsyncGenerator<Batches> {
  if (stride >= batches.length) {
    yield batches
    return
  }
  let group: Feeds[] = []
  for await (const feeds of batches) {
    group.push(feeds)
    if (group.length < stride) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}

/** Where half precision overflows: measured on the float model, and once more on the converted one. */

import { onlyProbes } from '../../calibrate/probes.ts'
import type { CalibrationBatches } from '../../data/batches.ts'
import { cloneModel } from '../../ir/clone.ts'
import type { Graph, Model, Node, Value } from '../../ir/graph.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import type { MethodInput } from '../method.ts'
import { addBodyMagnitudes, magnitudeOf } from './body-magnitudes.ts'
import { fitsHalf, LARGEST_HALF } from './convert.ts'
import { SMALLEST_NORMAL, vanishes } from './underflow.ts'

/** how far below the largest float16 the calibration data must stay: other data reach further */
const SAFETY = 2

type Tools = Pick<MethodInput, 'runtime' | 'workspace' | 'progress'>

/** Nodes whose constants cannot be said in half precision, by name, with the reason. */
export function constantIslands({ nodes }: Graph): Map<string, string> {
  const found = new Map<string, string>()
  for (const node of nodes) {
    const wide = node.inputs.find((value) => value?.tensor?.dtype === 'float32' && !fitsHalf(value.tensor))
    const fine = node.inputs.find((_, index) => vanishes(node, index))
    if (wide) found.set(node.name, `its constant "${wide.name}" is beyond float16`)
    else if (fine) found.set(node.name, `its constant "${fine.name}" is too small for float16`)
  }
  return found
}

/** Why a value of this largest magnitude cannot be float16, or null. */
function misfit(reached: number): string | null {
  if (reached * SAFETY > LARGEST_HALF) return `reaches ${reached.toPrecision(3)}, float16 ends at ${LARGEST_HALF}`
  const isFine = reached > 0 && reached < SMALLEST_NORMAL
  return isFine
    ? `stays below ${reached.toPrecision(3)}, where float16 loses its digits under ${SMALLEST_NORMAL.toPrecision(3)}`
    : null
}

/** Nodes that write or read a value which is too large or too small for float16, by name, with the reason. `largest`: magnitudes by value. */
export function islandsOf(model: Model, largest: ReadonlyMap<string, number>): Map<string, string> {
  const islands = new Map<string, string>()
  for (const node of model.graph.nodes) {
    const inside = largest.get(insideOf(node)) ?? 0
    if (inside * SAFETY > LARGEST_HALF)
      islands.set(node.name, `a value inside of it reaches ${inside.toPrecision(3)}, float16 ends at ${LARGEST_HALF}`)
    for (const value of [...node.outputs, ...node.inputs]) {
      const problem = value && misfit(largest.get(value.name) ?? 0)
      if (problem && !islands.has(node.name)) islands.set(node.name, `"${value.name}" ${problem}`)
    }
  }
  return islands
}

/** The first nodes, in order, that write something else than numbers; empty when all is well. Compares with what the float model writes. */
export async function brokenNodes(
  tools: Tools,
  converted: Model,
  float: ReadonlyMap<string, number>,
  batches: CalibrationBatches,
): Promise<string[]> {
  const found = await magnitudes(tools, converted, batches)
  const broken = (value: Value | null) =>
    value !== null && !Number.isFinite(found.get(value.name) ?? 0) && Number.isFinite(float.get(value.name) ?? 0)
  const nodes = [...converted.graph.nodes]
  const guilty = nodes.filter(({ inputs, outputs }) => outputs.some(broken) && !inputs.some(broken))
  // Where a Cast overflows, those who read it want the float32 value.
  return guilty
    .flatMap((node) => (node.opType === 'Cast' ? [node, ...readersOf(node)] : [node]))
    .map(({ name }) => name)
}

const readersOf = ({ outputs }: Node): Node[] => outputs.flatMap((value) => [...(value?.consumers.keys() ?? [])])

/** Largest absolute value of every float value by name; infinite where it is no number. */
export async function magnitudes(
  { runtime, workspace, progress }: Tools,
  model: Model,
  batches: CalibrationBatches,
): Promise<Map<string, number>> {
  const probe = cloneModel(model)
  const known = new Set(probe.graph.nodes)
  const outputs = addMagnitudes(probe)
  onlyProbes(probe, known)
  const session = await runtime.load(workspace.save('magnitudes.onnx', probe), { optimization: 'basic' })
  const largest = new Map<string, number>()
  let done = 0
  for await (const feeds of batches) {
    const results: Record<string, RunTensor> = await session.run(feeds, [...outputs.values()])
    for (const [name, output] of outputs) {
      const value = Number(results[output]?.data[0])
      largest.set(name, Math.max(largest.get(name) ?? 0, Number.isNaN(value) ? Number.POSITIVE_INFINITY : value))
    }
    progress('calibrating', ++done, batches.length)
  }
  await session.release()
  return largest
}

/** max |x| of each computed value as one more output, by value, and of what a node with bodies holds. */
function addMagnitudes(model: Model): Map<string, string> {
  const { graph } = model
  const computed = [...graph.inputs, ...[...graph.nodes].flatMap(({ outputs }) => [...outputs])]
  const found = new Map<string, string>()
  const add = (key: string, scalar: Value) => {
    graph.outputs.push(scalar)
    found.set(key, scalar.name)
  }
  for (const [node, scalar] of addBodyMagnitudes(model, graph)) add(insideOf(node), scalar)
  for (const value of computed) {
    const scalar = value && magnitudeOf(model, graph, value)
    if (scalar) add(value.name, scalar)
  }
  return found
}

/** Under what the magnitude inside of a node is found. */
const insideOf = ({ name }: Node): string => `inside ${name}`

/** Which nodes of a written model compute in integers: those between conversions. */
import type { Node, Value } from '../../ir/graph.ts'
import { inputRole, type OpDef, outputRole } from '../../ops/define.ts'
import { integerOpOf, opOf } from '../../ops/index.ts'
import { lackOf, supportOf } from '../../plan/support.ts'
import type { IntegerTarget } from '../../targets/target.ts'
import { isQuantize, sourceOf } from './parameters.ts'

/** Why a node computes in float, or null when it computes in integers on this target. */
export function floatReason(node: Node, target: IntegerTarget): string | null {
  const def = integerOpOf(node)
  const lack = def ? lackOf(target, node) : `${target.id} has no integer form of ${node.opType}`
  if (!def || lack) return lack
  const foreign = numbersRead(node, def).find((value) => !isDequantized(value, node, target))
  if (foreign) return `it reads "${foreign.name}" in float`
  if (target.placement === 'inputs' || supportOf(target, node)?.output !== 'required') return null
  const open = numbersWritten(node, def).find((value) => !isQuantized(value))
  return open ? `it writes "${open.name}" in float` : null
}

/** Inputs that are numbers to the operator, biases aside. */
const numbersRead = (node: Node, def: OpDef): Value[] =>
  node.inputs.filter((value, index): value is Value => {
    const { kind } = inputRole(def, index)
    return value !== null && (kind === 'activation' || kind === 'weight')
  })

const numbersWritten = (node: Node, def: OpDef): Value[] =>
  node.outputs.filter((value, index): value is Value => value !== null && outputRole(def, index).kind !== 'float')

/** A clamp behind an integer operator belongs to it: the pair is one kernel. */
function isDequantized(value: Value, reader: Node, target: IntegerTarget): boolean {
  if (sourceOf(value)) return true
  const { producer } = value
  if (target.placement === 'inputs' || opOf(reader)?.class !== 'clamp' || !producer || value.consumers.size !== 1)
    return false
  const def = opOf(producer)
  return def !== undefined && numbersRead(producer, def).every((input) => sourceOf(input) !== null)
}

function isQuantized(value: Value): boolean {
  const readers = [...value.consumers.keys()]
  if (readers.length === 0) return false
  return readers.every(
    (reader) =>
      isQuantize(reader) || (opOf(reader)?.class === 'clamp' && readers.length === 1 && clampIsQuantized(reader)),
  )
}

const clampIsQuantized = (clamp: Node): boolean =>
  clamp.outputs.every(
    (value) => value !== null && value.consumers.size > 0 && [...value.consumers.keys()].every(isQuantize),
  )

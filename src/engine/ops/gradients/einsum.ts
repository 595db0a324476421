/** The gradient of Einsum: the same sum with one operand exchanged for the upstream gradient. */

import type { Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import type { Emitter } from './emitter.ts'

interface Equation {
  terms: string[]
  result: string
}

function parse(node: Node): Equation {
  const [left = '', right] = node.string('equation', '').replaceAll(' ', '').split('->')
  return { terms: left.split(','), result: right ?? implicitResult(left) }
}

/** Letters that occur once, in alphabetical order. */
function implicitResult(left: string): string {
  const letters = [...left.replaceAll(',', '')]
  return letters
    .filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter))
    .sort()
    .join('')
}

const repeats = (term: string): boolean => new Set(term).size < term.length

export function refusesEinsum(node: Node): string | null {
  const { terms, result } = parse(node)
  if ([...terms, result].some((term) => term.includes('.'))) return 'an equation with an ellipsis'
  if ([...terms, result].some(repeats)) return 'an equation that takes a diagonal'
  return node.inputs.every((value) => value?.shape) ? null : 'the rank of an operand is unknown'
}

/** Letters of the operand that nothing else has were summed alone: their gradient is repeated. */
function gradientOf(
  g: Emitter,
  { terms, result }: Equation,
  index: number,
  operands: readonly Value[],
  dY: Value,
): Value {
  const others = terms.filter((_, i) => i !== index)
  const known = new Set([...others, result].join(''))
  const term = at(terms, index)
  const kept = [...term].filter((letter) => known.has(letter)).join('')
  const X = at(operands, index)
  const shape = X.shape?.filter((_, i) => known.has(term.charAt(i)))
  const equation = `${[result, ...others].join(',')}->${kept}`
  const inputs = [dY, ...operands.filter((_, i) => i !== index)]
  const sum = g.node('Einsum', inputs, { shape, attributes: { equation: { kind: 'string', value: equation } } })
  if (kept.length === term.length) return sum
  const lost = [...term].flatMap((letter, i) => (known.has(letter) ? [] : [i]))
  return g.expandLike(g.unsqueeze(sum, lost), X)
}

/** Gradients of all operands by name. */
export function einsumGradients(g: Emitter, inputs: Readonly<Record<string, Value>>, dY: Value, node: Node) {
  const equation = parse(node)
  const operands = Object.values(inputs)
  return Object.fromEntries(
    Object.keys(inputs).map((name, i) => [name, () => gradientOf(g, equation, i, operands, dY)]),
  )
}

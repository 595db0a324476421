/** Models from the one-line examples of the operator table; src/engine/ops/define.ts says how they are written. */
import { float, int, ints, string } from '../../src/engine/ir/build.ts'
import type { Attribute, Value } from '../../src/engine/ir/graph.ts'
import { int64, tensorOf } from '../../src/engine/ir/tensor.ts'
import type { Builder } from './model.ts'

export interface Input {
  kind: 'input'
  name: string
  shape: readonly number[]
  isPositive: boolean
}

interface Constant {
  kind: 'constant'
  shape: readonly number[]
  values: readonly (number | boolean)[]
  type: 'float' | 'int' | 'bool'
}

export interface ParsedExample {
  domain: string
  opType: string
  outputs: readonly string[]
  /** null where an optional input is left out */
  operands: readonly (Input | Constant | null)[]
  attributes: Readonly<Record<string, Attribute>>
  opset: number
}

const FORM = /^(?<outputs>[\w, ]+) = (?:(?<domain>[\w.]+):)?(?<opType>\w+)\((?<list>.*)\)(?: @(?<opset>\d+))?$/

export function parseExample(text: string): ParsedExample {
  const found = FORM.exec(text)?.groups
  if (!found) throw new Error(`no example of an operator: ${text}`)
  const items = splitList(found.list!)
  const isAttribute = (item: string) => /^\w+=/.test(item)
  return {
    domain: found.domain ?? '',
    opType: found.opType!,
    outputs: found.outputs!.split(', '),
    operands: items.filter((item) => !isAttribute(item)).map(parseOperand),
    attributes: Object.fromEntries(items.filter(isAttribute).map(parseAttribute)),
    opset: Number(found.opset ?? 17),
  }
}

/** Items between commas that no bracket or quote holds. */
const splitList = (list: string): string[] =>
  list.match(/(?:\[[^\]]*\]|\{[^}]*\}|'[^']*'|[^,[{'])+/g)!.map((item) => item.trim())

const numbersIn = (list: string): number[] => (list.trim() === '' ? [] : list.split(',').map(Number))

function parseOperand(item: string): Input | Constant | null {
  if (item === '_') return null
  const input = /^([A-Za-z_]\w*)\[([\d,]*)\](>0)?$/.exec(item)
  if (input) return { kind: 'input', name: input[1]!, shape: numbersIn(input[2]!), isPositive: input[3] !== undefined }
  const list = /^\{([^}]*)\}(?:\[([\d,]*)\])?$/.exec(item)
  const words = (list ? list[1]! : item).split(',').map((word) => word.trim())
  const shape = list?.[2] !== undefined ? numbersIn(list[2]) : list ? [words.length] : []
  return { kind: 'constant', shape, ...parseNumbers(words) }
}

function parseNumbers(words: readonly string[]): Pick<Constant, 'type' | 'values'> {
  if (words.some((word) => /^(true|false)$/.test(word)))
    return { type: 'bool', values: words.map((word) => word === 'true') }
  if (!words.every((word) => /^-?\d+(\.\d+)?$/.test(word))) throw new Error(`no constant of an example: ${words}`)
  return { type: words.some((word) => word.includes('.')) ? 'float' : 'int', values: words.map(Number) }
}

function parseAttribute(item: string): [string, Attribute] {
  const [, name, text] = /^(\w+)=(.*)$/.exec(item) as unknown as [string, string, string]
  if (text.startsWith("'")) return [name, string(text.slice(1, -1))]
  if (text.startsWith('[')) return [name, ints(numbersIn(text.slice(1, -1)))]
  return [name, text.includes('.') ? float(Number(text)) : int(Number(text))]
}

export const inputsOf = ({ operands }: ParsedExample): Input[] =>
  operands.filter((operand): operand is Input => operand?.kind === 'input')

/** Adds the node to a model; `inputs` by name. Returns its outputs. */
export function addExample(
  m: Builder,
  { domain, opType, outputs, operands, attributes }: ParsedExample,
  inputs: Readonly<Record<string, Value>>,
  dtype: 'float32' | 'float64' = 'float32',
): Value[] {
  const values = outputs.map((name) => m.fresh(name))
  const read = operands.map((operand) => {
    if (operand === null) return null
    return operand.kind === 'input' ? inputs[operand.name]! : m.constant('constant', tensorOfConstant(operand, dtype))
  })
  if (domain) m.model.opsets.set(domain, 1)
  m.node(opType, read, { domain, attributes: { ...attributes }, outputs: values })
  return values
}

function tensorOfConstant({ type, shape, values }: Constant, dtype: 'float32' | 'float64') {
  if (type === 'int') return int64(shape, values.map(Number))
  if (type === 'bool') return tensorOf('bool', shape, Uint8Array.from(values, Number))
  const array = dtype === 'float64' ? Float64Array.from(values, Number) : Float32Array.from(values, Number)
  return tensorOf(dtype, shape, array)
}

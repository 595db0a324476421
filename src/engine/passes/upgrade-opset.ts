/** Raises the operator set to 13 by rewriting the operators whose form or meaning changed on the way. */

import { addInitializer, addNode, int, replaceNode, string } from '../ir/build.ts'
import { allGraphs, freshName, type Model, type Node, sortedNodes, Value } from '../ir/graph.ts'
import { at } from '../ir/list.ts'
import type { Operator } from '../ir/operators.ts'
import { float32, int64, type Tensor } from '../ir/tensor.ts'
import { REMOVED, rewriteRemoved, type Site } from './removed-operators.ts'

interface Step {
  ops: readonly Operator[]
  /** applies to models below this opset */
  below: number
  /** rewrites the node, or says why it cannot */
  rewrite: (site: Site) => string | null
}

const STEPS: readonly Step[] = [
  {
    ops: ['Clip'],
    below: 11,
    rewrite: attributesToInputs(
      [
        ['min', scalarAttribute],
        ['max', scalarAttribute],
      ],
      1,
    ),
  },
  {
    ops: ['Pad'],
    below: 11,
    rewrite: attributesToInputs(
      [
        ['pads', intsAttribute],
        ['value', scalarAttribute],
      ],
      1,
    ),
  },
  {
    ops: ['Slice'],
    below: 10,
    rewrite: attributesToInputs(
      [
        ['starts', intsAttribute],
        ['ends', intsAttribute],
        ['axes', intsAttribute],
      ],
      1,
    ),
  },
  { ops: ['TopK'], below: 10, rewrite: attributesToInputs([['k', intAttribute]], 1) },
  { ops: ['Squeeze', 'Unsqueeze', 'ReduceSum'], below: 13, rewrite: attributesToInputs([['axes', intsAttribute]], 1) },
  { ops: ['Split'], below: 13, rewrite: attributesToInputs([['split', intsAttribute]], 1) },
  { ops: ['Dropout'], below: 12, rewrite: dropAttributes(['ratio']) },
  {
    ops: ['BatchNormalization'],
    below: 9,
    rewrite: ({ node }) =>
      node.int('spatial', 1) === 1 ? dropAttributes(['spatial'])({ node } as Site) : 'spatial = 0',
  },
  { ops: ['Softmax', 'LogSoftmax', 'Hardmax'], below: 13, rewrite: coerceSoftmax },
  { ops: ['Resize'], below: 11, rewrite: (site) => resizeFrom(site, at(site.node.inputs, 1)) },
  { ops: ['Upsample'], below: 10, rewrite: (site) => resizeFrom(site, upsampleScales(site)) },
  { ops: ['Scatter'], below: 11, rewrite: (site) => renamed(site, 'ScatterElements') },
  { ops: REMOVED, below: 13, rewrite: rewriteRemoved },
  // Below 9 the body of a Scan sees one sequence of a batch at a time.
  { ops: ['Scan'], below: 9, rewrite: ({ node }) => `${node.opType} has no successor here` },
  { ops: ['GRUUnit', 'GivenTensorFill'], below: 13, rewrite: ({ node }) => `${node.opType} has no successor here` },
]

/** Why some nodes cannot be raised to `target`; empty when all were. After a problem the model is half rewritten: drop it. */
export function upgradeOpset(model: Model, opset: number, target: number): string[] {
  const sites = [...allGraphs(model.graph)].flatMap((graph) =>
    sortedNodes(graph).map((node) => ({ model, graph, node })),
  )
  const problems = sites.flatMap((site) => stepsFor(site.node, opset).flatMap((step) => step.rewrite(site) ?? []))
  if (problems.length === 0) model.opsets.set('', target)
  return problems
}

const stepsFor = (node: Node, opset: number): Step[] =>
  node.domain === '' ? STEPS.filter((step) => opset < step.below && step.ops.includes(node.opType)) : []

function renamed({ model, graph, node }: Site, opType: Operator): null {
  replaceNode(model, graph, node, opType, [...node.inputs], { attributes: Object.fromEntries(node.attributes) })
  return null
}

type Conversion = (node: Node, name: string) => Tensor | null

function scalarAttribute(node: Node, name: string): Tensor | null {
  return node.attributes.get(name)?.kind === 'float' ? float32([], [node.float(name, 0)]) : null
}
function intAttribute(node: Node, name: string): Tensor | null {
  const value = node.int(name)
  return value === undefined ? null : int64([1], [value])
}
function intsAttribute(node: Node, name: string): Tensor | null {
  const values = node.ints(name)
  return values ? int64([values.length], values) : null
}

function attributesToInputs(rows: readonly [string, Conversion][], first: number): Step['rewrite'] {
  return ({ model, graph, node }) => {
    rows.forEach(([name, convert], i) => {
      const tensor = convert(node, name)
      node.attributes.delete(name)
      if (tensor) node.setInput(first + i, addInitializer(model, graph, `${node.name || node.opType}_${name}`, tensor))
    })
    return null
  }
}

function dropAttributes(names: readonly string[]): Step['rewrite'] {
  return ({ node }) => {
    for (const name of names) node.attributes.delete(name)
    return null
  }
}

/** Below 13 the tensor is seen as a matrix that is split at `axis`; from 13 on only `axis` itself is normalized. */
function coerceSoftmax({ model, graph, node }: Site): string | null {
  const [input] = node.inputs
  const [output] = node.outputs
  if (!input || !output) return `${node.opType} "${node.name}" has no input or output`
  const axis = node.int('axis', 1)
  if (isLastThatCounts(axis, input.shape)) {
    node.attributes.set('axis', int(axis))
    return null
  }
  const shape = addNode(model, graph, 'Shape', [input], { output: `${node.name}_shape` })
  const matrix = addNode(model, graph, 'Flatten', [input], { attributes: { axis: int(axis) } })
  const result = new Value(freshName(model, `${output.name}_matrix`), output.dtype)
  replaceNode(model, graph, node, node.opType, [matrix], { outputs: [result], attributes: { axis: int(1) } })
  addNode(model, graph, 'Reshape', [result, shape], { outputs: [output] })
  return null
}

/** Whether the axes behind `axis` have one element at most. */
function isLastThatCounts(axis: number, shape: Value['shape']): boolean {
  if (axis === -1) return true
  if (!shape) return false
  return shape.slice((axis < 0 ? axis + shape.length : axis) + 1).every((dim) => dim === 1)
}

function upsampleScales({ model, graph, node }: Site): Value | null {
  const attribute = node.attributes.get('scales')
  if (attribute?.kind !== 'floats') return node.inputs[1] ?? null
  return addInitializer(
    model,
    graph,
    `${node.name || 'Upsample'}_scales`,
    float32([attribute.value.length], attribute.value),
  )
}

/** Upsample and the first Resize map coordinates asymmetrically and round down. */
function resizeFrom({ model, graph, node }: Site, scales: Value | null): string | null {
  const [input] = node.inputs
  const [output] = node.outputs
  if (!input || !output || !scales) return `${node.opType} "${node.name}" has no scales`
  const mode = node.string('mode', 'nearest')
  replaceNode(model, graph, node, 'Resize', [input, null, scales], {
    attributes: {
      mode: string(mode),
      coordinate_transformation_mode: string('asymmetric'),
      nearest_mode: string('floor'),
    },
  })
  return null
}

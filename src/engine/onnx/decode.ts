/** An ONNX file → Model. Weights stay in the file; everything the file claims is checked before anybody relies on it. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { FewbitError } from '../../shared/errors.ts'
import { openFile, statOf } from '../ir/file.ts'
import type { Model } from '../ir/graph.ts'
import { bytesIn } from './attributes.ts'
import { externalFiles, type Locate } from './external.ts'
import { allNodes, functionTable, limitExpansion } from './functions.ts'
import { type GraphReader, readGraph } from './graphs.ts'
import { Budget } from './limits.ts'
import { refuseUnknownOperators, requireOpsets } from './operators.ts'
import { readMessage } from './read.ts'
import type { Message } from './schema.ts'
import { FileWindow } from './window.ts'

const LATEST_IR = 13

export interface Decoded {
  model: Model
  warnings: string[]
  /** file names of its external data */
  external: string[]
  /** nodes of each operator, subgraphs and function bodies included; `domain.Name` outside the standard domain */
  operators: Map<string, number>
}

/** Plain names beside the model. */
const beside =
  (path: string): Locate =>
  (location) => {
    const file = join(dirname(path), location)
    return existsSync(file) ? file : null
  }

/**
 * Decodes the file at `path`; it stays open, because weights are read when they are needed.
 * Throws model_* errors that say what is wrong and where.
 */
export function decodeModel(path: string, locate: Locate = beside(path)): Decoded {
  const budget = new Budget()
  const proto = readProto(path, budget)
  if (!proto.graph) throw new FewbitError('model_empty', 'the file holds no graph')
  requireVersions(proto)
  const functions = functionTable(proto.functions)
  limitExpansion(functions, proto.graph.node ?? [])
  refuseUnknownOperators(proto.graph, functions)
  const files = externalFiles(locate)
  const reader: GraphReader = { files, budget, names: new Set(), warnings: warningsOf(proto) }
  const graph = readGraph(reader, proto.graph)
  if (graph.outputs.length === 0) throw new FewbitError('model_empty', 'the graph has no outputs')
  refuseRepeatedNames(proto.graph)
  return {
    model: modelOf(reader, proto, graph),
    warnings: reader.warnings,
    external: files.used(),
    operators: countOperators(proto),
  }
}

function countOperators({ graph, functions = [] }: Message<'ModelProto'>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const body of [graph?.node, ...functions.map(({ node }) => node)]) {
    for (const { domain = '', op_type = '' } of allNodes(body)) {
      const name = domain === '' || domain === 'ai.onnx' ? op_type : `${domain}.${op_type}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function modelOf(reader: GraphReader, proto: Message<'ModelProto'>, graph: Model['graph']): Model {
  const opsets = (proto.opset_import ?? []).map(
    ({ domain = '', version = 0 }) => [domain === 'ai.onnx' ? '' : domain, version] as const,
  )
  return {
    irVersion: proto.ir_version ?? 0,
    opsets: new Map(opsets),
    graph,
    names: reader.names,
    suffixes: new Map(),
    producer: [proto.producer_name, proto.producer_version].filter(Boolean).join(' '),
    metadata: new Map((proto.metadata_props ?? []).map(({ key = '', value = '' }) => [key, value])),
    functions: (proto.functions ?? []).map(({ extent }) => (extent ? bytesIn(reader, extent) : new Uint8Array())),
  }
}

function readProto(path: string, budget: Budget): Message<'ModelProto'> {
  const file = openFile(path)
  const { size } = statOf(file)
  if (size === 0) throw new FewbitError('model_not_onnx', 'the file is empty')
  const window = new FileWindow(file, size)
  try {
    return readMessage(window, 'ModelProto', budget)
  } catch (error) {
    throw isPlausible(window) ? error : notOnnx(error)
  }
}

/** ONNX files start with ir_version: field 1, a small varint. */
function isPlausible(window: FileWindow): boolean {
  const first = new FileWindow(window.file, window.size)
  return window.size > 2 && first.byte() === 8 && first.byte() < 128
}

function notOnnx(error: unknown): unknown {
  if (!(error instanceof FewbitError) || error.code === 'model_too_complex') return error
  return new FewbitError('model_not_onnx', `the bytes are not an ONNX protobuf: ${error.message}`, {
    hint: 'upload the .onnx file itself, not an archive or a page about it',
  })
}

function requireVersions({ ir_version, opset_import }: Message<'ModelProto'>): void {
  if (ir_version === undefined) throw new FewbitError('model_not_onnx', 'the file does not say which IR version it has')
  if (ir_version < 1 || ir_version > LATEST_IR) {
    throw new FewbitError(
      'model_opset_unsupported',
      `the model has IR version ${ir_version}; versions 3 to ${LATEST_IR} are supported`,
      { hint: 'export the model again with a released version of onnx' },
    )
  }
  requireOpsets(opset_import ?? [])
}

function warningsOf({ training_info = [], ir_version = 0, graph }: Message<'ModelProto'>): string[] {
  const constants = new Set((graph?.initializer ?? []).map(({ name }) => name))
  const overridable = ir_version >= 4 ? (graph?.input ?? []).filter(({ name }) => constants.has(name)) : []
  return [
    ...(training_info.length > 0 ? ['training information in the model is dropped'] : []),
    ...(overridable.length > 0
      ? [
          `inputs with a default value become constants: ${overridable
            .map(({ name }) => name)
            .slice(0, 5)
            .join(', ')}`,
        ]
      : []),
  ]
}

/** ONNX Runtime refuses a graph in which two nodes have one name. */
function refuseRepeatedNames({ node = [] }: Message<'GraphProto'>): void {
  const seen = new Set<string>()
  for (const { name } of node) {
    if (name && seen.has(name))
      throw new FewbitError('model_invalid', `two nodes have the name "${name.slice(0, 200)}"`)
    if (name) seen.add(name)
  }
}

/** Which operators and operator sets ONNX Runtime knows, so that a model it cannot run is refused at once. */
import { FewbitError } from '../../shared/errors.ts'
import { STANDARD_OPERATORS } from '../ir/operators.ts'
import { allNodes, calledFunction, type FunctionTable } from './functions.ts'
import type { Message } from './schema.ts'

export const LATEST_OPSET = 26

/** Domains whose operators ONNX Runtime may know; which ones, only it can say. */
const RUNTIME_DOMAINS = new Set([
  'ai.onnx.ml',
  'com.microsoft',
  'com.microsoft.nchwc',
  'com.ms.internal.nhwc',
  'ai.onnx.preview',
])

type OperatorSets = readonly Message<'OperatorSetIdProto'>[]

/** Throws model_opset_unsupported when the standard operator set is missing, or of a version that nobody released. */
export function requireOpsets(opsets: OperatorSets): void {
  if (opsets.length === 0) throw unsupported('the model does not say which operator set it uses')
  for (const { domain = '', version = 0 } of opsets) {
    const standard = domain === '' || domain === 'ai.onnx'
    if (version < 1 || (standard && version > LATEST_OPSET))
      throw unsupported(
        `the model uses operator set ${version}${standard ? '' : ` of ${domain}`}; 1 to ${LATEST_OPSET} are released and supported`,
      )
  }
}

const unsupported = (detail: string) =>
  new FewbitError('model_opset_unsupported', detail, {
    hint: 'export the model again with a released operator set, for example 17',
  })

/** Throws model_operator_unsupported for an operator that neither ONNX Runtime nor the model itself defines. */
export function refuseUnknownOperators({ node }: Message<'GraphProto'>, functions: FunctionTable): void {
  const bodies = [node, ...[...functions.values()].map((fn) => fn.node)]
  for (const body of bodies)
    for (const each of allNodes(body)) if (!calledFunction(functions, each)) refuseUnknown(each)
}

function refuseUnknown({ op_type = '', domain = '', name = '' }: Message<'NodeProto'>): void {
  const standard = domain === '' || domain === 'ai.onnx'
  if (standard ? STANDARD_OPERATORS.has(op_type) : RUNTIME_DOMAINS.has(domain)) return
  const full = standard ? op_type : `${domain}:${op_type}`
  throw new FewbitError(
    'model_operator_unsupported',
    `node "${name.slice(0, 200)}" is the operator ${full.slice(0, 200)}, which ONNX Runtime does not know`,
    {
      hint: 'replace it by standard operators, or define it as a model-local function',
    },
  )
}

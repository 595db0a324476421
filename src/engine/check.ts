/** Whether a model obeys a target: the validator of our artifacts, for files that anybody made. */
import { z } from 'zod'
import { Target } from '../contract/recipe.ts'
import type { Metrics } from '../contract/report.ts'
import { FewbitError } from '../shared/errors.ts'
import { asFewbitError } from './errors.ts'
import { pathOf, withScratch } from './files.ts'
import { allGraphs, type Model } from './ir/graph.ts'
import { decodeModel } from './onnx/index.ts'
import type { QuantizeOptions, Source } from './options.ts'
import { isLarge } from './out-of-core/weights.ts'
import { explicitTransposes } from './passes/explicit-transposes.ts'
import { runPasses } from './passes/pass.ts'
import { isFloatValue } from './plan/steering.ts'
import { applyTypes, inferTypes } from './prepare/types.ts'
import { closing } from './runtime/closing.ts'
import { openRuntime } from './runtime/ort.ts'
import { openWorkspace } from './runtime/workspace.ts'
import { targetOf } from './targets/index.ts'
import { violationsOf } from './verify/conformance/index.ts'

export interface Conformance {
  target: string
  ok: boolean
  /** in all graphs */
  nodes: number
  /** every broken rule with its node and where the rule comes from */
  violations: Metrics['target_conformance']['violations']
}

/** Loads the model, which ONNX Runtime must accept, and reads it as it is. Throws FewbitError. */
export async function check(model: Source, target: QuantizeOptions['target']): Promise<Conformance> {
  try {
    const rules = targetOf(parsedTarget(target))
    return await withScratch(undefined, async (scratch) => {
      const typed = await typedModel(pathOf(model, scratch, 'source.onnx'), scratch)
      const violations = violationsOf(typed, rules, floatsOf(typed))
      return { target: rules.id, ok: violations.length === 0, nodes: nodesOf(typed).length, violations }
    })
  } catch (error) {
    throw asFewbitError(error, 'check')
  }
}

function parsedTarget(target: unknown): Target {
  const found = Target.safeParse(target)
  if (found.success) return found.data
  throw new FewbitError('invalid_request', z.prettifyError(found.error).replaceAll(/\n\s*/g, ' '), { param: '/target' })
}

/** The model as it is written, with the types that ONNX Runtime infers. */
async function typedModel(path: string, scratch: string): Promise<Model> {
  const { model } = decodeModel(path)
  runPasses(model, [explicitTransposes])
  const runtime = closing(openRuntime(1))
  try {
    applyTypes(model, await inferTypes(model, runtime, openWorkspace(scratch), { aside: isLarge(model) }))
    return model
  } finally {
    await runtime.close()
  }
}

const nodesOf = ({ graph }: Model) => [...allGraphs(graph)].flatMap(({ nodes }) => [...nodes])

/** Names of float values of any width. */
const floatsOf = (model: Model): ReadonlySet<string> =>
  new Set(
    nodesOf(model).flatMap(({ outputs }) =>
      outputs.flatMap((value) => (value && isFloatValue(value) ? [value.name] : [])),
    ),
  )

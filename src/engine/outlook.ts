/** What a target would make of a model, found out without data: what gets fewer bits, what stays as it is and why, and what stays large. */
import { availableParallelism } from 'node:os'
import { factsOf } from '../contract/method-facts.ts'
import type { MethodName } from '../contract/recipe.ts'
import type { PlanDocument } from '../contract/report.ts'
import { FewbitError } from '../shared/errors.ts'
import { runMethod } from './methods/run-method.ts'
import { atRunTime } from './methods/static/variant.ts'
import { openRun } from './open-run.ts'
import { defaultMethod, type QuantizeOptions, recipeOf } from './options.ts'
import { describePlan } from './plan/describe.ts'
import { planGraph } from './plan/plan-graph.ts'
import type { Prepared } from './prepare/index.ts'
import { floatReasons } from './prepare/rewrites.ts'
import { prepareFor } from './prepare/stage.ts'
import { type KeptWeights, keptWeights, weightBytesOf } from './report/little-quantized.ts'
import type { Host, Run } from './run.ts'
import { closing } from './runtime/closing.ts'
import { openRuntime } from './runtime/ort.ts'
import { nameOf } from './targets/index.ts'

export interface Outlook {
  target: string
  method: MethodName
  /** nodes of the prepared model, constants folded, and how many of them would compute with fewer bits */
  nodes: { total: number; quantized: number }
  /** bytes of its weights, and how many of them would stay as they are */
  weightBytes: { total: number; kept: number }
  /** what stays large: the weights that keep their bits by reason, most bytes first */
  staysLarge: KeptWeights[]
  /** why nothing comes of it: the error that a quantization would end with */
  refused: { code: string; detail: string } | null
  plan: PlanDocument | null
}

export type OutlookOptions = Pick<QuantizeOptions, 'method' | 'exclude' | 'inputShapes' | 'inputValues' | 'threads'>

const QUIET: Host = { emit: () => {}, now: () => performance.now(), machine: '', isStopped: () => false }

/** The outlook of the model at `path` on one target; `scratch` is an empty directory. Throws FewbitError for a recipe that is none. */
export async function outlookOn(
  path: string,
  target: QuantizeOptions['target'],
  options: OutlookOptions,
  scratch: string,
): Promise<Outlook> {
  const threads = options.threads ?? availableParallelism()
  const recipe = recipeOf({ ...options, method: options.method ?? defaultMethod(target), target }, null)
  const runtime = closing(openRuntime(threads))
  const empty = { target: nameOf(recipe.target), method: recipe.method.type }
  try {
    const run = openRun({ recipe, model: path, output: scratch, threads }, QUIET, runtime, scratch)
    const prepared = await prepareFor(run)
    const weights = weightBytesOf(prepared.model.graph)
    const plan = await planOf(run, prepared)
    const staysLarge = keptWeights(plan, weights)
    return {
      ...empty,
      nodes: { total: plan.nodes.length, quantized: plan.nodes.filter(({ quantized }) => quantized).length },
      weightBytes: { total: sumOf(weights.values()), kept: sumOf(staysLarge.map(({ bytes }) => bytes)) },
      staysLarge,
      refused: null,
      plan,
    }
  } catch (error) {
    if (!(error instanceof FewbitError)) throw error
    const refused = { code: error.code, detail: error.message }
    return {
      ...empty,
      nodes: { total: 0, quantized: 0 },
      weightBytes: { total: 0, kept: 0 },
      staysLarge: [],
      refused,
      plan: null,
    }
  } finally {
    await runtime.close()
  }
}

/** Methods with ranges only plan here, as calibration has nothing to say of which nodes are chosen; the others do their work. */
async function planOf(run: Run, prepared: Prepared): Promise<PlanDocument> {
  const { recipe } = run.spec
  if (run.target.kind !== 'integer' || !factsOf(recipe.method).inIntegers)
    return (await runMethod(run, { prepared, batches: null, training: null })).plan
  const { graph } = prepared.model
  const plan = planGraph(graph, run.target, {
    perChannel: !('per_channel' in recipe.method) || recipe.method.per_channel,
    excludes: floatReasons(recipe, prepared.model),
    atRunTime: atRunTime({ recurrent: true }),
  })
  return describePlan(recipe, plan, new Map())
}

const sumOf = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0)

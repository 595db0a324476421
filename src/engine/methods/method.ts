/** Method: a short program that turns a prepared float model into a quantized one. */

import type { Recipe } from '../../contract/recipe.ts'
import type { PlanDocument, Report, Warning } from '../../contract/report.ts'
import type { RunnerMessage } from '../../contract/runner-protocol.ts'
import type { CalibrationBatches } from '../data/batches.ts'
import type { Samples } from '../data/samples.ts'
import type { Model, Node } from '../ir/graph.ts'
import type { Prepared } from '../prepare/index.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'
import type { Target } from '../targets/target.ts'

export interface MethodInput {
  prepared: Prepared
  recipe: Recipe
  target: Target
  runtime: Runtime
  workspace: Workspace
  /** calibration data in batches of whole runs; empty without a data set */
  batches: CalibrationBatches | null
  /** null without data to train on */
  training: TrainingInput | null
  excludes: (node: Node) => string | null
  progress: (phase: 'planning' | 'calibrating' | 'training' | 'quantizing', step: number, total: number) => void
  now: () => number
  /** when, on that clock, a search must end */
  searchUntil: number
  /** whether the method shall end with the best so far */
  isStopped: () => boolean
}

export interface TrainingInput {
  samples: Samples
  /** samples of the same data that do not train and judge while training goes on */
  heldOut: Samples
  /** where the state is kept; null: nowhere */
  checkpoint: string | null
  /** what the process may use; undefined: unknown */
  memoryBytes: number | undefined
  emit: (message: RunnerMessage) => void
}

export interface MethodOutput {
  model: Model
  plan: PlanDocument
  quantizedNodes: number
  macsInteger: number | null
  calibration: Report['calibration']
  options: Record<string, unknown>
  /** nothing is to be changed after this method */
  keepAsIs?: boolean
  /** variants that were tried */
  search?: Report['search']
  /** how closely each quantized layer follows the float model */
  sensitivity?: Report['sensitivity']
  training?: Report['training']
  warnings?: readonly Warning[]
}

export type Method = (input: MethodInput) => Promise<MethodOutput>

/** A hardware target, as data: what it can do, never how we do it. */
import type { MethodName } from '../../contract/recipe.ts'
import type { BrowserRuntime, IntegerTarget, OperatorSupport } from '../../contract/target-profile.ts'
import type { StandardOperator } from '../ir/operators.ts'
import type { Words } from '../ir/words.ts'
import type { IntegerOpName } from '../ops/index.ts'

interface TargetBase {
  id: string
  object: 'target'
  title: string
  description: string
  runtime: string
  methods: readonly MethodName[]
  default_method: MethodName
  min_opset: number
  browsers?: readonly BrowserRuntime[]
  sources: readonly string[]
}

/** Operators of other domains that half precision knows: ai.onnx.ml, and two of com.microsoft. */
type ForeignOperator = Words<`
  ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer Imputer LabelEncoder
  LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsembleClassifier
  TreeEnsembleRegressor ZipMap GroupNorm SkipGroupNorm`>

type OperatorName = StandardOperator | ForeignOperator

/** An integer target of ours: its operators are entries of the operator table. */
export interface ShippedIntegerTarget extends Omit<IntegerTarget, 'operators'> {
  operators: Readonly<{ [Name in IntegerOpName]?: OperatorSupport }>
}

export interface FloatTarget extends TargetBase {
  kind: 'float'
  float: 'float16'
  /** operators that stay float32 on this target */
  blocked: readonly string[]
  /** the only operators that run there; every one where this is missing */
  operators?: readonly string[]
  /** inputs that are float32 by the operator's own definition */
  float_inputs: Readonly<Record<string, readonly number[]>>
}

/** A float target of ours: ONNX, or one of its neighbours, has every operator that it names. */
export interface ShippedFloatTarget extends FloatTarget {
  blocked: readonly OperatorName[]
  operators?: readonly OperatorName[]
  float_inputs: Readonly<{ [Name in OperatorName]?: readonly number[] }>
}

export interface WeightOnlyTarget extends TargetBase {
  kind: 'weight-only'
  weight: { bits: readonly number[]; block_sizes: readonly number[]; symmetric: readonly boolean[] }
  format: 'MatMulNBits'
}

export type { IntegerTarget, OperatorSupport } from '../../contract/target-profile.ts'
export type Target = IntegerTarget | FloatTarget | WeightOnlyTarget

/** Whether a latency that the processor at hand measures is one of the target. */
export const isTimedHere = (target: Target): boolean =>
  browsersOf(target).length === 0 && (target.kind === 'weight-only' || runsHere(target))

/** Runtimes of browsers on which artifacts for the target run; the first is its own. */
export const browsersOf = ({ browsers }: Target): readonly BrowserRuntime[] => browsers ?? []

/** Whether the processor that a job runs on is what the target computes with in integers. */
export const runsHere = (target: Target): boolean => target.kind === 'integer' && target.hardware === 'cpu'

/** What onnxruntime.transformers.float16 can be told, what it does by default, and which operators it leaves alone. */

import type { ByOperator, Operator } from '../../ir/operators.ts'
import { wordsOf } from '../../ir/words.ts'

export interface Float16Options {
  /** inputs and outputs that stay float32: all, none, or those of these names */
  keepIoTypes: boolean | readonly string[]
  /** operators that stay float32 */
  blockedOperators: readonly string[]
  /** names of nodes that stay float32 */
  blockedNodes: readonly string[]
  /** magnitudes of constants below this are raised to it, 0 excepted */
  smallest: number
  /** magnitudes of constants above this are cut off, infinity excepted */
  largest: number
  /** convert constants too that only blocked nodes read */
  forceInitializers: boolean
}

/** Source: DEFAULT_OP_BLOCK_LIST of onnxruntime.transformers.float16 1.30. */
const BLOCKED_OPERATORS: readonly Operator[] = [
  ...wordsOf('ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer'),
  ...wordsOf('Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer OneHotEncoder'),
  ...wordsOf('RandomUniformLike SVMClassifier SVMRegressor Scaler TreeEnsembleClassifier'),
  ...wordsOf('TreeEnsembleRegressor TreeEnsemble ZipMap NonMaxSuppression TopK RoiAlign Range CumSum'),
  ...wordsOf('Min Max Upsample'),
]

const DEFAULTS: Float16Options = {
  keepIoTypes: false,
  blockedOperators: BLOCKED_OPERATORS,
  blockedNodes: [],
  smallest: 5.96e-8,
  largest: 65504,
  forceInitializers: false,
}

export const withFloat16Defaults = (options: Partial<Float16Options>): Float16Options => ({ ...DEFAULTS, ...options })

/** the last operator set in which the scales of Resize are its second input */
const EARLY_RESIZE = 10

/** Inputs that are float32 whatever the rest of the operator computes in. Source: ALWAYS_FLOAT_INPUTS. */
export const alwaysFloatInputs = (opset: number): ByOperator<readonly number[]> => ({
  Resize: opset <= EARLY_RESIZE ? [1] : [2],
  GroupNorm: [1, 2],
  SkipGroupNorm: [1, 2],
})

/** What could make the outputs of an artifact follow the float model more closely, from what its plan, its layers and its target say. */
import type { Method, MethodName, Recipe } from '../../contract/recipe.ts'
import type { LayerSensitivity, Metrics } from '../../contract/report.ts'
import type { MethodOutput } from '../methods/method.ts'
import type { Target } from '../targets/target.ts'

export interface AdviceInput {
  recipe: Recipe
  target: Target
  metrics: Pick<Metrics, 'fidelity' | 'accuracy'>
  output: Pick<MethodOutput, 'sensitivity' | 'options'>
}

type MethodOf<Name extends MethodName> = Extract<Method, { type: Name }>

const ADVICE: { [Name in MethodName]: (input: AdviceInput, method: MethodOf<Name>) => string[] } = {
  static: adviceForStatic,
  dynamic: ({ target }) => [
    ...(target.methods.includes('static') ? ['the method static, whose ranges come from calibration data'] : []),
    'excluding the first and the last layers (exclude.nodes)',
  ],
  weight_only: ({ output }) => [
    ...(output.options.bits === 8 ? [] : ['bits: 8']),
    ...(Number(output.options.block_size) > 16 ? [`a block_size below ${output.options.block_size}`] : []),
    ...(output.options.symmetric === true ? ['symmetric: false'] : []),
  ],
  float16: () => ['excluding the layers whose values are very small or very large (exclude.nodes)'],
  auto: () => [],
  qat: (input) => ['more steps or more samples of training', ...worstLayers(input)],
}

/** Sentences without a full stop, the most promising first. */
export const adviceFor = (input: AdviceInput): string[] => {
  const madeUp = input.metrics.fidelity?.measured_on === 'synthetic'
  const { method } = input.recipe
  const advise = ADVICE[method.type] as (input: AdviceInput, method: Method) => string[]
  return [...(madeUp ? [REAL_DATA] : []), ...advise(input, method)]
}

const REAL_DATA = 'naming a data set: ranges and figures came from made-up inputs, which the model may never meet'

function adviceForStatic(input: AdviceInput, method: MethodOf<'static'>): string[] {
  const { target, output } = input
  if (target.kind !== 'integer' || method.compat) return COMPAT
  const { activation_bits, min_sqnr_db, adaround, refine, observer, per_channel } = method
  const canMix = target.wide_activation !== undefined || target.float_operators === 'allowed'
  return [
    ...(target.wide_activation && activation_bits === 8 ? ['activation_bits: 16, which this target has'] : []),
    ...(canMix && min_sqnr_db === undefined ? ['min_sqnr_db: 20, which takes the worst layers out of 8 bits'] : []),
    ...worstLayers(input),
    ...(observer === 'auto' ? [] : ['observer: auto']),
    ...(per_channel ? [] : ['per_channel: true']),
    ...(adaround === false && output.options.adaround !== true ? ['adaround: true'] : []),
    ...(refine === false ? ['refine: true'] : []),
    ...(target.methods.includes('qat') ? ['training with the method qat'] : []),
  ]
}

const COMPAT = ['the same job without compat, which searches for better ranges']

const MOST_NAMED = 3
/** layers further above the worst are not what ruins the outputs */
const NEAR_DB = 6

/** Layers that lose most themselves; exclusion helps only where the target has float. */
function worstLayers({ target, output }: AdviceInput): string[] {
  const layers = output.sensitivity ?? []
  const [worst] = layers
  if (!worst || target.kind !== 'integer' || target.float_operators !== 'allowed') return []
  const named = layers.filter(({ sqnr_db }) => sqnr_db < worst.sqnr_db + NEAR_DB).slice(0, MOST_NAMED)
  return [`excluding what loses most (exclude.nodes): ${named.map(describe).join(', ')}`]
}

const describe = ({ node, op_type, sqnr_db }: LayerSensitivity): string =>
  `"${node}" (${op_type}, ${sqnr_db.toFixed(1)} dB)`

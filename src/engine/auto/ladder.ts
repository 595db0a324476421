/** The rungs that the method auto may climb on a target with given data, from what costs least to what costs most. */
import { factsOf } from '../../contract/method-facts.ts'
import { type AutoMethod, Method, type Recipe } from '../../contract/recipe.ts'
import { targetOf } from '../targets/index.ts'
import type { Target } from '../targets/target.ts'

/** What a rung can bring where those before it fell short. */
export type Help = 'quality' | 'speed' | 'size'

export interface Rung {
  name: string
  method: Method
  helps: readonly Help[]
  /** about so many times the seconds of the first rung, before it has been tried */
  cost: number
  /** ends in time by itself, with the best so far */
  isAnytime: boolean
}

interface Material {
  hasCalibration: boolean
  hasTraining: boolean
}

interface RungDef extends Omit<Rung, 'method' | 'isAnytime'> {
  method: Parameters<typeof Method.parse>[0]
  /** whether it differs on this target from the rungs before it */
  applies?: (target: Target) => boolean
}

const ALL: readonly Help[] = ['quality', 'speed', 'size']

const hasWide = (target: Target): boolean => target.kind === 'integer' && target.wide_activation !== undefined
const mixes = (target: Target): boolean =>
  target.kind === 'integer' && (hasWide(target) || target.float_operators === 'allowed')

/** Published ladders agree on the order: ranges and corrections, 16 bits or float where 8 lose most, learned rounding, training. */
const WITH_DATA: readonly RungDef[] = [
  { name: 'static', method: { type: 'static' }, helps: ALL, cost: 1 },
  { name: 'weights_4_bits', method: { type: 'weight_only', bits: 4 }, helps: ALL, cost: 1 },
  { name: 'float16', method: { type: 'float16' }, helps: ALL, cost: 1 },
  { name: 'static_adaround', method: { type: 'static', adaround: true }, helps: ['quality'], cost: 2 },
  {
    name: 'static_16_bit_activations',
    method: { type: 'static', activation_bits: 16 },
    helps: ['quality'],
    cost: 1.5,
    applies: hasWide,
  },
  { name: 'dynamic', method: { type: 'dynamic' }, helps: ['quality', 'speed'], cost: 1 },
  {
    name: 'static_mixed_precision',
    method: { type: 'static', min_sqnr_db: 25 },
    helps: ['quality'],
    cost: 3,
    applies: mixes,
  },
  { name: 'weights_8_bits', method: { type: 'weight_only', bits: 8 }, helps: ['quality'], cost: 1 },
  { name: 'qat', method: { type: 'qat' }, helps: ['quality'], cost: 3 },
]

/** Ranges of made-up inputs say little: they come last. */
const WITHOUT_DATA: readonly RungDef[] = [
  ...['dynamic', 'float16', 'weights_4_bits', 'weights_8_bits'].flatMap((name) =>
    WITH_DATA.filter((rung) => rung.name === name),
  ),
  { name: 'static', method: { type: 'static' }, helps: ['speed', 'size'], cost: 2 },
]

/** Empty where the target has no method that can be tried. */
export function ladderFor({ target: asked, method }: Recipe, { hasCalibration, hasTraining }: Material): Rung[] {
  const target = targetOf(asked)
  const rungs = hasCalibration ? WITH_DATA : WITHOUT_DATA
  const trains = (method as AutoMethod).train && (hasCalibration || hasTraining)
  return rungs
    .filter(({ applies = () => true }) => applies(target))
    .map(({ applies: _, ...rung }) => withMethod(rung))
    .filter((rung) => target.methods.some((name) => name === rung.method.type))
    .filter(({ isAnytime }) => trains || !isAnytime)
}

function withMethod({ method, ...rung }: Omit<RungDef, 'applies'>): Rung {
  const parsed = Method.parse(method)
  return { ...rung, method: parsed, isAnytime: factsOf(parsed).samples === 'trains' }
}

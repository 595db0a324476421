/** How far a `.tflite` is from the quantized ONNX model that it was made from, on everything that runs through both. */
import { FewbitError } from '../../shared/errors.ts'
import type { RunTensor, Session } from '../runtime/runtime.ts'

export interface Simulation {
  /** share of numbers that are the same to half a quantization step */
  equal: number
  /** the largest difference in quantization steps of its output; null where outputs are float */
  most_steps: number | null
  /** null without a difference */
  sqnr_db: number | null
}

interface Output {
  name: string
  tensor: { quantization: { scales: readonly number[] } | null }
}

/** below this a file computes something else, whatever rounding did */
const LEAST_SQNR_DB = 10
/** float kernels add up in another order */
const FLOAT_STEP = 1e-4

/** A session that runs both and gives what LiteRT computed. It stays open when it is released: it is loaded several times. */
export function simulatedBeside(session: Session, simulated: Session, outputs: readonly Output[]) {
  const meter = { numbers: 0, equal: 0, steps: 0, signal: 0, noise: 0 }
  const run: Session['run'] = async (feeds) => {
    const [results, expected] = [await session.run(feeds), await simulated.run(feeds)]
    for (const { name, tensor } of outputs)
      add(meter, expected[name], results[name], tensor.quantization?.scales[0] ?? null)
    return results
  }
  const hasSteps = outputs.some(({ tensor }) => tensor.quantization !== null)
  return {
    session: { ...session, run, saved: [], release: async () => {} },
    /** Throws verification_failed for a file that computes something else. */
    result: (): Simulation => {
      const sqnr_db = meter.noise === 0 ? null : 10 * Math.log10(meter.signal / meter.noise)
      if (sqnr_db !== null && sqnr_db < LEAST_SQNR_DB && meter.equal < meter.numbers / 2) throw differs(sqnr_db)
      const equal = meter.numbers === 0 ? 1 : meter.equal / meter.numbers
      return { equal, most_steps: hasSteps ? Math.round(meter.steps) : null, sqnr_db }
    },
  }
}

const differs = (sqnr: number) =>
  new FewbitError(
    'verification_failed',
    `The .tflite computes something else in LiteRT than the quantized model that it was made from does in ONNX Runtime: ${sqnr.toFixed(1)} dB.`,
    { stage: 'verify', hint: 'ask for the format onnx, and report the model: this is a fault of the conversion' },
  )

interface Meter {
  numbers: number
  equal: number
  steps: number
  signal: number
  noise: number
}

function add(meter: Meter, expected: RunTensor | undefined, found: RunTensor | undefined, scale: number | null): void {
  if (!expected || !found) return
  const step = scale ?? FLOAT_STEP
  const numbers = expected.data as ArrayLike<number | bigint>
  for (let i = 0; i < numbers.length; i++) {
    const a = Number(numbers[i])
    const distance = Math.abs(a - Number((found.data as ArrayLike<number | bigint>)[i]))
    meter.numbers++
    meter.signal += a * a
    meter.noise += distance * distance
    if (distance < step / 2) meter.equal++
    if (scale !== null) meter.steps = Math.max(meter.steps, distance / scale)
  }
}

/** What of a training's figures becomes an event, and how they read. */
import type { Progress } from '../../src/jobs/record/job.ts'

type Training = NonNullable<Progress['training']>

const LEAST_MS = 1000
/** a long training leaves about so many events: the stream of a job holds some more */
const EVENTS = 300

/** Says of each report whether it is an event: one a second at most, and evenly spread over a long training. */
export function createTrainingNews(now = () => performance.now()): (training: Training | undefined) => boolean {
  const started = now()
  let last = Number.NEGATIVE_INFINITY
  return (training) => {
    if (!training) return false
    const time = now()
    const expected = time - started + 1000 * training.seconds_left
    if (time - last < Math.max(LEAST_MS, expected / EVENTS)) return false
    last = time
    return true
  }
}

/** "step 40 of 600, loss 0.213, 310 samples/s, 2 min left" */
export function messageOfTraining(
  { step, total_steps }: { step: number; total_steps: number },
  { loss, samples_per_second, seconds_left }: Training,
): string {
  const speed = samples_per_second >= 10 ? samples_per_second.toFixed(0) : samples_per_second.toFixed(1)
  return `step ${step} of ${total_steps}, loss ${loss.toPrecision(3)}, ${speed} samples/s, ${durationOf(seconds_left)} left`
}

function durationOf(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}

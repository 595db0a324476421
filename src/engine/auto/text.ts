/** What the ladder came to, in words. */
import type { AutoReport } from '../../contract/auto.ts'

type Facts = Omit<AutoReport, 'text'>

const ENDED: Record<AutoReport['ended'], string> = {
  goals_met: '',
  ladder_ended: 'No other method of this target could bring what is missing.',
  time: 'There was no time for more: a larger limit lets it climb on.',
  stopped: 'It was asked to stop.',
}

export function textOf({ met, taken, ended, rungs, not_climbed }: Facts): string {
  const best = rungs[taken]
  if (!best) return ''
  const trained = best.method === 'qat' ? 'Training was needed' : 'No training was needed'
  const opening = met
    ? `${trained}: ${best.name} meets the goals${before(rungs, taken)}.`
    : `No rung met the goals; ${best.name} came closest: ${best.missed.join('; ')}.`
  return [opening, ENDED[ended], leftOf(ended, not_climbed)].filter(Boolean).join(' ')
}

function before(rungs: AutoReport['rungs'], taken: number): string {
  const others = rungs.slice(0, taken)
  if (others.length === 0) return ', and it is the cheapest'
  return `; ${others.map(({ name, missed, error }) => `${name} did not (${error?.detail ?? missed.join('; ')})`).join(', ')}`
}

const leftOf = (ended: AutoReport['ended'], left: readonly string[]): string =>
  left.length === 0 || ended === 'goals_met' ? '' : `Not tried: ${left.join(', ')}.`

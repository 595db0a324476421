/** What a running quantization is at: a bar on a terminal, a line for each phase elsewhere. */
import type { Rung } from '../contract/auto.ts'
import type { RunnerMessage } from '../contract/runner-protocol.ts'
import { styled } from './style.ts'
import { rungCells } from './summary.ts'

/** What a runner says, or how far something of several runs is. */
type Shown = RunnerMessage | { type: 'progress'; phase: string; fraction: number; message: string }

export interface ProgressView {
  take(message: Shown): void
  /** Takes the bar away. */
  clear(): void
}

const BAR = 24

export function progressOn(stream: NodeJS.WriteStream): ProgressView {
  return stream.isTTY ? barOn(stream) : linesOn(stream)
}

export const silent: ProgressView = { take: () => {}, clear: () => {} }

function barOn(stream: NodeJS.WriteStream): ProgressView {
  let fraction = 0
  const clear = () => void stream.write('\r\x1b[K')
  return {
    clear,
    take(message) {
      if (message.type === 'progress') fraction = message.fraction
      if (message.type === 'rung') stream.write(`\r\x1b[K${rungLine(message.rung)}\n`)
      const text = textOf(message)
      if (text === null) return
      const full = Math.round(BAR * fraction)
      const bar = `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`
      const share = `${Math.floor(100 * fraction)} %`.padStart(5)
      const room = Math.max(0, (stream.columns || 80) - BAR - share.length - 4)
      stream.write(`\r\x1b[K${styled(stream, 'cyan', bar)} ${share}  ${text.slice(0, room)}`)
    },
  }
}

function linesOn(stream: NodeJS.WriteStream): ProgressView {
  let last = ''
  return {
    clear: () => {},
    take(message) {
      if (message.type === 'rung') stream.write(`${rungLine(message.rung)}\n`)
      if (message.type !== 'progress' || message.phase === last) return
      last = message.phase
      stream.write(`${message.phase}: ${message.message.replace(/ \(\d+ of \d+\)$/, '')}\n`)
    },
  }
}

const rungLine = (rung: Rung): string => `${rungCells(rung).join(', ')}${rung.meets_goals ? ': meets the goals' : ''}`

function textOf(message: Shown): string | null {
  if (message.type === 'progress') return message.message
  if (message.type !== 'training') return null
  const { step, total_steps, loss, seconds_left } = message
  return `training: step ${step} of ${total_steps}, loss ${loss.toPrecision(3)}, ${Math.ceil(seconds_left)} s left`
}

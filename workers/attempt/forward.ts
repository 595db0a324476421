/** Passes on what a runner says: the latest progress a few times a second, every warning, every state of a training. */

import type { RunnerMessage } from '../../src/contract/runner-protocol.ts'
import type { Deps } from '../../src/deps.ts'
import type { Claim } from '../../src/jobs/attempt/claim-job.ts'
import { type PhaseProgress, reportProgress } from '../../src/jobs/attempt/report-progress.ts'
import { addWarning } from '../../src/jobs/record/add-warning.ts'
import { messageOf } from '../../src/shared/errors.ts'
import type { Limits } from '../process/limits.ts'
import { storeCheckpoint } from './checkpoint.ts'
import { persist } from './persist.ts'
import { type RungMessage, storeRung } from './rung.ts'
import { createTrainingNews, messageOfTraining } from './training-news.ts'

export interface Forwarder {
  take(message: RunnerMessage): void
  /** what the runner does, as it said last */
  phase(): string | null
  /** Writes what is left and stops. */
  close(): Promise<void>
}

interface Mail {
  progress: PhaseProgress | null
  /** steps of a training that are safe in a file */
  checkpoint: number | null
  warnings: { code: string; detail: string }[]
  rungs: RungMessage[]
}

const INTERVAL_MS = 250
const MAX_WARNINGS = 100
const MAX_RUNGS = 20

/** `enter` is told each phase when it begins. */
interface Told {
  /** where the runner works */
  directory: string
  limits: Limits
  enter: (phase: string) => void
}

export function openForwarder(deps: Deps, claim: Claim, { directory, limits, enter }: Told): Forwarder {
  const mail: Mail = { progress: null, checkpoint: null, warnings: [], rungs: [] }
  const isNews = createTrainingNews()
  let phase: string | null = null
  let warned = 0
  let writing: Promise<void> = Promise.resolve()
  const write = async () => {
    const { progress, checkpoint } = mail
    mail.progress = null
    mail.checkpoint = null
    for (let [warning] = mail.warnings; warning; [warning] = mail.warnings) {
      await addWarning(deps, claim, warning)
      mail.warnings.shift()
    }
    for (let [rung] = mail.rungs; rung; [rung] = mail.rungs) {
      await storeRung(deps, claim, { directory, limits }, rung)
      mail.rungs.shift()
    }
    if (progress) await reportProgress(deps, claim, progress, isNews(progress.training))
    if (checkpoint !== null) await storeCheckpoint(deps, claim, directory, checkpoint)
  }
  const notWritten = (error: unknown) => deps.log.warn({ reason: messageOf(error) }, 'progress was not written')
  const pump = () => {
    writing = writing.then(write).catch(notWritten)
  }
  const timer = setInterval(pump, INTERVAL_MS)
  const takers: { [T in RunnerMessage['type']]?: (message: Extract<RunnerMessage, { type: T }>) => void } = {
    progress: ({ type: _, ...progress }) => {
      phase = progress.phase
      enter(phase)
      const training = phase === 'training' ? mail.progress?.training : undefined
      mail.progress = { ...progress, ...(training && { training, message: messageOfTraining(progress, training) }) }
    },
    training: ({ type: _, step, total_steps, ...training }) => {
      const fraction = mail.progress?.fraction ?? 0
      const message = messageOfTraining({ step, total_steps }, training)
      mail.progress = { phase: 'training', fraction, step, total_steps, message, training }
    },
    checkpoint: ({ step }) => {
      mail.checkpoint = step
    },
    rung: (message) => {
      if (mail.rungs.length < MAX_RUNGS) mail.rungs.push(message)
    },
    warning: ({ code, detail }) => {
      if (warned++ < MAX_WARNINGS) mail.warnings.push({ code, detail })
    },
  }
  return {
    take: (message) => (takers[message.type] as ((message: RunnerMessage) => void) | undefined)?.(message),
    phase: () => phase,
    async close() {
      clearInterval(timer)
      await writing
      await persist(write).catch(notWritten)
    },
  }
}

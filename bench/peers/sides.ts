/** One quantization by either side, in a process that does nothing else. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { subjectOf } from '../lib/subjects.ts'
import type { Prepared, Subject } from './subjects.ts'

export const THREADS = 2

/** Settings of one name do the same on both sides; `default` and `auto` are what one gets without saying anything. */
export const OURS = {
  minmax: { observer: 'minmax', bias_correction: false },
  percentile: { observer: 'percentile', bias_correction: false },
  entropy: { observer: 'entropy', bias_correction: false },
  auto: { observer: 'auto' },
} as const
export const THEIRS = ['default', 'minmax', 'percentile', 'entropy'] as const

export interface Made {
  side: 'fewbit' | 'ort'
  setting: string
  /** null: there is no artifact, and `problem` says why */
  path: string | null
  problem?: string
  seconds?: number
  peakBytes?: number
}

interface Cost {
  seconds: number
  peakBytes: number
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''

export function ours({ folder, model, calibration, spec }: Prepared, setting: keyof typeof OURS | 'dynamic'): Made {
  const directory = mkdtempSync(join(folder, 'ours-'))
  const method = setting === 'dynamic' ? { type: 'dynamic' } : { type: 'static', ...OURS[setting] }
  const job = {
    recipe: { target: 'cpu-int8', method, calibration: { samples: MOST_SAMPLES }, evaluation: { metric: 'top1' } },
    model,
    calibration: { path: calibration, spec },
    evaluation: { path: calibration, spec },
    output: 'out.onnx',
    threads: THREADS,
  }
  const script = join(import.meta.dirname, 'ours.js')
  const said = execFileSync(process.execPath, [script, JSON.stringify(job)], { cwd: directory, encoding: 'utf8' })
  return { side: 'fewbit', setting, path: join(directory, 'out.onnx'), ...(JSON.parse(lastLine(said)) as Cost) }
}

const MOST_SAMPLES = 512

export function theirs({ folder, model, calibration }: Prepared, setting: string, { name, batch }: Subject): Made {
  const { scales = {} } = subjectOf(name)
  const path = join(folder, `theirs-${setting}.onnx`)
  const script = join(import.meta.dirname, '..', '..', '..', 'bench', 'peers', 'ort.py')
  const words = [script, model, calibration, path, setting, String(batch), JSON.stringify(scales), String(MOST_SAMPLES)]
  try {
    const said = execFileSync('python3', words, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 2 ** 28,
    })
    return { side: 'ort', setting, path, ...(JSON.parse(lastLine(said)) as Cost) }
  } catch (error) {
    const { stderr = '', signal } = error as { stderr?: string; signal?: string }
    const problem = signal ? `is killed (${signal}): out of memory` : `fails: ${shortened(lastLine(stderr))}`
    return { side: 'ort', setting, path: null, problem }
  }
}

/** An error without paths. */
export const shortened = (message: string): string =>
  message
    .replaceAll(/(?:\/[\w.-]+)+\//g, '')
    .replaceAll('|', '/')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 120)

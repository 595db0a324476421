/** From whatever the worker's own work threw to an error that tells a fault of this machine from one of ours. */
import { FewbitError } from '../../src/shared/errors.ts'

const FULL = ['ENOSPC', 'EDQUOT']

export function asFault(error: unknown): FewbitError {
  if (error instanceof FewbitError) return error
  const { code = '', syscall } = error as NodeJS.ErrnoException
  if (FULL.includes(code)) return new FewbitError('disk_full', 'the disk of the worker is full', { cause: error })
  if (syscall) return new FewbitError('disk_failed', `${syscall} failed in the worker: ${code}`, { cause: error })
  return new FewbitError('internal', 'the worker failed', { cause: error })
}

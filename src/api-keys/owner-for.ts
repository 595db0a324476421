/** Whose keys a caller may manage: their own, and the operator those of everybody. */
import { LOCAL_OWNER } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import type { Caller } from './api-key.ts'

export const mayManage = ({ owner }: Caller, other: string): boolean => owner === LOCAL_OWNER || owner === other

/** Throws insufficient_scope, whether or not there is such an owner. */
export function ownerFor(caller: Caller, asked: string | undefined): string {
  const owner = asked ?? caller.owner
  if (mayManage(caller, owner)) return owner
  throw new FewbitError('insufficient_scope', "only the operator's keys may name another owner", { param: '/owner' })
}

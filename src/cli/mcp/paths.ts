/** Paths that an agent names lie in the directory that its user opened, links followed, or are refused. */
import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { FewbitError } from '../../shared/errors.ts'

/** The path as an argument that no option can be mistaken for. Throws invalid_request. */
export function pathIn(root: string, path: string): string {
  const whole = realOf(resolve(root, path))
  const from = relative(realpathSync(root), whole)
  if (from !== '..' && !from.startsWith(`..${sep}`) && !isAbsolute(from)) return whole
  throw new FewbitError('invalid_request', `${path} lies outside of ${root}`, {
    hint: 'fewbit mcp --root <directory> says which files may be used',
  })
}

/** of the part that exists */
function realOf(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  const parent = dirname(path)
  return parent === path ? path : join(realOf(parent), basename(path))
}

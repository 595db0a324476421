/** JSON pointers (RFC 6901). */

/** `['exclude', 'nodes', 0]` → `/exclude/nodes/0`; the whole document is the empty string. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** Shows long things briefly. */

const FEW = 10
const LENGTH = 200

/** `a, b, c and 9997 more`; long items are cut. */
export function someOf(items: readonly string[], few = FEW): string {
  const shown = items.slice(0, few).map((item) => cut(item))
  return `${shown.join(', ')}${items.length > few ? ` and ${items.length - few} more` : ''}`
}

/** At most `length` characters, with an ellipsis where something was cut. */
export function cut(text: string, length = LENGTH): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}

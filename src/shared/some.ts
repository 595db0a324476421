/** Shows long things briefly. */

const LENGTH = 200

/** At most `length` characters, with an ellipsis where something was cut. */
export function cut(text: string, length = LENGTH): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}

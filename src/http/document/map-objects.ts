/** Rebuilds a JSON tree, changing every object in it, innermost first. */
import type { Json } from './json.ts'

export function mapObjects<T>(node: T, change: (object: Json) => Json): T {
  if (Array.isArray(node)) return node.map((item) => mapObjects(item, change)) as T
  if (typeof node !== 'object' || node === null) return node
  const entries = Object.entries(node).map(([key, value]) => [key, mapObjects(value, change)])
  return change(Object.fromEntries(entries)) as T
}

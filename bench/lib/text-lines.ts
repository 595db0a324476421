/** Lines of text as the classes of a recogniser. */
import { readFileSync } from 'node:fs'

/** Classes of a text line: its characters' places in the dictionary, blank first and space last. */
export function charactersOf(dictionary: string): (line: string) => number[] {
  const keys = readFileSync(dictionary, 'utf8').split(/\r?\n/)
  if (keys.at(-1) === '') keys.pop()
  const places = new Map([...keys.map((key, i) => [key, i + 1] as const), [' ', keys.length + 1] as const])
  return (line) => Array.from(line.trim(), (character) => places.get(character) ?? -1)
}

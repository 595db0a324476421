/** Regular expressions of clients, matched in time that grows with the text and never explodes: RE2's syntax and algorithm. */
import { RE2JS } from 're2js'

/** Whether a whole text matches. */
export type Pattern = (text: string) => boolean

/** Throws for what is no pattern in RE2's syntax: look-around and back references are none. */
export function compilePattern(source: string): Pattern {
  const compiled = RE2JS.compile(source)
  return (text) => compiled.matches(text)
}

export function isPattern(source: string): boolean {
  try {
    compilePattern(source)
    return true
  } catch {
    return false
  }
}

/** Words in colour, where a person reads them: never into files and pipes, and as NO_COLOR and FORCE_COLOR say. */
import { styleText } from 'node:util'

type Format = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

export function styled(stream: NodeJS.WriteStream, format: Format, text: string): string {
  return hasColors(stream) ? styleText(format, text) : text
}

function hasColors(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR } = process.env
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return stream.isTTY === true && !NO_COLOR && process.env.TERM !== 'dumb'
}

/** Text to tokens, cut and padded as the tokenizers of Hugging Face do. Only ever called where models are loaded: its patterns are as hostile. */
import { messageOf } from '../../../shared/errors.ts'
import { unusable } from '../zip.ts'
import type { TextArchive } from './archive.ts'
import type { Line } from './lines.ts'

export interface Encoded {
  ids: number[]
  types: number[]
}

export interface Encoder {
  /** for what is shorter than the rest */
  padding: number
  /** at most so many tokens, special ones included */
  encode(line: Line, most: number): Encoded
}

/** Throws dataset_array_invalid where the tokenizer cannot be used. */
export async function openEncoder(found: TextArchive['tokenizer']): Promise<Encoder> {
  if (!found) return { padding: 0, encode: ({ tokens }, most) => plain(tokens ?? [], most) }
  const { Tokenizer } = await import('@huggingface/tokenizers')
  const refuse = (error: unknown) =>
    unusable(`the tokenizer cannot be used: ${messageOf(error).slice(0, 500)}`, undefined, error)
  try {
    const tokenizer = new Tokenizer(found.tokenizer, found.config)
    const whole = (text: string, pair: string | null) =>
      tokenizer.encode(text, { text_pair: pair, return_token_type_ids: true })
    const bare = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids
    return {
      padding: paddingOf(found),
      encode: ({ text, pair, tokens }, most) => {
        if (text === null) return plain(tokens ?? [], most)
        const { ids, token_type_ids: types } = whole(text, pair)
        if (ids.length <= most) return { ids, types }
        return cut({ ids, types }, bare(text), pair === null ? null : bare(pair), most)
      },
    }
  } catch (error) {
    throw refuse(error)
  }
}

const plain = (tokens: readonly number[], most: number): Encoded => {
  const ids = tokens.slice(0, most)
  return { ids, types: ids.map(() => 0) }
}

function paddingOf({ tokenizer, config }: NonNullable<TextArchive['tokenizer']>): number {
  const { padding, added_tokens: added } = tokenizer as {
    padding?: { pad_id?: number } | null
    added_tokens?: { id: number; content: string }[]
  }
  const { pad_token: token } = config as { pad_token?: string | { content?: string } | null }
  const content = typeof token === 'string' ? token : token?.content
  return padding?.pad_id ?? added?.find((one) => one.content === content)?.id ?? 0
}

/** Special tokens stay where they are, the longer text loses its end first. */
function cut(
  { ids, types }: Encoded,
  first: readonly number[],
  second: readonly number[] | null,
  most: number,
): Encoded {
  const front = placeOf(first, ids, 0)
  const start = second && placeOf(second, ids, front + first.length)
  const special = ids.length - first.length - (second?.length ?? 0)
  const room = Math.max(0, most - special)
  const [a, b] = second ? longestFirst(first.length, second.length, room) : [room, 0]
  const behind =
    second && start !== null
      ? [...range(front + first.length, start + b), ...range(start + second.length, ids.length)]
      : range(front + first.length, ids.length)
  const kept = [...range(0, front + a), ...behind].slice(0, most)
  const at = (list: readonly number[]) => kept.map((i) => list[i] ?? 0)
  return { ids: at(ids), types: at(types) }
}

/** Where `part` begins in `whole`, at `from` or later; `from` where it is not found. */
function placeOf(part: readonly number[], whole: readonly number[], from: number): number {
  for (let start = from; start + part.length <= whole.length; start++)
    if (part.every((id, i) => whole[start + i] === id)) return start
  return from
}

const range = (from: number, to: number): number[] => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)

/** How much of each text fits. Source: tokenizers, truncate_encodings, LongestFirst. */
function longestFirst(first: number, second: number, room: number): [number, number] {
  const [short, long] = [Math.min(first, second), Math.max(first, second)]
  const half = Math.floor(room / 2)
  const kept =
    short <= room && short + Math.max(short, room - short) <= room
      ? [short, Math.min(long, room - short)]
      : [half, room - half]
  const [a = 0, b = 0] = first > second ? kept.toReversed() : kept
  return [a, b]
}

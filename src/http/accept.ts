/** Chooses among the formats that an endpoint can produce, by the Accept field (RFC 9110 §12.5.1). */
import { FewbitError } from '../shared/errors.ts'

interface MediaRange {
  type: string
  quality: number
}

interface Candidate {
  offer: string
  quality: number
  /** place in the field of the range that matched */
  place: number
}

/** Best quality first; among equals what the client names first, then what we offer first. Throws not_acceptable. */
export function negotiate<T extends string>(field: string | undefined, offers: readonly [T, ...T[]]): T {
  const ranges = parse(field?.trim() || '*/*')
  const candidates = offers.map((offer) => candidateOf(offer, ranges)).filter(({ quality }) => quality > 0)
  const [best] = candidates.toSorted((a, b) => b.quality - a.quality || a.place - b.place)
  if (!best) throw new FewbitError('not_acceptable', `only ${offers.join(' or ')} can be produced`)
  return best.offer as T
}

function parse(field: string): MediaRange[] {
  return field.split(',').map((text) => {
    const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    return { type, quality: weight === undefined ? 1 : Number(weight.slice(2)) || 0 }
  })
}

/** The most specific range that matches decides. */
function candidateOf(offer: string, ranges: readonly MediaRange[]): Candidate {
  const patterns = [offer, `${offer.split('/')[0]}/*`, '*/*']
  const place = patterns.map((pattern) => ranges.findIndex(({ type }) => type === pattern)).find((found) => found >= 0)
  return { offer, quality: place === undefined ? 0 : ranges[place]!.quality, place: place ?? ranges.length }
}

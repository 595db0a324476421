/** Elements of lists that must be there: a missing one is an error that says so, never `undefined` further on. */

export function at<T>(list: ArrayLike<T>, index: number): T {
  if (index >= 0 && index < list.length) return list[index] as T
  throw new RangeError(`there is no element ${index} in a list of ${list.length}`)
}

type Tuple<T, Count extends number, Taken extends T[] = []> = Taken['length'] extends Count
  ? Taken
  : Tuple<T, Count, [...Taken, T]>

/** The first `count` elements. */
export function leading<const Count extends number, T>(count: Count, list: readonly T[]): Tuple<T, Count> {
  if (list.length < count) throw new RangeError(`${count} elements are needed, and the list has ${list.length}`)
  return list.slice(0, count) as Tuple<T, Count>
}

/** What a record holds under `name`. */
export function entryOf<T>(record: Readonly<Record<string, T>>, name: string): T {
  if (Object.hasOwn(record, name)) return record[name] as T
  throw new RangeError(`there is no "${name}" among ${Object.keys(record).join(', ')}`)
}

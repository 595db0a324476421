/** Data sets whose archives or arrays are odd, lie or are damaged. */
import { type NpyFields, npy, type ZipMember, zip } from '../../../test/kit/npz.ts'
import type { Dice } from './dice.ts'
import { damage } from './mutate-model.ts'

const TYPES = [
  '<f4',
  '<f4',
  '<f8',
  '<f2',
  '>f4',
  '|u1',
  '<i8',
  '|b1',
  '|O',
  '<U10',
  '|V8',
  '<c8',
  '<M8[ns]',
  '',
  'f',
  '<f4\\0',
  '<f99999999999',
]
const SHAPES = [
  '(3, 2)',
  '(2, 3)',
  '(6,)',
  '()',
  '(0, 2)',
  '(-1, 2)',
  '(1099511627776, 1099511627776)',
  '(9007199254740993,)',
  '(3L, 2L)',
  '(3, 2',
  '3, 2',
  "('a',)",
  '(3.5,)',
  '((3, 2),)',
  '(3, 2,,)',
  `(${'1, '.repeat(100)})`,
  '(1e3,)',
]
const NAMES = [
  'x.npy',
  'y.npy',
  'x.npy',
  'x',
  '',
  '.npy',
  '../x.npy',
  '/etc/passwd',
  '__proto__.npy',
  'a/b.npy',
  'é.npy',
  `${'n'.repeat(60_000)}.npy`,
  'x.npy\0',
  'dir/',
]
const HEADERS = [
  '',
  '{',
  '{}',
  "{'descr': '<f4'}",
  '{"descr": "<f4", "fortran_order": false, "shape": [3, 2]}',
  "__import__('os').system('id')",
  `{${"'a': 1, ".repeat(10_000)}}`,
  '('.repeat(5000),
]
const METHODS = [0, 8, 1, 9, 12, 99]

/** `names` are those of the model's inputs. */
export function mutateData(names: readonly string[], dice: Dice): Buffer {
  const some = Array.from({ length: 1 + dice.below(3) }, () => memberOf(names, dice))
  const areSmall = some.every(({ bytes }) => bytes.length < 100_000)
  const members = areSmall && dice.chance(0.01) ? Array.from({ length: 300 }, () => some).flat() : some
  const archive = dice.chance(0.05) ? npy(dice.bytes(24)) : zip(members)
  return dice.chance(0.4) ? damage(archive, dice) : archive
}

function memberOf(names: readonly string[], dice: Dice): ZipMember {
  const name = dice.chance(0.5) && names.length > 0 ? `${dice.of(names)}.npy` : dice.of(NAMES)
  const lies: Partial<ZipMember>[] = [
    { size: dice.of([0, 1, 2 ** 31, 2 ** 32 - 1]) },
    { method: dice.of(METHODS) },
    { flags: dice.of([1, 8, 0x800, 0x2000, 0xffff]) },
    { zip64: true },
    { zip64: true, size: dice.of([2 ** 40, 2 ** 53]) },
    { damage: (data) => data.fill(dice.below(256), dice.below(data.length + 1)) },
  ]
  const bytes = dice.chance(0.002) ? Buffer.alloc(64 << 20) : arrayOf(dice)
  return { name, bytes, deflate: dice.chance(0.5), ...(dice.chance(0.4) ? dice.of(lies) : {}) }
}

function arrayOf(dice: Dice): Buffer {
  const fields: NpyFields = {
    ...(dice.chance(0.4) && { descr: dice.of(TYPES) }),
    ...(dice.chance(0.6) && { shape: dice.of(SHAPES) }),
    ...(dice.chance(0.1) && { fortran: true }),
    ...(dice.chance(0.2) && { version: dice.of([1, 2, 3] as const) }),
    ...(dice.chance(0.1) && { header: dice.of(HEADERS), version: dice.of([2, 3] as const) }),
  }
  const array = npy(dice.bytes(dice.of([24, 24, 24, 0, 1, 23, 25, 48])), fields)
  return dice.chance(0.2) ? damage(array, dice) : array
}

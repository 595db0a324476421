/** Text for people: aligned columns, and numbers with their units. */

/** Rows as lines whose cells stand below each other. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** `1234567` as `1.2 MB` */
export function bytes(count: number): string {
  let [amount, unit] = [count, 0]
  while (amount >= 999.5 && unit < UNITS.length - 1) [amount, unit] = [amount / 1000, unit + 1]
  return `${amount < 10 && unit > 0 ? amount.toFixed(1) : amount.toFixed(0)} ${UNITS[unit]}`
}

/** `0.2567` as `25.7 %` */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** so many digits that count */
export const digits = (number: number, count = 3): string => String(Number(number.toPrecision(count)))

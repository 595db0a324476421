/** Classes of pictures: from a table, or from the folders that they lie in, as torchvision's ImageFolder numbers them. */
import { FewbitError } from '../../../shared/errors.ts'

/** One class for each picture. */
export type Labels = readonly number[]

const wrong = (detail: string, hint?: string): FewbitError =>
  new FewbitError('dataset_labels_invalid', detail, hint ? { hint } : {})

const FORM =
  'labels.csv has a line for each picture, its name and its class: `cats/1.jpg,0`; the first line may be `file,label`'

/** By the lines of a table; every picture needs one. Throws dataset_labels_invalid. */
export function readLabels(text: string, names: readonly string[]): Labels {
  const classes = new Map<string, number>()
  for (const [i, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (line.trim() === '') continue
    const [name, label] = fieldsOf(line)
    if (label === undefined) throw wrong(`line ${i + 1} of labels.csv has no class`, FORM)
    if (i === 0 && !/^\d+$/.test(label)) continue
    if (!/^\d{1,9}$/.test(label))
      throw wrong(
        `line ${i + 1} of labels.csv has the class ${JSON.stringify(label.slice(0, 40))}`,
        'classes are whole numbers from 0',
      )
    classes.set(name, Number(label))
  }
  return names.map((name) => {
    const label = classes.get(name) ?? classes.get(name.slice(name.lastIndexOf('/') + 1))
    if (label === undefined) throw wrong(`labels.csv has no line for "${name.slice(0, 200)}"`, FORM)
    return label
  })
}

/** A name may be quoted and hold commas. */
function fieldsOf(line: string): [name: string, label: string | undefined] {
  const [, quoted, plain, label] = /^(?:"((?:[^"]|"")*)"|([^,]*)),\s*([^,]*?)\s*$/.exec(line) ?? []
  return [(quoted?.replaceAll('""', '"') ?? plain ?? line).trim().replace(/^\.\//, ''), label]
}

/** Folders in the order of their names are classes 0, 1, 2 ...; null where the pictures lie in fewer than two. */
export function classesOf(names: readonly string[]): Labels | null {
  const folderOf = (name: string) => name.slice(0, Math.max(name.lastIndexOf('/'), 0))
  const folders = [...new Set(names.map(folderOf))].sort()
  if (folders.length < 2 || folders.includes('')) return null
  const numbers = new Map(folders.map((folder, i) => [folder, i]))
  return names.map((name) => numbers.get(folderOf(name)) ?? 0)
}

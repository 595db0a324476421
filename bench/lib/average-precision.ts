/** Average precision of detectors, as COCO defines it: 101-point interpolation, at most 100 detections per image. */

/** Left, top, right, bottom. */
export type Box = readonly [number, number, number, number]

export interface Detection {
  image: number
  category: number
  score: number
  box: Box
}

export type Truth = Omit<Detection, 'score'>

export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0])
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1])
  if (width <= 0 || height <= 0) return 0
  const areaOf = (box: Box) => (box[2] - box[0]) * (box[3] - box[1])
  return (width * height) / (areaOf(a) + areaOf(b) - width * height)
}

/** Greedy suppression per category: the best detections that overlap no better one by `overlap` or more. */
export function suppress(detections: readonly Detection[], overlap: number, most: number): Detection[] {
  const kept: Detection[] = []
  for (const found of detections.toSorted((a, b) => b.score - a.score)) {
    const rivals = kept.filter(({ category }) => category === found.category)
    if (rivals.every(({ box }) => intersectionOverUnion(box, found.box) < overlap)) kept.push(found)
  }
  return kept.slice(0, most)
}

const RECALLS = Array.from({ length: 101 }, (_, i) => i / 100)
const THRESHOLDS = Array.from({ length: 10 }, (_, i) => 0.5 + 0.05 * i)

/** AP at IoU 0.5 and the mean over 0.50, 0.55, …, 0.95, both over the categories that occur, in percent. */
export function averagePrecision(
  truths: readonly Truth[],
  detections: readonly Detection[],
): { ap50: number; ap50to95: number } {
  const ranked = byCategory(detections.toSorted((a, b) => b.score - a.score))
  const real = [...byCategory(truths)]
  const at = THRESHOLDS.map((threshold) =>
    mean(real.map(([category, boxes]) => precisionOf(boxes, ranked.get(category) ?? [], threshold))),
  )
  return { ap50: 100 * at[0]!, ap50to95: 100 * mean(at) }
}

function byCategory<T extends Truth>(boxes: readonly T[]): Map<number, T[]> {
  const found = new Map<number, T[]>()
  for (const box of boxes) found.set(box.category, [...(found.get(box.category) ?? []), box])
  return found
}

/** Of one category: mean precision over the recalls 0, 0.01, …, 1. */
function precisionOf(truths: readonly Truth[], ranked: readonly Detection[], threshold: number): number {
  const used = new Set<Truth>()
  const points: { recall: number; precision: number }[] = []
  let hits = 0
  for (const [i, found] of ranked.entries()) {
    const free = truths.filter((truth) => truth.image === found.image && !used.has(truth))
    const overlaps = free.map(({ box }) => intersectionOverUnion(box, found.box))
    const best = Math.max(...overlaps)
    if (best >= threshold) {
      used.add(free[overlaps.indexOf(best)]!)
      hits++
    }
    points.push({ recall: hits / truths.length, precision: hits / (i + 1) })
  }
  const best = RECALLS.map((recall) =>
    Math.max(0, ...points.filter((point) => point.recall >= recall - 1e-12).map(({ precision }) => precision)),
  )
  return mean(best)
}

const mean = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / Math.max(numbers.length, 1)

/** Observer: numbers in, range out. */

export interface Range {
  min: number
  max: number
}

export interface Observation {
  /** takes the [min, max] of one batch, which were reduced inside the graph */
  update(extremes: Float32Array): void
  /** the range so far; null when nothing was seen */
  range(): Range | null
}

export interface Observer {
  name: string
  start(): Observation
}

/** The smallest and the largest of some numbers. */
export interface Range {
  min: number
  max: number
}

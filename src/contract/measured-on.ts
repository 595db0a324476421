/** Which samples a figure comes from. */
export const MEASURED_ON = ['evaluation', 'held_out', 'calibration', 'training', 'synthetic'] as const
export type MeasuredOn = (typeof MEASURED_ON)[number]

/** The engine as a library: what it quantizes, what it says of a model, and the types of both. */
export type { MethodName, MetricName, Recipe, TargetName } from '../contract/recipe.ts'
export { METHOD_NAMES, TARGET_NAMES } from '../contract/recipe.ts'
export type { Metrics, PlanDocument, Report, Warning } from '../contract/report.ts'
export { type ErrorCode, FewbitError } from '../shared/errors.ts'
export { type Inspection, inspect, type Port } from './inspect.ts'
export type { Data, Progress, QuantizeOptions, Source, TrainingFigures } from './options.ts'
export { type Quantized, type QuantizedFiles, quantize } from './quantize.ts'

/** The engine's surface. */
export { quantize } from './pipeline.ts'

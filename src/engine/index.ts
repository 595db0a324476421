/** The engine's surface. */
export { type Host, quantize } from './pipeline.ts'

/** Every hardware target. */
import type { FormatName, TargetName } from '../../contract/recipe.ts'
import { coremlFloat16 } from './coreml-float16.ts'
import { cpuInt4 } from './cpu-int4.ts'
import { cpuInt8 } from './cpu-int8.ts'
import { cpuInt8Avx2 } from './cpu-int8-avx2.ts'
import { edgeNpu } from './edge-npu.ts'
import { gpuFloat16 } from './gpu-float16.ts'
import { gpuTensorrtInt8 } from './gpu-tensorrt-int8.ts'
import { mobileTflite } from './mobile-tflite.ts'
import { npuEthosU } from './npu-ethos-u.ts'
import { npuOpenvino } from './npu-openvino.ts'
import { npuQnnHtp } from './npu-qnn-htp.ts'
import { npuVitisAi } from './npu-vitis-ai.ts'
import type { IntegerTarget, Target } from './target.ts'
import { webWasm } from './web-wasm.ts'
import { webWebgpu } from './web-webgpu.ts'

export const TARGETS = {
  'cpu-int8': cpuInt8,
  'cpu-int8-avx2': cpuInt8Avx2,
  'cpu-int4': cpuInt4,
  'gpu-float16': gpuFloat16,
  'coreml-float16': coremlFloat16,
  'gpu-tensorrt-int8': gpuTensorrtInt8,
  'edge-npu': edgeNpu,
  'npu-qnn-htp': npuQnnHtp,
  'npu-vitis-ai': npuVitisAi,
  'npu-ethos-u': npuEthosU,
  'npu-openvino': npuOpenvino,
  'web-wasm': webWasm,
  'web-webgpu': webWebgpu,
  'mobile-tflite': mobileTflite,
} as const satisfies Record<TargetName, Target>

/** A built-in target by its name, or the profile that the user sent. */
export const targetOf = (target: TargetName | IntegerTarget): Target =>
  typeof target === 'string' ? TARGETS[target] : target

/** What an artifact for the target may be. */
export const formatsOf = (target: Target): readonly FormatName[] =>
  (target.kind === 'integer' && target.formats) || ['onnx']

/** How the target is called in documents. */
export const nameOf = (target: TargetName | IntegerTarget): string => (typeof target === 'string' ? target : target.id)

/** The target with 16-bit activations; null when it has none. */
export function widened(target: IntegerTarget): IntegerTarget | null {
  if (!target.wide_activation) return null
  const operators = Object.entries(target.operators).map(([name, { fixed_output, fixed_wide_output, ...support }]) => [
    name,
    { ...support, ...(fixed_wide_output && { fixed_output: fixed_wide_output }) },
  ])
  return { ...target, activation: target.wide_activation, operators: Object.fromEntries(operators) }
}

/** NVIDIA GPUs under TensorRT, explicit quantization. */
import { listed } from './list.ts'
import type { ShippedIntegerTarget } from './target.ts'

export const gpuTensorrtInt8: ShippedIntegerTarget = {
  id: 'gpu-tensorrt-int8',
  object: 'target',
  kind: 'integer',
  title: 'TensorRT, 8-bit integers',
  description:
    'Symmetric int8 in front of weighted operators, float bias, no quantized outputs: TensorRT fuses the rest, and runs it in float16 or float32.',
  runtime: 'TensorRT 8.5 and newer, or onnxruntime TensorrtExecutionProvider',
  methods: ['static', 'qat'],
  default_method: 'static',
  min_opset: 13,
  activation: { dtype: 'int8', symmetric: true, scale: 'any', granularity: 'tensor' },
  weight: { dtype: 'int8', symmetric: true, scale: 'any', granularity: 'channel' },
  bias: { dtype: 'float32' },
  format: 'QDQ',
  hardware: 'other',
  placement: 'inputs',
  shapes: 'dynamic',
  float_operators: 'allowed',
  accumulator: 'int32',
  operators: listed('Conv ConvTranspose Gemm MatMul Add AveragePool GlobalAveragePool', { output: 'float' }),
  sources: [
    'NVIDIA TensorRT documentation: Working with Quantized Types, Explicit Quantization',
    'nvidia-modelopt: modelopt.onnx.quantization',
  ],
}

/** Apple processors under Core ML: GPU and neural engine compute in half precision, and read no quantized operators. */
import { wordsOf } from '../ir/words.ts'
import { gpuFloat16 } from './gpu-float16.ts'
import type { ShippedFloatTarget } from './target.ts'

export const coremlFloat16: ShippedFloatTarget = {
  ...gpuFloat16,
  id: 'coreml-float16',
  title: 'Core ML, half precision',
  description:
    'float16 for the GPU and the neural engine; operators that an ML program does not have fall back to the CPU and are listed as violations. Fixed shapes run fastest.',
  runtime: 'onnxruntime CoreMLExecutionProvider, ML program',
  operators: wordsOf(`
    Add ArgMax AveragePool Cast Clip Concat Conv ConvTranspose DepthToSpace Div Elu Erf Exp Gelu Gemm
    GlobalAveragePool GlobalMaxPool GridSample GroupNormalization InstanceNormalization LayerNormalization
    LeakyRelu MatMul Max MaxPool Mul Pow PRelu Reciprocal ReduceMax ReduceMean ReduceSum Relu Reshape Resize Round
    Shape Sigmoid Slice Softmax Softplus Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze Flatten Identity`),
  sources: [
    'ONNX Runtime documentation: CoreML execution provider, supported operators of the ML program',
    ...gpuFloat16.sources,
  ],
}

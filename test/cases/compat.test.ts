/** The cases that are quantized as onnxruntime.quantization does. */
import { describeCases } from './suite.ts'

describeCases('compat')

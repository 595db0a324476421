/** Graphics processors that compute in IEEE half precision. */
import type { FloatTarget } from './target.ts'

export const gpuFloat16: FloatTarget = {
  id: 'gpu-float16',
  object: 'target',
  kind: 'float',
  title: 'GPU, half precision',
  description: 'float16 weights and arithmetic; float32 inputs and outputs unless asked otherwise. On a CPU such a model is smaller, not faster.',
  runtime: 'onnxruntime CUDA, DirectML, WebGPU and CoreML execution providers',
  methods: ['float16'],
  default_method: 'float16',
  min_opset: 7,
  float: 'float16',
  blocked: [
    'ArrayFeatureExtractor', 'Binarizer', 'CastMap', 'CategoryMapper', 'DictVectorizer', 'FeatureVectorizer', 'Imputer', 'LabelEncoder',
    'LinearClassifier', 'LinearRegressor', 'Normalizer', 'OneHotEncoder', 'RandomUniformLike', 'SVMClassifier', 'SVMRegressor', 'Scaler',
    'TreeEnsembleClassifier', 'TreeEnsembleRegressor', 'ZipMap', 'NonMaxSuppression', 'TopK', 'RoiAlign', 'Range', 'CumSum', 'Min', 'Max',
    'Upsample', 'QuantizeLinear', 'DequantizeLinear', 'DynamicQuantizeLinear',
  ],
  float_inputs: { Resize: [1, 2], GroupNorm: [1, 2], SkipGroupNorm: [1, 2] },
  sources: ['onnxruntime.transformers.float16 1.30: DEFAULT_OP_BLOCK_LIST, ALWAYS_FLOAT_INPUTS'],
}

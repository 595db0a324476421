/** Which operators and operator sets ONNX Runtime knows, so that a model it cannot run is refused at once. */
import { FewbitError } from '../../shared/errors.ts'
import { allNodes, calledFunction, type FunctionTable } from './functions.ts'
import type { Message } from './schema.ts'

export const LATEST_OPSET = 26

/** Domains whose operators ONNX Runtime may know; which ones, only it can say. */
const RUNTIME_DOMAINS = new Set([
  'ai.onnx.ml',
  'com.microsoft',
  'com.microsoft.nchwc',
  'com.ms.internal.nhwc',
  'ai.onnx.preview',
])

/** Operators of the standard domain, deprecated ones included. Source: the schemas registered in onnx 1.23 and ONNX Runtime 1.30. */
const STANDARD = new Set(
  `Abs Acos Acosh Add Affine AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization
  Bernoulli BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike CausalConvWithState Ceil
  Celu CenterCropPad Clip Col2Im Compress Concat ConcatFromSequence Constant ConstantOfShape Conv ConvInteger ConvTranspose
  Cos Cosh Crop CumProd CumSum DFT DeformConv DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear DynamicSlice
  Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU GRUUnit Gather GatherElements GatherND Gelu Gemm GivenTensorFill
  GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow
  HardSigmoid HardSwish Hardmax Identity If ImageDecoder ImageScaler InstanceNormalization IsInf IsNaN LRN LSTM
  LayerNormalization LeakyRelu Less LessOrEqual LinearAttention Log LogSoftmax Loop LpNormalization LpPool MatMul MatMulInteger
  Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul Multinomial Neg
  NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not OneHot Optional OptionalGetElement OptionalHasElement Or PRelu Pad
  ParametricSoftplus Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN RandomNormal RandomNormalLike
  RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
  ReduceMin ReduceProd ReduceSum ReduceSumSquare RegexFullMatch Relu Reshape Resize ReverseSequence RoiAlign RotaryEmbedding
  Round STFT Scale ScaledTanh Scan Scatter ScatterElements ScatterND Selu SequenceAt SequenceConstruct SequenceEmpty
  SequenceErase SequenceInsert SequenceLength SequenceMap Shape Shrink Sigmoid Sign SimplifiedLayerNormalization Sin Sinh Size
  Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split SplitToSequence Sqrt Squeeze StringConcat
  StringNormalizer StringSplit Sub Sum SwiGLU Swish Tan Tanh TensorScatter TfIdfVectorizer ThresholdedRelu Tile TopK Transpose
  Trilu Unique Unsqueeze Upsample Where Xor`.split(/\s+/),
)

type OperatorSets = readonly Message<'OperatorSetIdProto'>[]

/** Throws model_opset_unsupported when the standard operator set is missing, or of a version that nobody released. */
export function requireOpsets(opsets: OperatorSets): void {
  if (opsets.length === 0) throw unsupported('the model does not say which operator set it uses')
  for (const { domain = '', version = 0 } of opsets) {
    const standard = domain === '' || domain === 'ai.onnx'
    if (version < 1 || (standard && version > LATEST_OPSET))
      throw unsupported(
        `the model uses operator set ${version}${standard ? '' : ` of ${domain}`}; 1 to ${LATEST_OPSET} are released and supported`,
      )
  }
}

const unsupported = (detail: string) =>
  new FewbitError('model_opset_unsupported', detail, {
    hint: 'export the model again with a released operator set, for example 17',
  })

/** Throws model_operator_unsupported for an operator that neither ONNX Runtime nor the model itself defines. */
export function refuseUnknownOperators({ node }: Message<'GraphProto'>, functions: FunctionTable): void {
  const bodies = [node, ...[...functions.values()].map((fn) => fn.node)]
  for (const body of bodies)
    for (const each of allNodes(body)) if (!calledFunction(functions, each)) refuseUnknown(each)
}

function refuseUnknown({ op_type = '', domain = '', name = '' }: Message<'NodeProto'>): void {
  const standard = domain === '' || domain === 'ai.onnx'
  if (standard ? STANDARD.has(op_type) : RUNTIME_DOMAINS.has(domain)) return
  const full = standard ? op_type : `${domain}:${op_type}`
  throw new FewbitError(
    'model_operator_unsupported',
    `node "${name.slice(0, 200)}" is the operator ${full.slice(0, 200)}, which ONNX Runtime does not know`,
    {
      hint: 'replace it by standard operators, or define it as a model-local function',
    },
  )
}

/** The names of operators as a type: one that is misspelt anywhere in the sources does not compile. */
import { type Words, wordsOf } from './words.ts'

/** Operators of the standard domain, deprecated ones included. Source: the schemas registered in onnx 1.23 and ONNX Runtime 1.30. */
const STANDARD = `
  Abs Acos Acosh Add Affine AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization
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
  Trilu Unique Unsqueeze Upsample Where Xor`

/** Operators that only ONNX Runtime defines, in the domain com.microsoft. Source: the schemas registered in ONNX Runtime 1.30. */
const MICROSOFT = `
  AttnLSTM BeamSearch BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu BifurcationDetector BitmaskBiasDropout
  BitmaskDropout CDist ComplexMul ComplexMulConj ConvTransposeWithDynamicPads CropAndResize DecoderAttention
  DecoderMaskedMultiHeadAttention DecoderMaskedSelfAttention DequantizeBFP DequantizeWithOrder DynamicQuantizeLSTM
  DynamicQuantizeMatMul DynamicTimeWarping EPContext EmbedLayerNormalization EngramGate ExpandDims FastGelu FusedConv
  FusedGemm FusedMatMul FusedMatMulActivation GatedAdd GatedDeltaNet GatedRMSNorm GatedRelativePositionBias
  GatherBlockQuantized GemmFastGelu GemmFloat8 GemmaRotaryEmbedding GreedySearch GroupNorm GroupQueryAttention Inverse Irfft
  IsAllFinite LinearAttentionGate LongformerAttention MRotaryEmbedding MatMulBlockQuantizedFp4Weight
  MatMulBlockQuantizedFp8Weight MatMulBnb4 MatMulFpQ4 MatMulInteger16 MatMulIntegerToFloat MatMulNBits MatMulNBitsMlp
  MatMulNBitsQkv MaxpoolWithMask MoE MulInteger MultiHeadAttention MurmurHash3 NGramHashMapping NGramRepeatBlock NhwcConv
  NhwcFusedConv NhwcMaxPool PackedAttention PackedMultiHeadAttention PagedAttention QAttention QEmbedLayerNormalization QGemm
  QLinearAdd QLinearAveragePool QLinearConcat QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean
  QLinearSigmoid QLinearSoftmax QLinearWhere QMoE QOrderedAttention QOrderedGelu QOrderedLayerNormalization
  QOrderedLongformerAttention QOrderedMatMul QuantizeBFP QuantizeWithOrder QuickGelu ReduceSumInteger RelativePositionBias
  RemovePadding RestorePadding Rfft SampleOp Sampling SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization
  Snpe SparseAttention SparseToDenseMatMul Tokenizer TorchEmbedding TransposeMatMul UnfoldTensor VarlenCausalConvWithState
  WhisperBeamSearch WordConvEmbedding`

/** Operators of classical machine learning, in the domain ai.onnx.ml. Source: as above. */
const MACHINE_LEARNING = `
  ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer Imputer LabelEncoder
  LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble
  TreeEnsembleClassifier TreeEnsembleRegressor ZipMap`

/** Name of an operator of the standard domain. */
export type StandardOperator = Words<typeof STANDARD>

/** Operators that stand in a graph while it trains, and become others before it runs. */
type TrainingOperator = 'FakeQuantize' | 'PowerOfTwo' | 'RoundTo' | 'Stop'

/** Any other name that a model may hold: to the compiler one with a space behind it, which no name in the sources has. */
type Unlisted = `${string} `

/** The operator of a node: a name that is listed here, or whatever else a model names. */
export type Operator =
  | StandardOperator
  | Words<typeof MICROSOFT>
  | Words<typeof MACHINE_LEARNING>
  | TrainingOperator
  | Unlisted

/** A table by operator, read with the operator of any node. */
export type ByOperator<T> = { readonly [Name in Operator]?: T }

export const STANDARD_OPERATORS: ReadonlySet<string> = new Set(wordsOf(STANDARD))

/** The operator that a model calls `name`. */
export const operatorCalled = (name: string): Operator => name as Operator

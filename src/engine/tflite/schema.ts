/** The tables of TensorFlow Lite's schema, version 3, that are written or read: fields in the order of their slots. */
import type { FileSlice } from '../ir/file.ts'

/** fields that other programs write and nobody reads here */
const unread = 'unread'

const OPTIONS = {
  Conv2DOptions: {
    padding: 'byte',
    stride_w: 'int',
    stride_h: 'int',
    fused_activation_function: 'byte',
    dilation_w_factor: 'int',
    dilation_h_factor: 'int',
  },
  DepthwiseConv2DOptions: {
    padding: 'byte',
    stride_w: 'int',
    stride_h: 'int',
    depth_multiplier: 'int',
    fused_activation_function: 'byte',
    dilation_w_factor: 'int',
    dilation_h_factor: 'int',
  },
  Pool2DOptions: {
    padding: 'byte',
    stride_w: 'int',
    stride_h: 'int',
    filter_width: 'int',
    filter_height: 'int',
    fused_activation_function: 'byte',
  },
  FullyConnectedOptions: { fused_activation_function: 'byte', weights_format: 'byte', keep_num_dims: 'bool' },
  TransposeConvOptions: { padding: 'byte', stride_w: 'int', stride_h: 'int', fused_activation_function: 'byte' },
  SoftmaxOptions: { beta: 'float' },
  ConcatenationOptions: { axis: 'int', fused_activation_function: 'byte' },
  AddOptions: { fused_activation_function: 'byte', pot_scale_int16: 'bool' },
  SubOptions: { fused_activation_function: 'byte', pot_scale_int16: 'bool' },
  MulOptions: { fused_activation_function: 'byte' },
  DivOptions: { fused_activation_function: 'byte' },
  MaximumMinimumOptions: {},
  ReshapeOptions: { new_shape: '[int]' },
  ReducerOptions: { keep_dims: 'bool' },
  TransposeOptions: {},
  PadOptions: {},
  PadV2Options: {},
  MirrorPadOptions: { mode: 'byte' },
  LogSoftmaxOptions: {},
  LeakyReluOptions: { alpha: 'float' },
  HardSwishOptions: {},
  QuantizeOptions: {},
  DequantizeOptions: {},
  BatchMatMulOptions: { adj_x: 'bool', adj_y: 'bool' },
  GatherOptions: { axis: 'int', batch_dims: 'int' },
  StridedSliceOptions: {
    begin_mask: 'int',
    end_mask: 'int',
    ellipsis_mask: 'int',
    new_axis_mask: 'int',
    shrink_axis_mask: 'int',
  },
  ResizeBilinearOptions: {
    new_height: unread,
    new_width: unread,
    align_corners: 'bool',
    half_pixel_centers: 'bool',
  },
  ResizeNearestNeighborOptions: { align_corners: 'bool', half_pixel_centers: 'bool' },
  ArgMaxOptions: { output_type: 'byte' },
  SpaceToDepthOptions: { block_size: 'int' },
  DepthToSpaceOptions: { block_size: 'int' },
} as const

export const TABLES = {
  Model: {
    version: 'int',
    operator_codes: '[OperatorCode]',
    subgraphs: '[SubGraph]',
    description: 'string',
    buffers: '[Buffer]',
    metadata_buffer: '[int]',
    metadata: '[Metadata]',
    signature_defs: '[SignatureDef]',
  },
  OperatorCode: { deprecated_builtin_code: 'byte', custom_code: 'string', version: 'int', builtin_code: 'int' },
  SubGraph: { tensors: '[Tensor]', inputs: '[int]', outputs: '[int]', operators: '[Operator]', name: 'string' },
  Tensor: {
    shape: '[int]',
    type: 'byte',
    buffer: 'int',
    name: 'string',
    quantization: 'QuantizationParameters',
    is_variable: 'bool',
    sparsity: unread,
    shape_signature: '[int]',
    has_rank: 'bool',
  },
  QuantizationParameters: {
    min: '[float]',
    max: '[float]',
    scale: '[float]',
    zero_point: '[long]',
    details_type: unread,
    details: unread,
    quantized_dimension: 'int',
  },
  Operator: { opcode_index: 'int', inputs: '[int]', outputs: '[int]', builtin_options: 'options' },
  Buffer: { data: 'bytes' },
  Metadata: { name: 'string', buffer: 'int' },
  SignatureDef: {
    inputs: '[TensorMap]',
    outputs: '[TensorMap]',
    signature_key: 'string',
    deprecated_tag: unread,
    subgraph_index: 'int',
  },
  TensorMap: { name: 'string', tensor_index: 'int' },
  ...OPTIONS,
} as const

type Tables = typeof TABLES
export type TableName = keyof Tables
export type OptionsName = keyof typeof OPTIONS

interface Scalars {
  bool: boolean
  byte: number
  int: number
  long: number
  float: number
  string: string
}
export type FieldType =
  | keyof Scalars
  | `[${'int' | 'long' | 'float'}]`
  | TableName
  | `[${TableName}]`
  | 'bytes'
  | 'options'
  | typeof unread

export type Bytes = Uint8Array | FileSlice

type ValueOf<F> = F extends keyof Scalars
  ? Scalars[F]
  : F extends `[${infer Element}]`
    ? readonly ValueOf<Element>[]
    : F extends 'bytes'
      ? Bytes
      : F extends 'options'
        ? Options
        : F extends TableName
          ? TableOf<F>
          : undefined

/** One table, by the names of its fields; an absent one has the schema's default. */
export type TableOf<Name extends TableName> = { readonly [F in keyof Tables[Name]]?: ValueOf<Tables[Name][F]> }

/** The union of an operator's options. */
export type Options = { [Name in OptionsName]: { type: Name; value: TableOf<Name> } }[OptionsName]

export const fieldsOf = (name: TableName): [string, FieldType][] => Object.entries(TABLES[name])

/** Bytes of a number in a table or a vector. */
export const WIDTHS: Readonly<Record<string, number>> = { bool: 1, byte: 1, int: 4, float: 4, long: 8 }

/** The places of options in the union, of which there are more. */
export const OPTIONS_CODES: Readonly<Record<OptionsName, number>> = {
  Conv2DOptions: 1,
  DepthwiseConv2DOptions: 2,
  Pool2DOptions: 5,
  FullyConnectedOptions: 8,
  SoftmaxOptions: 9,
  ConcatenationOptions: 10,
  AddOptions: 11,
  ResizeBilinearOptions: 15,
  ReshapeOptions: 17,
  SpaceToDepthOptions: 19,
  MulOptions: 21,
  PadOptions: 22,
  GatherOptions: 23,
  TransposeOptions: 26,
  ReducerOptions: 27,
  SubOptions: 28,
  DivOptions: 29,
  StridedSliceOptions: 32,
  LogSoftmaxOptions: 36,
  DequantizeOptions: 38,
  MaximumMinimumOptions: 39,
  ArgMaxOptions: 40,
  PadV2Options: 43,
  TransposeConvOptions: 49,
  ResizeNearestNeighborOptions: 74,
  LeakyReluOptions: 75,
  MirrorPadOptions: 77,
  QuantizeOptions: 89,
  HardSwishOptions: 91,
  DepthToSpaceOptions: 94,
  BatchMatMulOptions: 101,
}

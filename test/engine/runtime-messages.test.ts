/** What users read of ONNX Runtime's messages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { translateMessage } from '../../src/engine/runtime/messages.ts'

const SOURCE = '/onnxruntime_src/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:47'

const CASES: readonly [string, RegExp, RegExp][] = [
  [
    `Non-zero status code returned while running Reshape node. Name:'f' Status Message: ${SOURCE} onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) input_shape_size == size was false. The input tensor cannot be reshaped to the requested shape. Input shape:{2,288}, requested shape:{1,288}\n`,
    /^Node "f" \(Reshape\) .*\[2,288\] the shape \[1,288\]$/,
    /dynamic/,
  ],
  [
    "Non-zero status code returned while running Gather node. Name:'table' Status Message: indices element out of data bounds, idx=120 must be within the inclusive range [-100,99]",
    /^Node "table" \(Gather\) .* 120 lies outside/,
    /token ids/,
  ],
  [
    'Got invalid dimensions for input: x for the following indices\n index: 1 Got: 4 Expected: 3\n Please fix either the inputs/outputs or the model.',
    /^input "x" has the size 4 on axis 1, and the model takes 3$/,
    /arrays/,
  ],
  [
    "Non-zero status code returned while running MatMul node. Name:'mm' Status Message: /a/b/matmul_helper.h:158 onnxruntime::common::Status onnxruntime::MatMulComputeHelper::Compute(const onnxruntime::TensorShape&, const onnxruntime::TensorShape&, bool, bool) left_shape[left_num_dims - 1] == right_shape[0] was false. MatMul dimension mismatch",
    /^Node "mm" \(MatMul\) does not run: MatMul dimension mismatch$/,
    /sizes/,
  ],
  [
    'Load model from ./somewhere/m.onnx failed:Node (f) Op (Reshape) [ShapeInferenceError] Dimension could not be inferred',
    /^Node "f" \(Reshape\) does not run: Dimension could not be inferred$/,
    /./,
  ],
  [
    "Non-zero status code returned while running Conv node. Name:'y_nchwc' Status Message: Input channels C is not equal to kernel channels * group. C: 3 kernel channels: 5 group: 1",
    /^The Conv that computes "y" does not run: its input has 3 channels, and its weight takes 5 in each of 1 group$/,
    /channels first/,
  ],
  [
    'Load model from /tmp/f.onnx failed:This is an invalid model. In Node, ("noaxis", Concat, "", -1) : ("a": tensor(float),"x": tensor(float),) -> ("y": tensor(float),) , Error Required attribute \'axis\' is missing.',
    /^Node "noaxis" \(Concat\) does not run: it has no attribute "axis", which this operator needs$/,
    /check_model/,
  ],
  [
    "Load model from /tmp/f.onnx failed:Node (split) Op (Split) [ShapeInferenceError] Mismatch between the sum of 'split' (6) and the split dimension of the input (8)",
    /^Node "split" \(Split\) does not run: its parts have 6 elements together, and its input has 8 on that axis$/,
    /one size/,
  ],
  [
    'Load model from /tmp/f.onnx failed:Type Error: Type (tensor(float)) of output arg (y) of node (id) does not match expected type (tensor(string)).',
    /^the file declares output "y" of node "id" as tensor\(float\), and the node gives tensor\(string\)$/,
    /Cast/,
  ],
  [
    'Something that nobody has seen in /home/me/model.onnx',
    /^Something that nobody has seen in model\.onnx$/,
    /float model/,
  ],
]

for (const [message, detail, hint] of CASES) {
  test(`"${message.slice(0, 60)}" becomes words and a hint`, () => {
    const translated = translateMessage(message)
    assert.match(translated.detail, detail)
    assert.match(translated.hint ?? '', hint)
  })
}

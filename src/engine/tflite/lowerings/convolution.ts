/** Convolutions: channels last, with depthwise ones of their own. */
import { at } from '../../ir/list.ts'
import { bring, emit, refuse, reshapeTo, type Stored } from '../emitter.ts'
import type { TensorNode } from '../network.ts'
import type { Options } from '../schema.ts'
import type { Site } from '../site.ts'
import { biasOf } from './bias.ts'
import type { LoweringTable } from './define.ts'
import { fit, padded, planes, sizeOf, type Window, windowOf, writePlanes } from './planes.ts'

export const CONVOLUTION = {
  Conv: {
    lower: lowerConv,
    channelsLast: true,
    examples: [
      'Y = Conv(X[1,3,8,8], W[4,3,3,3], B[4], pads=[1,1,1,1])',
      'Y = Conv(X[1,3,9,8], W[4,3,3,3], B[4], pads=[1,1,1,1], strides=[2,2])',
      'Y = Conv(X[1,3,7,8], W[4,3,3,2], dilations=[2,1])',
      "Y = Conv(X[1,3,8,8], W[4,3,3,3], B[4], auto_pad='SAME_LOWER', strides=[2,2])",
      'Y = Conv(X[1,4,8,8], W[4,1,3,3], B[4], group=4, pads=[1,1,1,1])',
      'Y = Conv(X[1,4,8,8], W[8,1,3,3], B[8], group=4, strides=[2,2], pads=[0,0,1,1])',
      'Y = Conv(X[1,4,6,6], W[8,2,3,3], B[8], group=2)',
      'Y = Conv(X[1,4,12], W[6,4,3], B[6], pads=[1,1])',
      'Y = Conv(X[1,1,9,5], W[4,1,3,3], B[4])',
    ],
  },
} as const satisfies LoweringTable

function lowerConv(site: Site): void {
  const { node } = site
  const [x, w] = [site.input(0), site.input(1)]
  if (!w.tensor.data) refuse(node, 'its weight is not a constant')
  if (x.tensor.type === 'int16') refuse(node, 'its activations have 16 bits')
  const window = windowOf(node, x.shape, site.outputShape(), w.shape.slice(2))
  const input = planes(site, x)
  const isDepthwise = node.int('group', 1) > 1 && at(w.shape, 1) === 1
  const weight = isDepthwise ? depthwiseWeight(site, w) : planeWeight(site, w)
  const bias = biasOf(site, 2, x.tensor, w.tensor, at(w.shape, 0))
  writePlanes(site, (output) => {
    const { padding, pads } = fit(window, sizeOf(input), sizeOf(output))
    const source = pads ? padded(site, input, pads) : input
    const options = isDepthwise
      ? depthwiseOptions(window, padding, at(w.shape, 0) / node.int('group', 1))
      : convOptions(window, padding)
    emit(site.emitter, isDepthwise ? 'DEPTHWISE_CONV_2D' : 'CONV_2D', [source, weight, bias], [output], options)
  })
}

/** [M, C, h, w] as [M, h, w, C] */
function planeWeight({ emitter }: Site, weight: Stored): TensorNode {
  const [m = 1, c = 1, ...places] = weight.shape
  const moved = bring(emitter, weight, [0, ...places.map((_, i) => i + 2), 1])
  return places.length === 2 ? moved : reshapeTo(emitter, moved, [m, 1, ...places, c])
}

/** [M, 1, h, w] as [1, h, w, M] */
function depthwiseWeight({ emitter }: Site, weight: Stored): TensorNode {
  const [m = 1, , ...places] = weight.shape
  const moved = bring(emitter, weight, [1, ...places.map((_, i) => i + 2), 0])
  const shape = places.length === 2 ? moved.shape : [1, 1, ...places, m]
  const { quantization } = moved
  return {
    ...reshapeTo(emitter, moved, shape),
    quantization: quantization && { ...quantization, axis: quantization.scales.length > 1 ? 3 : 0 },
  }
}

const strided = ({ strides, dilations }: Window, padding: number) => ({
  padding,
  stride_h: strides[0],
  stride_w: strides[1],
  dilation_h_factor: dilations[0],
  dilation_w_factor: dilations[1],
})

const convOptions = (window: Window, padding: number): Options => ({
  type: 'Conv2DOptions',
  value: strided(window, padding),
})

const depthwiseOptions = (window: Window, padding: number, multiplier: number): Options => ({
  type: 'DepthwiseConv2DOptions',
  value: { ...strided(window, padding), depth_multiplier: multiplier },
})

/** Normalizations over channels or features. */
import { activation, bias, defineOps, weight } from './define.ts'

export const NORMALIZATION = defineOps(['LayerNormalization', 'InstanceNormalization'], {
  class: 'pointwise',
  inputs: ['X', 'Scale', 'B?'],
  outputs: ['Y'],
  quant: { X: activation, Scale: weight(() => null), B: bias('X', 'Scale'), Y: activation },
  refuses: (node) => (node.outputs.slice(1).some(Boolean) ? 'its statistics have no integer form' : null),
})

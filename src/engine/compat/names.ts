/** The names that onnxruntime.quantization gives to what it adds. */
export const quantizedName = (name: string): string => `${name}_quantized`
export const scaleName = (name: string): string => `${name}_scale`
export const zeroPointName = (name: string): string => `${name}_zero_point`
export const quantizeNode = (name: string): string => `${name}_QuantizeLinear`
export const quantizeInput = (name: string): string => `${name}_QuantizeLinear_Input`
export const quantizeOutput = (name: string): string => `${name}_QuantizeLinear_Output`
export const dequantizeNode = (name: string): string => `${name}_DequantizeLinear`
export const dequantizeOutput = (name: string): string => `${name}_DequantizeLinear_Output`

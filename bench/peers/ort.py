"""onnxruntime.quantization as a user would call it: pre-process, quantize_static; prints seconds and peak memory as JSON."""
import json
import os
import re
import sys
import tempfile
import time

import numpy
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

model, data, target, setting, batch, scales, most = *sys.argv[1:5], int(sys.argv[5]), json.loads(sys.argv[6]), int(sys.argv[7])
SETTINGS = {
    "default": dict(),
    "minmax": dict(per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8),
    "percentile": dict(per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.Percentile),
    "entropy": dict(per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.Entropy),
}


class Reader(CalibrationDataReader):
    def __init__(self):
        arrays = numpy.load(data)
        self.arrays = {
            name: (arrays[name] * numpy.float32(scales[name])).astype(numpy.float32) if name in scales else arrays[name]
            for name in arrays.files
            if name != "labels"
        }
        self.count = min(most, len(next(iter(self.arrays.values()))))
        self.at = 0

    def get_next(self):
        if self.at >= self.count:
            return None
        end = min(self.at + batch, self.count)
        feeds = {name: array[self.at : end] for name, array in self.arrays.items()}
        self.at = end
        return feeds


model, data, target = map(os.path.abspath, (model, data, target))
started = time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)  # ONNX Runtime's shape inference writes files of its own into the current directory
    prepared = os.path.join(folder, "prepared.onnx")
    source = prepared
    try:
        quant_pre_process(model, prepared, skip_symbolic_shape=False)
    except Exception:
        try:
            quant_pre_process(model, prepared, skip_symbolic_shape=True)
        except Exception:
            source = model
    if setting == "dynamic":
        quantize_dynamic(source, target, per_channel=True)
    else:
        quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ, **SETTINGS[setting])
seconds = time.perf_counter() - started
# ru_maxrss would begin with the size of the process that started this one
peak = int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read()).group(1))
print(json.dumps({"seconds": seconds, "peakBytes": peak * 1024}))

"""onnxruntime.quantization as a user would call it, one request a line: {"model", "data", "target", "method"} in, {"problem": null or words} out."""
import json
import logging
import os
import sys
import tempfile

import numpy
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.disable(logging.CRITICAL)


class Reader(CalibrationDataReader):
    def __init__(self, path):
        self.arrays = dict(numpy.load(path))
        self.at = 0

    def get_next(self):
        if self.at >= len(next(iter(self.arrays.values()))):
            return None
        feeds = {name: array[self.at : self.at + 8] for name, array in self.arrays.items()}
        self.at += 8
        return feeds


def quantize(model, data, target, method):
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # ONNX Runtime's shape inference writes files of its own into the current directory
        source = os.path.join(folder, "prepared.onnx")
        try:
            quant_pre_process(model, source, skip_symbolic_shape=True)
        except Exception:
            source = model
        if method == "dynamic":
            quantize_dynamic(source, target, per_channel=True)
        else:
            quantize_static(source, target, Reader(data), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


for line in sys.stdin:
    try:
        quantize(**json.loads(line))
        problem = None
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"[:200]
    print(json.dumps({"problem": problem}), flush=True)

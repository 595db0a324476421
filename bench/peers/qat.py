"""A step of PyTorch's FX quantization-aware training, timed on request.

qat.py <mobilenet_v2|resnet18> <onnx to write> : exports the float model (10 classes, 96x96), then answers every line `N` on standard
input with N step times in milliseconds as JSON, and `memory` with the peak of its memory in bytes.
"""
import json
import re
import sys
import time

import torch

# A torchvision wheel that was built for another torch lacks its detection kernels; nobody needs them here.
torch.library.register_fake = lambda *_, **__: lambda function: function
import torchvision
from torch.ao.quantization import get_default_qat_qconfig_mapping
from torch.ao.quantization.quantize_fx import prepare_qat_fx

BATCH, SIZE, CLASSES = 16, 96, 10
name, path = sys.argv[1], sys.argv[2]
torch.set_num_threads(2)
torch.manual_seed(0)
model = getattr(torchvision.models, name)(num_classes=CLASSES)
sample = torch.randn(BATCH, 3, SIZE, SIZE)
model.eval()
torch.onnx.export(
    model, (sample,), path, input_names=["x"], output_names=["y"], opset_version=17, dynamic_axes={"x": {0: "N"}, "y": {0: "N"}}, dynamo=False
)

model.train()
torch.backends.quantized.engine = "x86"
prepared = prepare_qat_fx(model, get_default_qat_qconfig_mapping("x86"), (sample,))
prepared.train()
optimizer = torch.optim.SGD(prepared.parameters(), lr=0.01, momentum=0.9)
loss = torch.nn.CrossEntropyLoss()
labels = torch.randint(0, CLASSES, (BATCH,))


def step():
    started = time.perf_counter()
    optimizer.zero_grad()
    loss(prepared(sample), labels).backward()
    optimizer.step()
    return 1000 * (time.perf_counter() - started)


print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "memory":
        with open("/proc/self/status") as status:
            print(1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)), flush=True)
    else:
        print(json.dumps([step() for _ in range(int(line))]), flush=True)

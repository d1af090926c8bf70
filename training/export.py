"""Networks as ONNX files, and the proof that the file computes what the network does."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import openvino
import torch
from torch import nn

OPSET = 17


def export(
    network: nn.Module,
    example: torch.Tensor,
    path: Path,
    *,
    input_name: str,
    output_names: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
) -> None:
    """Write `network` as ONNX; `example` is one input, `dynamic` the names of the axes that may vary, by tensor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = network.cpu().eval().to(memory_format=torch.contiguous_format)
    with warnings.catch_warnings():
        # The newer exporter wants another library and writes a newer opset than every engine here reads.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            plain,
            (example.cpu(),),
            str(path),
            input_names=[input_name],
            output_names=list(output_names),
            dynamic_axes={name: dict(axes) for name, axes in dynamic.items()},
            opset_version=OPSET,
            dynamo=False,
        )


def difference(network: nn.Module, path: Path, example: torch.Tensor) -> float:
    """The largest difference, over all outputs for `example`, between `network` and the file as OpenVINO runs it."""
    with torch.inference_mode():
        wanted = network.cpu().eval()(example.cpu())
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    given = openvino.Core().compile_model(str(path), "CPU", hint)([example.cpu().numpy()])
    outputs = wanted if isinstance(wanted, tuple) else (wanted,)
    return max(float(np.abs(given[at] - one.numpy()).max()) for at, one in enumerate(outputs))

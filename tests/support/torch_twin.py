"""The same network for Torch: TorchScript made from an ONNX file, so that its engine can be held against the others."""

import io
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper


class Twin(torch.nn.Module):  # type: ignore[misc]  # Torch's classes have no types
    """Does what the nodes of `network` say, for the few operators that the networks of the tests consist of."""

    def __init__(self, network: bytes) -> None:
        super().__init__()
        graph = onnx.load_from_string(network).graph
        self._nodes = [node for node in graph.node if node.op_type != "Constant"]
        self._names = {one.name: f"weight_{k}" for k, one in enumerate(graph.initializer)}
        for one in graph.initializer:
            self.register_buffer(self._names[one.name], torch.from_numpy(np.array(numpy_helper.to_array(one))))
        self._ports = graph.input[0].name, graph.output[0].name

    def forward(self, volume: Any) -> Any:
        values = {self._ports[0]: volume, **{name: getattr(self, held) for name, held in self._names.items()}}
        for node in self._nodes:
            inputs = [values[name] for name in node.input if name in values]
            options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
            values[node.output[0]] = _apply(node.op_type, inputs, options)
        return values[self._ports[1]]


def twin(network: bytes, side: int) -> bytes:
    """TorchScript of `network` (ONNX, one channel in), traced on a cube of `side`, for any size."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(Twin(network).eval(), torch.rand(1, 1, side, side, side)), buffer)
    return buffer.getvalue()


def _apply(operator: str, inputs: list[Any], options: dict[str, Any]) -> Any:
    functional = torch.nn.functional
    match operator:
        case "Conv":
            pads = options["pads"][: len(options["pads"]) // 2]
            return functional.conv3d(*inputs, stride=options["strides"], padding=pads, dilation=options["dilations"])
        case "Relu":
            return functional.relu(inputs[0])
        case "Elu":
            return functional.elu(inputs[0])
        case "MaxPool":
            return functional.max_pool3d(inputs[0], options["kernel_shape"], options["strides"])
        case "Resize":  # these networks only ever double
            return functional.interpolate(inputs[0], scale_factor=2, mode="nearest")
        case "Concat":
            return torch.cat(inputs, options["axis"])
    raise NotImplementedError(operator)

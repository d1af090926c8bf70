"""OpenVINO, on the CPU."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from inference_worker.engines.checked import Array, CheckedEngine
from inference_worker.engines.libraries import imported
from inference_worker.engines.ports import Ports, usual
from inference_worker.engines.protocol import Float
from models.manifest import Network


class OpenVinoEngine(CheckedEngine):
    """ONNX on the CPU, in 32-bit floats: bfloat16 gains little there and moves logits by 4e-2."""

    def __init__(self, threads: int = 0) -> None:
        """`threads` of the CPU; 0 takes all. Raises ConfigurationError where the library is absent."""
        super().__init__()
        self._library = imported("openvino")
        self._threads = threads
        self._model: Any = None
        self._usual: tuple[int, ...] = ()
        self._requests: dict[tuple[int, ...], Any] = {}

    @property
    def name(self) -> str:
        return f"OpenVINO {self._library.__version__.partition('-')[0]} (CPU)"

    def _open(self, network: bytes, wanted: Network) -> Ports:
        self._requests.clear()
        self._model = self._library.Core().read_model(io.BytesIO(network))
        inputs = {port.any_name: _shape(port.partial_shape) for port in self._model.inputs}
        if wanted.input in inputs:
            self._usual = usual(inputs[wanted.input], wanted)
        return Ports(inputs, tuple(port.any_name for port in self._model.outputs))

    def _compile(self, shape: tuple[int, ...]) -> Any:
        """A request for inputs of `shape` alone, or of any with (): the former is a fifth faster."""
        model = self._model.clone()
        if shape:
            model.reshape(shape)
        return self._library.Core().compile_model(model, "CPU", self._hints()).create_infer_request()

    def _run(self, batch: Float) -> Mapping[str, Array]:
        shape = batch.shape if batch.shape == self._usual else ()
        request = self._requests.pop(shape, None) or self._compile(shape)
        given = self._given(request)
        # Not infer(): where memory runs out inside it, OpenVINO 2026.4 returns the outputs of the call before and
        # raises nothing. start_async() and wait() raise; but what failed half way keeps the shapes that it was given,
        # and is used no more.
        request.start_async([batch], share_inputs=True)
        request.wait()
        self._requests[shape] = request
        return {name: given(number) for number, port in enumerate(request.model_outputs) for name in port.names}

    def _given(self, request: Any) -> Callable[[int], Array]:
        """How to come by an output by its number: an array that the call writes to, which is nobody else's afterwards.

        Where the outputs' shapes are not known ahead it is a copy of the request's own, which the next call overwrites;
        that takes the output's memory twice, and a hundred classes in a window are half a gigabyte.
        """
        ports = request.model_outputs
        if any(port.partial_shape.is_dynamic for port in ports):
            return lambda number: np.array(request.get_output_tensor(number).data)
        own = [np.empty(tuple(port.shape), port.element_type.to_dtype()) for port in ports]
        for number, array in enumerate(own):
            request.set_output_tensor(number, self._library.Tensor(array, shared_memory=True))
        return own.__getitem__

    def _hints(self) -> dict[str, object]:
        hints: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        return {**hints, "INFERENCE_NUM_THREADS": self._threads} if self._threads else hints


def _shape(partial: Any) -> tuple[int, ...]:
    """0 for a free dimension; () where not even their number is known."""
    if partial.rank.is_dynamic:
        return ()
    return tuple(0 if size.is_dynamic else size.get_length() for size in partial)

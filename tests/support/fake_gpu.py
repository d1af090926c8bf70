"""A GPU that is this machine's own memory: libcuda's functions, and as much of TensorRT as the engine calls.

The network that this TensorRT "compiles" is the square root, whatever the ONNX says; in FP16 it is rounded to that.
"""

import ctypes
import json
from types import SimpleNamespace
from typing import Any

import numpy as np


class Cuda:
    """libcuda, as ctypes would have loaded it. `limit` is the memory in bytes."""

    def __init__(self, cards: tuple[str, ...] = ("NVIDIA H200",), limit: int = 1 << 30) -> None:
        self._cards, self._limit = cards, limit
        self.held: dict[int, Any] = {}

    def cuInit(self, _flags: int) -> int:  # noqa: N802 (names of the library)
        return 0 if self._cards else 100  # CUDA_ERROR_NO_DEVICE

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self._cards)
        return 0

    def cuDeviceGet(self, device: Any, index: ctypes.c_int) -> int:  # noqa: N802
        device._obj.value = index.value
        return 0

    def cuDeviceGetName(self, name: Any, _size: ctypes.c_int, device: ctypes.c_int) -> int:  # noqa: N802
        name.value = self._cards[device.value].encode()
        return 0

    def cuDeviceTotalMem_v2(self, memory: Any, _device: ctypes.c_int) -> int:  # noqa: N802
        memory._obj.value = self._limit
        return 0

    def cuDeviceGetAttribute(self, value: Any, which: ctypes.c_int, _device: ctypes.c_int) -> int:  # noqa: N802
        value._obj.value = {75: 9, 76: 0}[which.value]
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, _device: ctypes.c_int) -> int:  # noqa: N802
        context._obj.value = 7
        return 0

    def cuCtxSetCurrent(self, context: ctypes.c_void_p) -> int:  # noqa: N802
        return 0 if context.value == 7 else 201  # CUDA_ERROR_INVALID_CONTEXT

    def cuStreamCreate(self, stream: Any, _flags: int) -> int:  # noqa: N802
        stream._obj.value = 5
        return 0

    def cuStreamSynchronize(self, stream: ctypes.c_void_p) -> int:  # noqa: N802
        return 0 if stream.value == 5 else 400  # CUDA_ERROR_INVALID_HANDLE

    def cuMemAlloc_v2(self, address: Any, size: ctypes.c_size_t) -> int:  # noqa: N802
        if sum(map(len, self.held.values())) + size.value > self._limit:
            return 2
        block = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(block)
        self.held[ctypes.addressof(block)] = block
        return 0

    def cuMemFree_v2(self, address: ctypes.c_uint64) -> int:  # noqa: N802
        del self.held[address.value]
        return 0

    def cuMemcpyHtoDAsync_v2(  # noqa: N802
        self, address: ctypes.c_uint64, source: ctypes.c_void_p, size: ctypes.c_size_t, stream: ctypes.c_void_p
    ) -> int:
        assert size.value <= len(self.held[address.value])
        if stream.value != 5:
            return 400
        ctypes.memmove(address.value, source.value or 0, size.value)
        return 0

    def cuMemcpyDtoH_v2(self, target: ctypes.c_void_p, address: ctypes.c_uint64, size: ctypes.c_size_t) -> int:  # noqa: N802
        assert size.value <= len(self.held[address.value])
        ctypes.memmove(target.value or 0, address.value, size.value)
        return 0


class ILogger:
    Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)

    def __init__(self) -> None:
        self.made = True


class Context:
    """IExecutionContext."""

    def __init__(self, plan: dict[str, Any], log: Any) -> None:
        self._plan, self._log = plan, log
        self._shape: tuple[int, ...] = ()
        self._addresses: dict[str, int] = {}
        self._scratch = 0

    def set_input_shape(self, _name: str, shape: tuple[int, ...]) -> bool:
        least = self._plan["profile"][0]
        self._shape = shape
        fits = len(least) == len(shape) and all(low <= size for low, size in zip(least, shape, strict=True))
        if not fits:
            self._log.log(1, f"setInputShape: {shape} does not satisfy the profile")
        return fits

    def infer_shapes(self) -> list[str]:
        return []

    def update_device_memory_size_for_shapes(self) -> int:
        return 4 * int(np.prod(self._shape))

    def set_device_memory(self, memory: int, size: int) -> None:
        assert size == self.update_device_memory_size_for_shapes()
        self._scratch = memory

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def get_tensor_address(self, name: str) -> int:
        return self._addresses[name]

    def get_tensor_shape(self, _name: str) -> tuple[int, ...]:
        return self._shape

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert stream_handle == 5 and self._scratch
        given, *made = (self._array(name) for name in ("volume", *self._plan["outputs"]))
        for output in made:
            output[:] = np.sqrt(given.astype(np.float16) if self._plan["fp16"] else given)
        return True

    def _array(self, name: str) -> np.ndarray[Any, Any]:
        size = int(np.prod(self._shape))
        memory = (ctypes.c_char * (4 * size)).from_address(self._addresses[name])
        return np.frombuffer(memoryview(memory), np.float32)


class CudaEngine:
    """ICudaEngine."""

    device_memory_size_v2 = 1 << 20

    def __init__(self, plan: dict[str, Any], log: Any) -> None:
        self._plan, self._log = plan, log
        self.num_io_tensors = 1 + len(plan["outputs"])

    def get_tensor_name(self, index: int) -> str:
        return str(("volume", *self._plan["outputs"])[index])

    def get_tensor_mode(self, name: str) -> str:
        return TensorIOMode.INPUT if name == "volume" else TensorIOMode.OUTPUT

    def get_tensor_shape(self, _name: str) -> tuple[int, ...]:
        return (-1, 1, -1, -1, -1)

    def get_tensor_dtype(self, _name: str) -> str:
        return "float32"

    def get_tensor_profile_shape(self, _name: str, profile_index: int) -> list[tuple[int, ...]]:
        assert profile_index == 0
        return [tuple(shape) for shape in self._plan["profile"]]

    def create_execution_context(self, strategy: str) -> Context:
        assert strategy == ExecutionContextAllocationStrategy.USER_MANAGED
        return Context(self._plan, self._log)


class Runtime:
    def __init__(self, logger: Any) -> None:
        assert logger.made
        self._log = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> CudaEngine | None:
        plan = serialized_engine.removeprefix(b"plan")
        return CudaEngine(json.loads(plan), self._log) if plan != serialized_engine else None


class Network:
    """INetworkDefinition."""

    def __init__(self) -> None:
        self.outputs = [SimpleNamespace(name="logits"), SimpleNamespace(name="map")]
        self.num_inputs = 1

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    def get_input(self, _index: int) -> Any:
        return SimpleNamespace(name="volume", shape=(-1, 1, -1, -1, -1))

    def get_output(self, index: int) -> Any:
        return self.outputs[index]

    def unmark_output(self, tensor: Any) -> None:
        self.outputs.remove(tensor)


class OnnxParser:
    def __init__(self, network: Network, logger: Any) -> None:
        assert logger.made and network.num_outputs
        self.num_errors = 0

    def parse(self, model: bytes) -> bool:
        self.num_errors = 0 if b"Sqrt" in model else 1
        return not self.num_errors

    def get_error(self, _index: int) -> Any:
        return SimpleNamespace(desc=lambda: "ModelProto could not be parsed")


class Profile:
    """IOptimizationProfile."""

    def __init__(self) -> None:
        self.shapes: tuple[Any, ...] = ()

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:  # noqa: A002 (names of the library)
        assert input == "volume" and all(a <= b <= c for a, b, c in zip(min, opt, max, strict=True))
        self.shapes = (min, opt, max)


class Config:
    """IBuilderConfig."""

    def __init__(self) -> None:
        self.flags, self.profiles = {BuilderFlag.TF32}, list[Profile]()
        self.pools: dict[str, int] = {}

    def set_flag(self, flag: str) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: str) -> None:
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool: str, pool_size: int) -> None:
        self.pools[pool] = pool_size

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1


class Builder:
    built: list[str]  # the precision of every network compiled, set by `tensorrt`
    pools: list[dict[str, int]]  # and the limits of its memory
    refuses: frozenset[str]

    def __init__(self, logger: Any) -> None:
        self._log = logger

    def create_network(self, _flags: int) -> Network:
        return Network()

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        assert BuilderFlag.TF32 not in config.flags
        precision = "fp16" if BuilderFlag.FP16 in config.flags else "fp32"
        self.built.append(precision)
        self.pools.append(config.pools)
        if precision in self.refuses:
            self._log.log(1, "Requested amount of GPU memory (1073741824 bytes) could not be allocated")
            return None
        plan = {
            "fp16": precision == "fp16",
            "outputs": [port.name for port in network.outputs],
            "profile": config.profiles[0].shapes,
        }
        return b"plan" + json.dumps(plan).encode()


class BuilderFlag:
    FP16, TF32 = "fp16", "tf32"


class MemoryPoolType:
    WORKSPACE = "workspace"


class TensorIOMode:
    INPUT, OUTPUT = "input", "output"


class ExecutionContextAllocationStrategy:
    USER_MANAGED = "user"


def volume(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def nptype(_kind: str) -> type[np.float32]:
    return np.float32


def tensorrt(refuses: frozenset[str] = frozenset(), version: str = "10.15.1.29", flags: Any = BuilderFlag) -> Any:
    """The module; its Builder.built says what it compiled. `flags` are the builder's that it has."""
    builder = type("Builder", (Builder,), {"built": [], "pools": [], "refuses": refuses})
    shared = (
        ILogger,
        Runtime,
        OnnxParser,
        BuilderFlag,
        MemoryPoolType,
        TensorIOMode,
        ExecutionContextAllocationStrategy,
        volume,
        nptype,
    )
    named: dict[str, Any] = {"IBuilderConfig": Config, "ICudaEngine": CudaEngine, "IExecutionContext": Context}
    named |= {one.__name__: one for one in shared}
    return SimpleNamespace(__version__=version, Builder=builder, **{**named, "BuilderFlag": flags})

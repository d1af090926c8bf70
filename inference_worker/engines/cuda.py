"""The GPU's driver, as little of it as engines need: which GPUs there are, and memory on one of them.

It is asked through its own library, libcuda, which comes with the driver: a machine without one has no GPU to use, and
nothing else (Torch, cuda-python) need be installed to see that. The functions are those of the CUDA driver API, whose
binary interface is kept from version to version.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
_OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY
_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING


@dataclass(frozen=True)
class Gpu:
    """One GPU: `capability` as in 9.0, `memory` in bytes."""

    name: str
    capability: tuple[int, int]
    memory: int


class Driver:
    """The driver's library, ready to use. Raises RuntimeError, or MemoryError where the GPU has none left."""

    def __init__(self, library: Any) -> None:
        """`library` is what ctypes loads of libcuda."""
        self._cuda = library
        self._call("cuInit", 0)

    def gpus(self) -> tuple[Gpu, ...]:
        """All GPUs that this process sees."""
        count = ctypes.c_int()
        self._call("cuDeviceGetCount", ctypes.byref(count))
        return tuple(self._gpu(index) for index in range(count.value))

    def use(self, index: int = 0) -> None:
        """Make GPU `index` this thread's, in the context that CUDA's runtime, and so TensorRT, uses too."""
        context = ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device(index))
        self._call("cuCtxSetCurrent", context)

    def stream(self) -> int:
        """A new stream."""
        stream = ctypes.c_void_p()
        self._call("cuStreamCreate", ctypes.byref(stream), _NON_BLOCKING)
        return stream.value or 0

    def wait(self, stream: int) -> None:
        """Return when all that was given to `stream` is done."""
        self._call("cuStreamSynchronize", ctypes.c_void_p(stream))

    def take(self, size: int) -> int:
        """The address of `size` bytes on the GPU, on a boundary of 256."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address.value

    def give_back(self, address: int) -> None:
        """Free what `take` gave."""
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def copy_in(self, address: int, array: NDArray[Any], stream: int) -> None:
        """`array` (contiguous) to the GPU, before what is given to `stream` later; it must last until that is done.

        A copy without a stream may go on when the call has returned, and a stream that does not wait for the default
        one would compute on what was there before.
        """
        source = ctypes.c_void_p(array.ctypes.data)
        size = ctypes.c_size_t(array.nbytes)
        self._call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), source, size, ctypes.c_void_p(stream))

    def copy_out(self, address: int, shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        """An array of `shape` and `kind` from the GPU."""
        array = np.empty(shape, kind)
        target = ctypes.c_void_p(array.ctypes.data)
        self._call("cuMemcpyDtoH_v2", target, ctypes.c_uint64(address), ctypes.c_size_t(array.nbytes))
        return array

    def _gpu(self, index: int) -> Gpu:
        device, name, memory = self._device(index), ctypes.create_string_buffer(256), ctypes.c_size_t()
        self._call("cuDeviceGetName", name, ctypes.c_int(len(name)), device)
        self._call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
        capability = self._attribute(_MAJOR, device), self._attribute(_MINOR, device)
        return Gpu(name.value.decode("utf-8", "replace"), capability, memory.value)

    def _device(self, index: int) -> ctypes.c_int:
        device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(index))
        return device

    def _attribute(self, which: int, device: ctypes.c_int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(which), device)
        return value.value

    def _call(self, function: str, *arguments: object) -> None:
        code = getattr(self._cuda, function)(*arguments)
        if code == _OUT_OF_MEMORY:
            raise MemoryError(f"{function}: the GPU has no memory left")
        if code:
            raise RuntimeError(f"{function}: CUDA error {code}")


class Memory:
    """Named buffers on the GPU that grow as they must and are kept from one use to the next."""

    def __init__(self, driver: Driver, limit: int = 0) -> None:
        """`limit` (bytes) is for all buffers together; 0 is whatever the GPU has."""
        self._driver, self._limit = driver, limit
        self._held: dict[str, tuple[int, int]] = {}

    def of(self, name: str, size: int) -> int:
        """The address of at least `size` bytes; what they held is lost. Raises MemoryError past the limit."""
        address, held = self._held.get(name, (0, 0))
        if held >= max(size, 1):
            return address
        if held:
            self._drop(name)
        if self._limit and sum(taken for _, taken in self._held.values()) + size > self._limit:
            raise MemoryError(f"out of memory: {size} bytes more would exceed the limit of {self._limit}")
        self._held[name] = self._driver.take(max(size, 1)), max(size, 1)
        return self._held[name][0]

    def release(self) -> None:
        """Free all of them."""
        for name in tuple(self._held):
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._driver.give_back(self._held.pop(name)[0])


def driver(load: Callable[[str], Any] = ctypes.CDLL) -> Driver | None:
    """The driver, or None on a machine that has none. Call it in the process that uses the GPU, never before a fork."""
    try:
        return Driver(load("libcuda.so.1"))
    except (OSError, RuntimeError):
        return None


def gpus() -> tuple[Gpu, ...]:
    """The GPUs of this machine; none without a driver."""
    found = driver()
    return found.gpus() if found else ()

"""TensorRT, on an NVIDIA GPU: a network is compiled for the very GPU at its first use, and kept.

Written for TensorRT 10 (10.15): weakly typed networks, so that FP16 is a flag and TensorRT keeps FP32 where it must.
Another major version is asked what it has: without that flag FP16 is not tried, and without what the engine calls it
is not used at all.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from domain.errors import ConfigurationError, Permanent
from inference_worker.engines import cuda
from inference_worker.engines.checked import Array, CheckedEngine
from inference_worker.engines.libraries import LIBRARIES, imported
from inference_worker.engines.plans import BuildSettings, building, plan_name, read_plan, write_plan
from inference_worker.engines.ports import Ports, channels_last, first
from inference_worker.engines.protocol import Engine, Float, OutOfMemory
from models.manifest import Network

Shape = tuple[int, ...]

# Sides of a free space that is not passed in windows: what is compiled for best, and what goes through at all. More
# would exceed the 2**31 elements that a tensor may have (128 channels of 256 cubed), or the GPU while compiling.
_BEST = {2: 512, 3: 128}
_MOST = {2: 2048, 3: 256}


class TensorRtEngine(CheckedEngine):
    """ONNX on the first GPU; FP16 where the package's golden sample allows it, otherwise FP32 (without TF32)."""

    def __init__(
        self,
        cache: Path,
        agrees: Callable[[Engine], bool] | None = None,
        driver: cuda.Driver | None = None,
        memory: int = 0,
    ) -> None:
        """Compiled networks are kept in `cache`. `memory` (bytes, 0: all) is what they may take beside their weights.

        `agrees` runs the package's golden sample through the engine that it is given, which is loaded (its load does
        nothing), and says whether the result lies within the package's tolerance; without it FP16 is not tried.
        Raises ConfigurationError where the library or a GPU is missing.
        """
        super().__init__()
        # First the GPU: TensorRT's own objects crash the process where there is none.
        found = driver or cuda.driver()
        if not found or not found.gpus():
            raise ConfigurationError("TensorRT needs an NVIDIA GPU and its driver; this machine shows none")
        self._library = imported("tensorrt")
        refuse_others(self._library)
        self._driver, self._gpu = found, found.gpus()[0]
        self._cache, self._agrees, self._precision = cache, agrees, "fp32"
        self._log: Any = make_log(self._library)
        self._limit = memory
        self._memory = cuda.Memory(found, memory)
        self._stream: int | None = None
        self._engine: Any = None
        self._context: Any = None

    @property
    def name(self) -> str:
        return f"TensorRT {self._library.__version__} ({self._gpu.name}, {self._precision.upper()})"

    def load(self, network: bytes, wanted: Network) -> None:
        def build(precision: str) -> None:
            self._precision = precision
            super(TensorRtEngine, self).load(network, wanted)

        agrees = self._agrees
        settle(build, (lambda: agrees(Loaded(self))) if agrees else None)

    def _open(self, network: bytes, wanted: Network) -> Ports:
        self._driver.use()
        self._stream = self._driver.stream() if self._stream is None else self._stream
        self._log.said.clear()
        self._memory.release()
        self._context = self._engine = None  # the last precision's memory, before the next one's is taken
        self._engine = self._kept(network, wanted)
        strategy = self._library.ExecutionContextAllocationStrategy.USER_MANAGED
        self._context = _there(self._engine.create_execution_context(strategy), self._log)
        return self._ports()

    def _kept(self, network: bytes, wanted: Network) -> Any:
        """The compiled network from the cache, or compiled now where that has none that TensorRT can read."""
        made_for = settings_of(self._library, self._precision, self._limit)
        file = self._cache / plan_name(self._gpu, self._library.__version__, network, wanted, made_for)
        runtime = self._library.Runtime(self._log)

        def read() -> Any:
            plan = read_plan(file)
            return runtime.deserialize_cuda_engine(plan) if plan is not None else None

        if (engine := read()) is not None:
            return engine
        with building(file):
            if (engine := read()) is None:  # nobody else built it meanwhile
                plan = build_plan(self._library, self._log, network, wanted, self._precision, self._limit)
                write_plan(file, plan)
                engine = runtime.deserialize_cuda_engine(plan)
        return _there(engine, self._log)

    def _ports(self) -> Ports:
        engine, modes = self._engine, self._library.TensorIOMode
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == modes.INPUT]
        shapes = {name: tuple(max(size, 0) for size in engine.get_tensor_shape(name)) for name in inputs}
        return Ports(shapes, tuple(name for name in names if name not in inputs))

    def _run(self, batch: Float) -> Mapping[str, Array]:
        self._driver.use()
        self._log.said.clear()
        ports, context = self._ports(), self._context
        (name,) = ports.inputs
        self._check_size(name, batch.shape)
        if not context.set_input_shape(name, batch.shape):
            raise RuntimeError(self._log.text())
        context.infer_shapes()
        self._give_memory(name, batch, ports.outputs)
        if not context.execute_async_v3(self._stream):
            raise RuntimeError(self._log.text())
        self._driver.wait(self._stream or 0)
        return {output: self._output(output) for output in ports.outputs}

    def _check_size(self, name: str, shape: Shape) -> None:
        """Raise OutOfMemory where the input is larger than this network was compiled for: a smaller window will do."""
        most = tuple(self._engine.get_tensor_profile_shape(name, 0)[2])
        if len(shape) == len(most) and any(size > limit for size, limit in zip(shape, most, strict=True)):
            raise OutOfMemory(f"{self.name} was compiled for inputs up to {most}, not for {shape}")

    def _give_memory(self, name: str, batch: Float, outputs: tuple[str, ...]) -> None:
        """Memory on the GPU for the input, the outputs, and what lies between them at this size."""
        context = self._context
        # 0 where it cannot tell for one size: then what the largest takes.
        size = context.update_device_memory_size_for_shapes() or self._engine.device_memory_size_v2
        context.set_device_memory(self._memory.of("", size), size)
        address = self._memory.of(name, batch.nbytes)
        self._driver.copy_in(address, batch, self._stream or 0)
        context.set_tensor_address(name, address)
        for output in outputs:
            shape, kind = self._output_form(output)
            context.set_tensor_address(output, self._memory.of(output, kind().itemsize * self._library.volume(shape)))

    def _output(self, name: str) -> Array:
        return self._driver.copy_out(self._context.get_tensor_address(name), *self._output_form(name))

    def _output_form(self, name: str) -> tuple[Shape, Any]:
        return tuple(self._context.get_tensor_shape(name)), self._library.nptype(self._engine.get_tensor_dtype(name))


class Loaded:
    """An engine as it stands: whoever is handed one and loads it, as a pipeline does, changes nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        return self._engine.name

    def load(self, network: bytes, wanted: Network) -> None:
        """Nothing: it is loaded."""

    def infer(self, batch: Float) -> Mapping[str, Float]:
        return self._engine.infer(batch)


def settle(build: Callable[[str], None], agrees: Callable[[], bool] | None) -> str:
    """Build and return the precision that holds: "fp16" where `agrees` says so of it, else "fp32".

    FP16 that overflows (its output is not finite, or it cannot be built) does not agree.
    """
    if agrees:
        try:
            build("fp16")
            if agrees():
                return "fp16"
        except Permanent:
            pass
    build("fp32")
    return "fp32"


# What the engine calls of each of the library's classes.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "Builder": ("create_network", "create_builder_config", "create_optimization_profile", "build_serialized_network"),
    "IBuilderConfig": ("set_flag", "clear_flag", "set_memory_pool_limit", "add_optimization_profile"),
    "Runtime": ("deserialize_cuda_engine",),
    "ICudaEngine": ("create_execution_context", "get_tensor_profile_shape", "device_memory_size_v2"),
    "IExecutionContext": (
        "set_input_shape", "infer_shapes", "update_device_memory_size_for_shapes", "set_device_memory",
        "set_tensor_address", "execute_async_v3",
    ),
    "ExecutionContextAllocationStrategy": ("USER_MANAGED",),
    "MemoryPoolType": ("WORKSPACE",),
}  # fmt: skip


def refuse_others(library: ModuleType) -> None:
    """Raise ConfigurationError where this version of the library lacks something that the engine calls."""
    lacking = [
        f"{where}.{name}" for where, names in NEEDED.items() for name in names
        if not hasattr(getattr(library, where, None), name)
    ]  # fmt: skip
    if lacking:
        raise ConfigurationError(
            f"TensorRT {library.__version__} has no {', '.join(lacking)}: {LIBRARIES['tensorrt'].install}"
        )


def settings_of(library: ModuleType, precision: str, memory: int) -> BuildSettings:
    """What a network is compiled with, as far as this version of the library has it.

    TF32, which is on unless it is switched off, has the mantissa of FP16, and nothing has shown that it suffices.
    Raises ConfigurationError where there is no FP16 to ask for: networks then say themselves what they compute in.
    """
    if precision == "fp16" and not hasattr(library.BuilderFlag, "FP16"):
        raise ConfigurationError(f"TensorRT {library.__version__} has no flag for FP16")
    cleared = ("TF32",) if hasattr(library.BuilderFlag, "TF32") else ()
    return BuildSettings(precision, ("FP16",) if precision == "fp16" else (), cleared, memory)


def build_plan(
    library: ModuleType, log: Any, network: bytes, wanted: Network, precision: str, memory: int = 0
) -> bytes:
    """`network` (ONNX) compiled for this thread's GPU; minutes. Raises RuntimeError or ConfigurationError.

    `memory` (bytes, 0: all) bounds the scratch space of its layers, and so which ways of computing them are taken.
    """
    builder = library.Builder(log)
    definition = builder.create_network(0)
    parser = library.OnnxParser(definition, log)
    if not parser.parse(network):
        errors = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise RuntimeError("; ".join(errors) or log.text())
    _keep(definition, wanted.outputs)
    config = builder.create_builder_config()
    made_for = settings_of(library, precision, memory)
    for flag in made_for.cleared:
        config.clear_flag(getattr(library.BuilderFlag, flag))
    for flag in made_for.set:
        config.set_flag(getattr(library.BuilderFlag, flag))
    if memory:
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, memory)
    for index in range(definition.num_inputs):
        profile = builder.create_optimization_profile()
        port = definition.get_input(index)
        profile.set_shape(port.name, *profile_shapes(tuple(max(size, 0) for size in port.shape), wanted))
        config.add_optimization_profile(profile)
    return bytes(_there(builder.build_serialized_network(definition, config), log))


def profile_shapes(declared: Shape, wanted: Network) -> tuple[Shape, Shape, Shape]:
    """The least, the best and the largest shape of the input, laid out as the network has it.

    `declared` is the file's own shape, 0 where it is free. Windows are compiled for at their size, and down to half of
    it, which is what an input is tried with again when memory runs out.
    """
    batch, channels, *space = first(declared, wanted)
    multiple, axes = wanted.multiple, len(space)
    best = wanted.window or (_round(_BEST[axes], multiple),) * axes
    most = wanted.window or (_round(_MOST[axes], multiple),) * axes
    least = tuple(_round(side // 2, multiple) for side in wanted.window) or (multiple,) * axes
    counts = (batch or 1, batch or wanted.batch, batch or wanted.batch)
    sizes = [tuple(size or free for size, free in zip(space, side, strict=True)) for side in (least, best, most)]
    shapes = [(count, channels or 1, *size) for count, size in zip(counts, sizes, strict=True)]
    low, middle, high = (_as_declared(shape, declared, wanted) for shape in shapes)
    return low, middle, high


def _as_declared(shape: Shape, declared: Shape, wanted: Network) -> Shape:
    batch, channels, *space = shape
    return (batch, *space, channels) if channels_last(declared, wanted) else shape


def _round(side: int, multiple: int) -> int:
    return max(multiple, side // multiple * multiple)


def _keep(definition: Any, outputs: tuple[str, ...]) -> None:
    """Drop the outputs that nobody reads, unless none would be left: then the names are wrong, which is said later."""
    ports = [definition.get_output(index) for index in range(definition.num_outputs)]
    if {port.name for port in ports} & set(outputs):
        for port in ports:
            if port.name not in outputs:
                definition.unmark_output(port)


def _there(made: Any, log: Any) -> Any:
    """`made`; where TensorRT made nothing, raise RuntimeError with what it wrote to its log."""
    if made is None:
        raise RuntimeError(log.text())
    return made


def make_log(library: Any) -> Any:
    """TensorRT's logger: it keeps the errors, for its functions only return None or False."""

    class Log(library.ILogger):  # type: ignore[misc]  # a class of the library, which may be absent
        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.said: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (library.ILogger.Severity.ERROR, library.ILogger.Severity.INTERNAL_ERROR):
                self.said.append(msg)

        def text(self) -> str:
            return "; ".join(self.said) or "TensorRT gave no reason"

    return Log()

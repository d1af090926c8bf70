"""Which libraries run networks, and how to get the one that is missing. Nothing is imported before it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from domain.errors import ConfigurationError


@dataclass(frozen=True)
class Library:
    """One engine's library: the names its module may have, the package that pip knows it by, and how to get it."""

    modules: tuple[str, ...]
    distributions: tuple[str, ...]
    install: str


LIBRARIES: Mapping[str, Library] = {
    "tensorrt": Library(
        ("tensorrt", "tensorrt_bindings"),
        ("tensorrt", "tensorrt-cu13", "tensorrt-cu13-bindings", "tensorrt-cu12", "tensorrt-cu12-bindings"),
        "pip install 'tensorrt-cu13<11'; or 'tensorrt-cu13-bindings<11', with the libraries of the same TensorRT "
        "version and libcudart on LD_LIBRARY_PATH",
    ),
    "openvino": Library(("openvino",), ("openvino",), "pip install 'dicom-node[worker]'"),
    "onnxruntime": Library(
        ("onnxruntime",),
        ("onnxruntime", "onnxruntime-gpu"),
        "pip install 'dicom-node[onnxruntime]'; for a GPU onnxruntime-gpu in its place",
    ),
    "torch": Library(("torch",), ("torch",), "pip install 'dicom-node[torch]'"),
}

# What makes Torch's networks of ONNX files; no engine by itself.
_CONVERTER = Library(("onnx2torch",), ("onnx2torch",), "pip install 'dicom-node[torch]'")


def is_installed(name: str) -> bool:
    """Whether the library of the engine `name` lies here; nothing is imported."""
    return any(find_spec(module) for module in LIBRARIES[name].modules)


def imported(name: str) -> ModuleType:
    """The module of the engine `name`; raises ConfigurationError, which says what to install, where it cannot load."""
    return _first(LIBRARIES[name], f"the engine {name} cannot be used")


def converter() -> ModuleType:
    """onnx2torch; raises ConfigurationError, which says what to install, where it cannot load."""
    return _first(_CONVERTER, "Torch cannot read ONNX")


def _first(library: Library, otherwise: str) -> ModuleType:
    reasons = []
    for module in library.modules:
        try:
            return import_module(module)
        except ModuleNotFoundError as error:
            reasons += [] if error.name == module else [str(error)]
        except ImportError as error:
            reasons.append(str(error))
    raise ConfigurationError(f"{otherwise} ({'; '.join(reasons) or 'it is not installed'}): {library.install}")

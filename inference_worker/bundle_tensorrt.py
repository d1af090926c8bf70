"""A bundle's network behind TensorRT, by MONAI's own converter (monai.networks.trt_compiler)."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from domain.errors import ConfigurationError
from inference_worker.bundle_grid import needed
from inference_worker.engines.libraries import imported


@dataclass(frozen=True)
class TensorRT:
    """Engines are built at the first run on a GPU and kept in the folder `cache`; `precision` is "fp32" or "fp16"."""

    cache: Path
    precision: str = "fp32"

    def prepare(self) -> str:
        """Make TensorRT known to MONAI, which looks for it as it is first imported; returns TensorRT's version.

        Raises ConfigurationError where the GPU or a library is missing.
        """
        # The GPU first: TensorRT's own objects crash the process where there is none.
        if not needed("torch").cuda.is_available():
            raise ConfigurationError("a bundle behind TensorRT needs an NVIDIA GPU; this machine shows none")
        library = imported("tensorrt")
        # Without the vendor's wheel the bindings are there under a name that MONAI does not try.
        sys.modules.setdefault("tensorrt", library)
        return str(library.__version__)

    def put_behind(self, network: object, digest: str, batch: int) -> None:
        """Have `network` run by TensorRT for up to `batch` windows at once; `digest` is that of the package.

        A network that TensorRT cannot run fails then and is not left to torch: what ran is what findings say.
        """
        compiler = needed("monai.networks.trt_compiler")
        if not (compiler.trt_imported and compiler.polygraphy_imported):
            raise ConfigurationError("a bundle behind TensorRT needs tensorrt and polygraphy: pip install polygraphy")
        device = needed("torch").cuda.get_device_name()
        made_of = f"{digest} {device} {sys.modules['tensorrt'].__version__} {batch}"
        name = f"bundle-{hashlib.sha256(made_of.encode()).hexdigest()[:32]}-{self.precision}"
        self.cache.mkdir(parents=True, exist_ok=True)
        arguments = {"precision": self.precision, "dynamic_batchsize": [1, batch, batch], "fallback": False}
        compiler.trt_compile(network, str(self.cache / name), args=arguments)

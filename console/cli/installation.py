"""How this program was installed, and so what brings it an extra that it lacks: advice that works where it is given."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import console

# deploy/Dockerfile lays these there.
IMAGES_PREFIX, IMAGES_ENTRYPOINT = Path("/opt/dicom-node"), Path("/usr/local/bin/entrypoint")
_EXTRA = re.compile(r"pip install 'dicom-node\[([a-z]+)\]'")
_OTHER = re.compile(r"(?<!bin/)(?<!python )pip install (?='|[a-z])")


@dataclass(frozen=True)
class Installation:
    """What it runs from: the repository, an image, or else an environment, which may have pip or not."""

    in_repository: bool
    in_image: bool
    prefix: Path
    has_pip: bool

    def bring(self, extra: str) -> str:
        """What is to be typed for it; no index of packages has the node under its name."""
        extras = "node" if extra in {"embedded", "worker", "results"} else f"node {extra}"
        if self.in_repository:
            return "make setup" if extras == "node" else "make everything"
        if self.in_image:
            return f"build this image with {extra} among its EXTRAS (deploy/Dockerfile)"
        if self.has_pip:
            return f"{self.prefix}/bin/pip install 'dist/dicom_node-VERSION-py3-none-any.whl[{extra}]'"
        return f'in the repository make bundle EXTRAS="{extras}", and install that'

    def pip(self, wanted: str) -> str:
        """What is to be typed for distributions of other names. The machine's own pip serves where there is none."""
        if self.in_image:
            return f"build an image with {wanted}"
        own = f"{self.prefix}/bin/pip" if self.has_pip else f"pip --python {self.prefix}/bin/python"
        return f"{own} install {wanted}"


def here() -> Installation:
    """This one."""
    return Installation(
        in_repository=(Path(console.__file__).parents[1] / "Makefile").exists(),
        in_image=IMAGES_ENTRYPOINT.exists() and Path(sys.prefix) == IMAGES_PREFIX,
        prefix=Path(sys.prefix),
        has_pip=find_spec("pip") is not None,
    )


def advised(text: str, installation: Callable[[], Installation] = here) -> str:
    """`text` in which everything that is to be installed is said as it can be had here."""
    if "pip install " not in text:
        return text
    return _OTHER.sub(installation().pip(""), _EXTRA.sub(lambda found: installation().bring(found[1]), text))

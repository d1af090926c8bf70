"""Every library that the product brings is under a licence that an Apache-2.0 product may ship."""

import tomllib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

import pytest

from tests.support.counterparts import ROOT, missing

# The SPDX expressions, and what older packages say in their place. What is under the LGPL is loaded as it came, can be
# replaced by whoever runs it, and is named with its source in the SBOM.
MAY_BE_SHIPPED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "ISC", "LGPL-3.0-only", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
    "Apache License", "Apache License 2.0", "Apache Software License", "BSD", "BSD License", "3-Clause BSD License",
    "GNU Lesser General Public License v2 or later (LGPLv2+)", "ISC License (ISCL)", "MIT License",
    "Python Software Foundation License",
}  # fmt: skip
# What comes with PyTorch for NVIDIA's cards: whoever asks for that extra gets it from NVIDIA; no image of ours has it.
OF_NVIDIA = {"LicenseRef-NVIDIA-Proprietary", "NVIDIA Proprietary Software"}
# What is in the images of deploy/Dockerfile and in the wheel's own extras.
IMAGES = ("embedded", "worker", "results", "node")
ASKED_FOR = ("onnxruntime", "torch", "monai", "explain", "registration")
# Of another platform alone, so that no licence of theirs can be read here; each was read at its source.
ELSEWHERE = {"colorama": "BSD-3-Clause", "tzdata": "Apache-2.0"}
# Without a word in its metadata: a package of names alone.
SILENT = {"cuda-toolkit"}


def _needed(extras: Sequence[str]) -> set[str]:
    """The names of all that dicom-node brings with these extras, on any platform."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    packages: dict[str, Any] = {one["name"]: one for one in lock["package"]}
    found: set[tuple[str, str]] = set()
    left = [("dicom-node", extra) for extra in ("", *extras)]
    while left:
        name, extra = left.pop()
        if (name, extra) not in found:
            found.add((name, extra))
            package = packages[name]
            listed = (
                package.get("optional-dependencies", {}).get(extra, []) if extra else package.get("dependencies", [])
            )
            left += [(one["name"], other) for one in listed for other in ("", *one.get("extra", []))]
    return {name for name, _ in found}


def _licences(name: str) -> set[str]:
    """Each licence that holds for a part of the package or may be chosen for it, by its own metadata."""
    if name in ELSEWHERE:
        return {ELSEWHERE[name]}
    try:
        said = metadata(name)
    except PackageNotFoundError:
        missing(name, "make everything")
    classified = [one.rpartition("::")[2].strip() for one in said.get_all("Classifier") or [] if "License ::" in one]
    expression = "".join(said.get_all("License-Expression") or [])
    if not expression and classified:
        return set(classified)
    first_line = (expression or "".join(said.get_all("License") or [])).partition("\n")[0]
    return set(first_line.replace(" OR ", " AND ").split(" AND "))


@pytest.mark.parametrize("name", sorted(_needed(IMAGES)))
def test_what_an_image_holds_may_be_shipped(name: str) -> None:
    assert _licences(name) <= MAY_BE_SHIPPED


@pytest.mark.parametrize("name", sorted(_needed(ASKED_FOR) - _needed(IMAGES) - SILENT))
def test_what_an_administrator_may_ask_for_may_be_shipped_or_is_its_makers_own(name: str) -> None:
    licences = _licences(name)
    assert licences <= OF_NVIDIA or licences <= MAY_BE_SHIPPED


def test_a_licence_that_binds_the_product_is_none_that_may_be_shipped() -> None:
    assert not {"GPL-3.0-only", "GNU General Public License v3 (GPLv3)", "AGPL-3.0-only", ""} & MAY_BE_SHIPPED

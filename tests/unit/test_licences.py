"""Everything that comes along is under a licence that was read, and what is shipped under one that may be shipped."""

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution, metadata
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from models.installed import installed
from tests.support.counterparts import ROOT, missing

# What an Apache-2.0 product may be shipped with. What is under the LGPL is loaded as it came, can be replaced by
# whoever runs it, and is named with its source in the SBOM.
MAY_BE_SHIPPED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "ISC", "LGPL-2.1-or-later", "LGPL-3.0-only", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
    "Bitstream-Vera",
    # Text read: to keep the notices, and to use no contributor's name in advertising; it binds nothing else.
    "LicenseRef-Biopython-License-Agreement",
}  # fmt: skip
# What comes with PyTorch for NVIDIA's cards: whoever asks for that extra gets it from NVIDIA; no image of ours has it.
OF_NVIDIA = {"LicenseRef-NVIDIA-Proprietary"}
# What makes packages and tests, and is on no node.
MAY_BE_USED = MAY_BE_SHIPPED | OF_NVIDIA | {"ZPL-2.1"}
# What is in the images of deploy/Dockerfile and in the wheel's own extras.
IMAGES = ("embedded", "worker", "results", "node")
ASKED_FOR = (
    "onnxruntime", "torch", "monai", "explain", "registration", "language", "language-local", "literature", "vision",
    "deidentify", "s3",
)  # fmt: skip

LOCK = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
KNOWN = tomllib.loads((ROOT / "deploy" / "licences.toml").read_text())

# What packages say of themselves in other words than SPDX's.
IN_OTHER_WORDS = {
    "3-Clause BSD License": {"BSD-3-Clause"},
    "Apache License 2.0": {"Apache-2.0"},
    "Apache Software License": {"Apache-2.0"},
    "BSD": {"BSD-2-Clause", "BSD-3-Clause"},
    "BSD License": {"BSD-2-Clause", "BSD-3-Clause"},
    "GNU Lesser General Public License v2 or later (LGPLv2+)": {"LGPL-2.1-or-later"},
    "ISC License (ISCL)": {"ISC"},
    "MIT License": {"MIT"},
    "Mozilla Public License 2.0 (MPL 2.0)": {"MPL-2.0"},
    "NVIDIA Proprietary Software": OF_NVIDIA,
    "Python Software Foundation License": {"PSF-2.0"},
}
# Of another platform alone, so that none is installed here, or silent: each was read at its source.
READ_AT_THE_SOURCE = {"colorama", "cuda-toolkit", "httpx2-jsfetch", "huey", "pywin32", "skops", "tzdata", "waitress"}
# Texts of the GPL in packages of our images, and why each binds nothing that is shipped.
OF_THE_GPL = {
    "numpy": "libgfortran, with GCC's runtime library exception",
    "scipy": "libgfortran, with GCC's runtime library exception",
    "openvino": "a part of oneTBB's, with GCC's runtime library exception",
    "pillow": "FreeType, under the FTL where one may choose",
    "psycopg": "the LGPL refers to it",
    "psycopg-binary": "the LGPL refers to it",
    "crc32c": "the LGPL's own text",
    "typing-extensions": "Python's history names it",
    "reportlab": "a font that deploy/Dockerfile takes out",
}


def parts(expression: str) -> set[str]:
    """Each licence that holds for a part, or may be chosen."""
    return set(re.split(r" AND | OR ", expression.replace("(", "").replace(")", "")))


def _needed(extras: Sequence[str]) -> set[str]:
    """The names of all that dicom-node brings with these extras, on any platform."""
    packages: dict[str, Any] = {one["name"]: one for one in LOCK}
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
    return {name for name, _ in found} - {"dicom-node"}


def _said(name: str) -> set[str]:
    """What the package says of its licence, in SPDX's words; several where its own words leave it open."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        missing(name, "make everything")
    if expression := "".join(said.get_all("License-Expression") or []):
        return parts(expression)
    classified = [one.rpartition("::")[2].strip() for one in said.get_all("Classifier") or [] if "License ::" in one]
    first_line = "".join(said.get_all("License") or []).partition("\n")[0].strip()
    words = classified or [first_line]
    return {one for word in words for one in IN_OTHER_WORDS.get(word, parts(word))}


def test_the_licence_of_every_package_of_the_lock_file_is_known_and_of_no_other() -> None:
    assert set(KNOWN["python"]) == {one["name"] for one in LOCK} - {"dicom-node"}


@pytest.mark.parametrize("name", sorted(set(KNOWN["python"]) - READ_AT_THE_SOURCE))
def test_a_package_says_of_itself_what_we_know(name: str) -> None:
    assert parts(KNOWN["python"][name]) <= _said(name)


@pytest.mark.parametrize("name", sorted(KNOWN["python"]))
def test_nothing_is_shipped_or_used_under_a_licence_that_we_have_not_allowed(name: str) -> None:
    licences = parts(KNOWN["python"][name])
    if name in _needed(IMAGES):
        assert licences <= MAY_BE_SHIPPED
    elif name in _needed(ASKED_FOR):
        assert licences <= MAY_BE_SHIPPED or licences <= OF_NVIDIA
    else:
        assert licences <= MAY_BE_USED


def test_a_licence_that_binds_the_product_is_none_that_may_be_shipped() -> None:
    for binding in ("GPL-2.0-only", "GPL-3.0-only", "GPL-3.0-or-later", "AGPL-3.0-only", "", "LicenseRef-unknown"):
        assert not parts(binding) & MAY_BE_USED


def _texts(name: str) -> Iterator[Path]:
    """Files of a package that hold licences, by their names."""
    for file in distribution(name).files or []:
        if re.search(r"licen[cs]e|copying|notice", str(file), re.IGNORECASE) and file.suffix not in {
            ".py",
            ".pyc",
            ".so",
        }:
            yield Path(str(file.locate()))


@pytest.mark.parametrize("name", sorted(_needed(IMAGES) - READ_AT_THE_SOURCE - set(OF_THE_GPL)))
def test_no_part_of_what_an_image_holds_is_under_the_gpl_without_our_knowing(name: str) -> None:
    found = [path for path in _texts(name) if "GENERAL PUBLIC LICENSE" in path.read_text(errors="replace").upper()]
    assert found == []


def test_a_font_that_may_not_be_shipped_is_in_no_image_and_the_one_that_is_used_may_be() -> None:
    assert "-name 'DarkGarden*'" in (ROOT / "deploy" / "Dockerfile").read_text()
    assert set(KNOWN["fonts"].values()) <= MAY_BE_SHIPPED
    pages = (ROOT / "sr_writer" / "pages" / "pdf_setting.py").read_text()
    assert re.findall(r'^TEXT, BOLD = "(\w+)", "(\w+)"', pages, re.MULTILINE) == [("Vera", "VeraBd")]


def test_each_jar_of_the_broker_and_the_viewers_package_is_under_a_licence_that_may_be_used() -> None:
    named = [line.split()[1] for line in (ROOT / "scripts" / "kafka" / "SHA256SUMS").read_text().splitlines()]
    assert {re.sub(r"-\d[\d.]*(-\d+)?\.jar$", "", jar) for jar in named} == set(KNOWN["java"])
    fetched = json.loads((ROOT / "scripts" / "ohif" / "package.json").read_text())["dependencies"]
    assert set(fetched) == set(KNOWN["npm"])
    for expression in (*KNOWN["java"].values(), *KNOWN["npm"].values()):
        assert parts(expression) <= MAY_BE_SHIPPED


def test_each_part_of_the_peer_in_javascript_has_a_digest_and_a_licence_that_may_be_used() -> None:
    locked = json.loads((ROOT / "scripts" / "dimse" / "package-lock.json").read_text())["packages"]
    fetched = {path.removeprefix("node_modules/"): one for path, one in locked.items() if path}
    assert all(one["integrity"].startswith("sha512-") for one in fetched.values())
    assert set(fetched) == set(KNOWN["npm_of_tests"])
    assert all(parts(expression) <= MAY_BE_USED for expression in KNOWN["npm_of_tests"].values())


def test_each_shipped_model_is_under_a_licence_that_may_be_shipped_and_says_what_it_was_trained_on() -> None:
    packages = installed(Settings())
    assert len(packages) >= 4
    for package in packages:
        licence, _, trained = package.manifest.identity.licence.partition("; ")
        assert parts(licence) <= MAY_BE_SHIPPED, package.name
        assert trained.startswith("trained on "), package.name

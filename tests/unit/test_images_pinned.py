"""Every image that we name, to run or to build on, is named by its digest: a tag is whatever its owner moves it to."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# An image whose digest could not be established, with the reason. A version is the least that it is named by.
WITHOUT_DIGEST: dict[str, str] = {}
OURS = "dicom-node:"

_PINNED = re.compile(r"[a-z0-9./-]+:[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}")


def _composed() -> list[str]:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    return [one["image"] for one in services if not one["image"].startswith(OURS)]


def _built_on() -> list[str]:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    values = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?", text, re.MULTILINE)
    own = {name for _, name in stages}
    named = [image for image, _ in stages] + re.findall(r"--from=(\S+)", text)
    return [re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], one) for one in named if one not in own]


@pytest.mark.parametrize("image", sorted({*_composed(), *_built_on()}))
def test_every_image_is_named_by_version_and_digest_or_the_reason_why_not_is_known(image: str) -> None:
    assert _PINNED.fullmatch(image) or image in WITHOUT_DIGEST, f"{image} may be moved under our feet"


def test_no_reason_is_kept_for_an_image_that_is_named_no_more() -> None:
    assert set(WITHOUT_DIGEST) <= {*_composed(), *_built_on()}


def test_one_image_has_one_digest_wherever_it_is_named() -> None:
    digests: dict[str, set[str]] = {}
    for image in (*_composed(), *_built_on()):
        name, _, digest = image.partition("@")
        digests.setdefault(name, set()).add(digest)
    assert len(_built_on()) == 2
    assert all(len(found) == 1 for found in digests.values())

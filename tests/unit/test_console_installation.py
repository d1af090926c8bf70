"""What brings an extra is said as it can be had where it is said: no index has the node under its name."""

from dataclasses import replace
from pathlib import Path

import pytest

from console.cli.installation import IMAGES_ENTRYPOINT, IMAGES_PREFIX, Installation, advised, here
from inference_worker.engines.libraries import LIBRARIES
from tests.support.counterparts import ROOT

WHEEL = "'dist/dicom_node-VERSION-py3-none-any.whl[torch]'"
BUNDLE = Installation(in_repository=False, in_image=False, prefix=Path("/opt/dicom-node-1.0"), has_pip=False)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (BUNDLE, 'in the repository make bundle EXTRAS="node torch", and install that'),
        (
            replace(BUNDLE, has_pip=True),
            f"/opt/dicom-node-1.0/bin/pip install {WHEEL}",
        ),
        (replace(BUNDLE, in_repository=True), "make everything"),
        (replace(BUNDLE, in_image=True), "build this image with torch among its EXTRAS (deploy/Dockerfile)"),
    ],
)
def test_the_advice_is_one_of_this_installation(where: Installation, said: str) -> None:
    assert (
        advised("no engine: pip install 'dicom-node[torch]'; or none", lambda: where) == f"no engine: {said}; or none"
    )


def test_another_distribution_is_had_by_a_pip_that_reaches_this_environment() -> None:
    asked = "pip install 'tensorrt-cu13<11'; or none"
    assert (
        advised(asked, lambda: BUNDLE)
        == "pip --python /opt/dicom-node-1.0/bin/python install 'tensorrt-cu13<11'; or none"
    )
    assert advised(asked, lambda: replace(BUNDLE, has_pip=True)).startswith("/opt/dicom-node-1.0/bin/pip install 'tens")


@pytest.mark.parametrize("where", [BUNDLE, replace(BUNDLE, has_pip=True)])
def test_advice_is_given_once_however_often_a_text_passes(where: Installation) -> None:
    once = advised("pip install 'dicom-node[torch]' or pip install polygraphy", lambda: where)
    assert advised(once, lambda: where) == once


def test_an_image_is_known_by_what_its_file_lays() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    assert f"deploy/entrypoint {IMAGES_ENTRYPOINT}\n" in text
    assert f"COPY --from=libraries {IMAGES_PREFIX} {IMAGES_PREFIX}\n" in text


def test_what_a_whole_node_has_comes_with_the_bundle_as_it_is_made() -> None:
    assert BUNDLE.bring("worker") == 'in the repository make bundle EXTRAS="node", and install that'


def test_the_commands_that_are_named_are_those_of_the_repository() -> None:
    assert here().in_repository
    targets = (ROOT / "Makefile").read_text()
    for named in ("setup", "everything", "bundle"):
        assert f"\n{named}: " in targets


def test_every_engine_that_is_an_extra_is_said_so_that_the_advice_can_be_made_of_it() -> None:
    for name in ("openvino", "torch"):
        assert "dicom-node[" not in advised(LIBRARIES[name].install)

"""What brings an extra is said as it can be had where it is said: no index has the node under its name."""

from dataclasses import replace
from pathlib import Path

import pytest

from console.cli.installation import Installation, advised, here
from inference_worker.engines.libraries import LIBRARIES
from tests.support.counterparts import ROOT

WHEEL = "'dist/dicom_node-VERSION-py3-none-any.whl[torch]'"
BUNDLE = Installation(in_repository=False, in_container=False, prefix=Path("/opt/dicom-node-1.0"), has_pip=False)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (BUNDLE, 'in the repository make bundle EXTRAS="node torch", and install that'),
        (
            replace(BUNDLE, has_pip=True),
            f"/opt/dicom-node-1.0/bin/pip install {WHEEL}",
        ),
        (replace(BUNDLE, in_repository=True), "make everything"),
        (replace(BUNDLE, in_container=True), "build this image with torch among its EXTRAS (deploy/Dockerfile)"),
    ],
)
def test_the_advice_is_one_of_this_installation(where: Installation, said: str) -> None:
    assert (
        advised("no engine: pip install 'dicom-node[torch]'; or none", lambda: where) == f"no engine: {said}; or none"
    )


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

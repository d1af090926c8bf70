"""Which way leads to an outside place, by its kind."""

from audit.witnesses import Outlet
from audit.witnesses.file import File
from audit.witnesses.message import Messages
from audit.witnesses.web import Web
from config.audit import Witness
from domain.errors import ConfigurationError


def outlet(witness: Witness) -> Outlet:
    """Raises ConfigurationError where its setting is wrong, or its library is not installed."""
    match witness.kind:
        case "file":
            assert witness.file is not None
            return File(witness.file)
        case "syslog":
            return Messages(witness)
        case "http":
            return Web(witness)
        case "s3":
            try:
                from audit.witnesses.bucket import Bucket  # noqa: PLC0415 - an extra of the installation
            except ImportError as error:
                raise ConfigurationError(
                    f"audit.witnesses.{witness.name}: a bucket needs the extra s3: pip install 'dicom-node[s3]'"
                ) from error
            return Bucket(witness)

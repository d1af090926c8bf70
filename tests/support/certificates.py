"""Certificates of nobody, for tests."""

import ssl
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from config.tls import ListenerTls
from dicom_node.tls.authority import NODE, Authority, Files, KeyKind

HERE = ("127.0.0.1", "localhost")


def certified(folder: Path, *extensions: str) -> tuple[Path, Path]:
    """A key and a certificate of its own, which ends in ten days."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "10", "-subj", "/CN=test"]
    subprocess.run([*made, *files, *extensions], check=True, capture_output=True)
    return key, certificate


@dataclass(frozen=True)
class Site:
    """An authority, a node that it signed, and partners by their AE titles."""

    folder: Path
    kind: KeyKind = "ec"

    @cached_property
    def authority(self) -> Authority:
        """Made when it is first asked for, with the node's certificate, where there is none."""
        made = Authority(self.folder)
        if made.files.certificate.exists():
            return made
        made.init("Site", kind=self.kind)
        made.issue(NODE, "NODE", HERE, kind=self.kind)
        return made

    @property
    def ca(self) -> Path:
        return self.authority.files.certificate

    @property
    def node(self) -> Files:
        return self._of(NODE)

    def partner(self, aet: str) -> Files:
        """Its files, made when they are first asked for."""
        files = Files(self.folder / "partners" / f"{aet}.pem", self.folder / "partners" / f"{aet}.key")
        return files if files.certificate.exists() else self.authority.issue(aet, aet, HERE, kind=self.kind).files

    def ended(self, aet: str) -> Files:
        """A partner's whose certificate expired a moment ago."""
        return self.authority.issue(aet, aet, HERE, days=0, kind=self.kind).files

    def listener(self, **changes: object) -> ListenerTls:
        """The settings of a listener by these certificates, at a free port."""
        files = {"ca": self.ca, "certificate": self.node.certificate, "key": self.node.key}
        return ListenerTls.model_validate({"port": 0, **files, **changes})

    def client(self, shown: Files | None) -> ssl.SSLContext:
        """Of a peer that trusts the authority and shows `shown`."""
        context = ssl.create_default_context(cafile=self.ca)
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
        return context

    def _of(self, name: str) -> Files:
        return Files(self.authority.folder / f"{name}.pem", self.authority.folder / f"{name}.key")

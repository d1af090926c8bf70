"""Certificates of nobody, for tests."""

import subprocess
from pathlib import Path


def certified(folder: Path, *extensions: str) -> tuple[Path, Path]:
    """A key and a certificate of its own, which ends in ten days."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "10", "-subj", "/CN=test"]
    subprocess.run([*made, *files, *extensions], check=True, capture_output=True)
    return key, certificate

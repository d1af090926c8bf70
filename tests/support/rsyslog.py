"""Debian's rsyslog as a receiver of its own on loopback: by UDP, TCP or TLS, each message as it came into one file."""

import re
import signal
import subprocess
from pathlib import Path
from typing import Self

from config.audit_receivers import AuditReceiver
from tests.support.certificates import Site
from tests.support.counterparts import require, require_file
from tests.support.processes import free_port, wait_for

_DRIVER = Path("/usr/share/doc/rsyslog-openssl")
_NUMBER = re.compile(r'\[meta sequenceId="(\d+)"\]')


class Rsyslog:
    """Runs while its `with` lasts; `stop` and `start` in between as often as wanted."""

    def __init__(self, folder: Path, transport: str = "tls") -> None:
        self._program = require("rsyslogd")
        if transport == "tls":
            require_file(_DRIVER)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._transport = transport
        self.port = free_port()
        self.site = Site(folder / "site")
        self.file = folder / "messages"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "rsyslog.conf").write_text(self._configuration())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to listen."""
        words = [self._program, "-n", "-f", f"{self._folder}/rsyslog.conf", "-i", f"{self._folder}/pid", "-C"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        if self._transport != "udp":
            wait_for(self._listens, 30, "rsyslog to listen", self._log)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, in order or at once."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def receiver(self, **given: object) -> AuditReceiver:
        """The settings by which the node sends to it."""
        tls = {"ca": self.site.ca} if self._transport == "tls" else {}
        where = {"name": "archive", "host": "127.0.0.1", "port": self.port, "transport": self._transport}
        return AuditReceiver.model_validate({"kind": "syslog", **where, **tls, **given})

    def lines(self) -> list[str]:
        """What it has kept, a message each."""
        return self.file.read_text("utf-8").splitlines() if self.file.exists() else []

    def numbers(self) -> list[int]:
        """The numbers of the entries that it has kept, doubles as well."""
        return [int(found[1]) for line in self.lines() if (found := _NUMBER.search(line))]

    def _listens(self) -> bool:
        return f":{self.port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()

    def _log(self) -> str:
        return (self._folder / "log").read_text("utf-8", "replace")

    def _configuration(self) -> str:
        module = "imudp" if self._transport == "udp" else "imtcp"
        spoken, files = "", ""
        if self._transport == "tls":
            own = self.site.node
            files = (
                f'DefaultNetstreamDriver="ossl" DefaultNetstreamDriverCAFile="{self.site.ca}" '
                f'DefaultNetstreamDriverCertFile="{own.certificate}" DefaultNetstreamDriverKeyFile="{own.key}"'
            )
            spoken = 'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"'
        return (
            f'global(workDirectory="{self._folder}" maxMessageSize="64k" {files})\n'
            f'module(load="{module}" {spoken})\n'
            f'input(type="{module}" port="{self.port}" address="127.0.0.1")\n'
            'template(name="raw" type="string" string="%rawmsg%\\n")\n'
            f'action(type="omfile" file="{self.file}" template="raw")\n'
        )

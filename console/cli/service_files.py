"""What systemd is told of the node: one unit, the user that it runs as, and the settings that it begins with.

Each line of the unit takes something away from the node that it does not use; where one is missing that hardening
guides name, the reason stands beside it.
"""

from dataclasses import dataclass
from pathlib import Path

from config.places import SERVICE_SETTINGS

UNITS = Path("/etc/systemd/system")
USERS = Path("/etc/sysusers.d/dicom-node.conf")
SETTINGS = SERVICE_SETTINGS
DATA = Path("/var/lib/dicom-node")
USER = "dicom-node"

_HIGHEST_OF_ROOT = 1023  # ports that an ordinary user may not open

_FIRST_SETTINGS = """\
# The settings of the service dicom-node. All that there are: dicom-node config show --config {config}
# After a change: systemctl reload dicom-node. Its log (journalctl -u dicom-node) says which settings it has taken
# over, and which wait for a restart.
data = "{data}"

[listener]
aet = "DICOM_NODE"
port = 11112
# Only this machine may send until both lines are true of yours: an AE title alone proves nothing.
# host = "0.0.0.0"
# callers = [{{ aet = "CT_SCANNER", address = "10.1.2.3" }}]

# Who gets results. Without any they stay in the data folder.
# [[destinations]]
# aet = "PACS"
# host = "10.1.0.10"
# port = 104
"""

_UNIT = """\
[Unit]
Description=dicom-node{which}
After=network-online.target
Wants=network-online.target

[Service]
Type={type}
User={user}
Group={user}
WorkingDirectory={data}
ExecStart={program} {command} --config {config}
ExecReload={program} reload --config {config}
Restart=always
RestartSec=2
# A wrong setting stays wrong: systemctl status shows it, and nothing is tried again until somebody has mended it.
RestartPreventExitStatus=2
# The roles end by themselves, the listener first of all lets associations end; then all that is left is killed.
KillMode=mixed
TimeoutStopSec=60
# A model that takes too much memory is killed alone, and its job says so.
OOMPolicy=continue
LimitNOFILE=65536
LimitCORE=0
UMask=0077

{writable}
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
{devices}
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
NoNewPrivileges=yes
{capabilities}
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# The walls around models are made of these three; all others are closed.
RestrictNamespaces=user mnt net
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
# Not MemoryDenyWriteExecute: engines compile a network into memory. Not ProtectProc: the roles' memory is closed to one
# another, and so would be whether they live.

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Service:
    """One service: `program` is the installed command, `role` a role that runs alone, or None for `up`.

    `ports` are those that it opens to others; `gpu` is whether it may use a card.
    """

    program: Path
    config: Path
    data: Path
    user: str = USER
    role: str | None = None
    ports: tuple[int, ...] = ()
    gpu: bool = False

    @property
    def name(self) -> str:
        """Of the unit, as `systemctl` takes it."""
        return f"dicom-node-{self.role}.service" if self.role else "dicom-node.service"

    def unit(self) -> str:
        """The unit's text."""
        return _UNIT.format(
            which=f": {self.role}" if self.role else "",
            # `up` says when scanners are answered, and what it waits for; a role says it by its health door.
            type="exec" if self.role else "notify",
            user=self.user,
            data=self.data,
            program=self.program,
            command=self.role or "up",
            config=self.config,
            writable=self._writable(),
            devices="# Not PrivateDevices: models run on a card." if self.gpu else "PrivateDevices=yes",
            capabilities=self._capabilities(),
        )

    def _writable(self) -> str:
        if self.data == DATA:
            return f"StateDirectory={DATA.name}\nStateDirectoryMode=0700"
        return f"ReadWritePaths={self.data}"

    def _capabilities(self) -> str:
        low = any(0 < port <= _HIGHEST_OF_ROOT for port in self.ports)
        right = "CAP_NET_BIND_SERVICE" if low else ""
        return f"CapabilityBoundingSet={right}\nAmbientCapabilities={right}"


def first_settings(config: Path, data: Path) -> str:
    """The file of settings that a new service begins with: nobody but this machine is let in."""
    return _FIRST_SETTINGS.format(config=config, data=data)


def user_line(user: str, data: Path) -> str:
    """The service's user as systemd-sysusers makes it: without a password, a shell or a right."""
    return f'u {user} - "dicom-node" {data}\n'

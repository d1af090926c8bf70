"""A database's rows out into a file and back, by PostgreSQL's own programs, as the role that owns the schema."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from domain.errors import Permanent
from store.columns import SCHEMA
from store.database import server_at
from store.embedded_cluster import programs_for

# Of the settings in a URL, those that libpq knows by these names in its environment; no password in a command line.
_ENVIRONMENT = {"host": "PGHOST", "passfile": "PGPASSFILE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}


def dump(owner_url: str, file: Path, cluster: Path) -> None:
    """Write all rows of the schema to `file`, as of one moment; `cluster` says by which version's programs.

    Raises Permanent with what the program said where it cannot, as for a server that is newer than the program.
    """
    options = ["--format=custom", "--data-only", f"--schema={SCHEMA}", f"--exclude-table-data={SCHEMA}.alembic_version"]
    options.append("--load-via-partition-root")  # parts of the trail are not there when they are loaded
    _run("pg_dump", [*options, f"--file={file}"], owner_url, cluster)


def load(owner_url: str, file: Path, cluster: Path) -> None:
    """Put the rows of `file` into a schema of its revision that has none, all of them or none; raises as `dump`."""
    options = ["--data-only", "--single-transaction", "--exit-on-error", "--no-owner"]
    _run("pg_restore", [*options, f"--dbname={server_at(owner_url).database}", str(file)], owner_url, cluster)


def _run(program: str, options: Sequence[str], owner_url: str, cluster: Path) -> None:
    path = programs_for(cluster, None) / program
    # A file on a memory's own file system, or any other: what it lacks it says.
    done = subprocess.run(
        [str(path), *options], env=_environment(owner_url), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise Permanent(f"{program}: {said[0]}")


def _environment(owner_url: str) -> Mapping[str, str]:
    url = server_at(owner_url)
    given = {"host": url.host, **{key: str(value) for key, value in url.query.items()}}
    said = {name: str(given[key]) for key, name in _ENVIRONMENT.items() if given.get(key)}
    parts = {"PGPORT": url.port, "PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database}
    said |= {name: str(value) for name, value in parts.items() if value}
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME", "PGPASSFILE") if name in os.environ}
    return {**kept, **said}

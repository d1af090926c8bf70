"""Why a program of PostgreSQL's failed is told, and not that it cleaned up behind itself."""

from store.embedded_cluster import why_failed

SAID = """initdb: error: could not create directory "/data/database.new/pg_wal": No space left on device
child process exited with exit code 1
initdb: removing contents of data directory "/data/database.new"
"""


def test_the_reason_is_told_and_not_the_cleaning_up() -> None:
    assert why_failed(SAID).startswith("initdb: error: could not create directory")
    assert "removing" not in why_failed(SAID)

"""The model packages that this node knows: each name and version under the one digest that it was first seen with.

Result UIDs and readers know a model by name and version, so that another package may never come under the same.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.vocabulary import Vocabulary
from store.leases import NOW
from store.tables import model_packages

# Name and version.
Release = tuple[str, str]


@dataclass(frozen=True)
class Registered:
    """Of the packages that were registered, those that were `added`, and those known under another digest."""

    added: set[Release]
    changed: set[Release]


def register(connection: Connection, packages: Mapping[Release, str]) -> Registered:
    """Keep the digests of releases that are new."""
    known = _known(connection, packages)
    # In one order, so that two processes that register at once wait for each other and no more.
    rows = [
        {"name": name, "version": version, "digest": digest, "first_seen": NOW}
        for (name, version), digest in sorted(packages.items())
        if (name, version) not in known
    ]
    added = {release for row in rows if (release := _add(connection, row))}
    return Registered(added, changed(connection, packages) if rows else _differ(known, packages))


def _add(connection: Connection, row: Mapping[str, object]) -> Release | None:
    """The release that is new by it, None where another process was first."""
    key = (model_packages.c.name, model_packages.c.version)
    made = connection.execute(upsert(model_packages).values(row).on_conflict_do_nothing().returning(*key)).one_or_none()
    return (made.name, made.version) if made else None


def changed(connection: Connection, packages: Mapping[Release, str]) -> set[Release]:
    """Those of `packages` that are known under another digest."""
    return _differ(_known(connection, packages), packages)


def _differ(known: Mapping[Release, str], packages: Mapping[Release, str]) -> set[Release]:
    return {release for release, digest in packages.items() if known.get(release, digest) != digest}


def keep_words(connection: Connection, words: Mapping[str, Vocabulary]) -> None:
    """Keep what packages call things, each by its digest: what they found is told in it when they are gone."""
    for digest, of_package in sorted(words.items()):
        unsaid = (model_packages.c.digest == digest, model_packages.c.words.is_(None))
        connection.execute(update(model_packages).where(*unsaid).values(words=of_package.to_json()))


def words_of(connection: Connection, digests: Iterable[str]) -> dict[str, Vocabulary]:
    """What the packages of these digests call things, of those of which that is known."""
    known = (model_packages.c.digest.in_(list(digests)), model_packages.c.words.is_not(None))
    found = connection.execute(select(model_packages.c.digest, model_packages.c.words).where(*known))
    return {row.digest: Vocabulary.from_json(row.words) for row in found}


def newer(connection: Connection, releases: Iterable[Release]) -> dict[Release, str]:
    """Of `releases` those of which a newer version is known, each with the newest."""
    columns = model_packages.c
    wanted = list(releases)
    if not wanted:
        return {}
    found = connection.execute(
        select(columns.name, columns.version).where(columns.name.in_([name for name, _ in wanted]))
    )
    newest: dict[str, str] = {}
    for row in found:
        newest[row.name] = max(newest.get(row.name, row.version), row.version, key=_order)
    return {one: newest[one[0]] for one in wanted if one[0] in newest and _order(newest[one[0]]) > _order(one[1])}


def _order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Versions in their order: numbers by value, and a word (such as "rc") before the version without it."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    return (*((1, int(one), "") if one.isdigit() else (-1, 0, one.lower()) for one in parts), (0, 0, ""))


def _known(connection: Connection, releases: Iterable[Release]) -> dict[Release, str]:
    columns = model_packages.c
    wanted = select(columns.name, columns.version, columns.digest)
    found = connection.execute(wanted.where(tuple_(columns.name, columns.version).in_(list(releases))))
    return {(row.name, row.version): row.digest for row in found}

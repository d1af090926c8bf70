"""Rights on a broker with an authorizer: what one says, as kafka-acls.sh takes it, and how they are given."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from shlex import quote


class Resource(StrEnum):
    """What a right is on, as kafka-acls.sh calls it."""

    TOPIC = "topic"
    GROUP = "group"


class Operation(StrEnum):
    """What a right lets do, as kafka-acls.sh calls it; Read and Write let describe as well."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"


@dataclass(frozen=True)
class Right:
    """`user` may do `operation` on the one resource of this name, from any host."""

    user: str
    resource: Resource
    name: str
    operation: Operation


def commands(rights: Sequence[Right], server: str) -> Iterator[str]:
    """Lines for a shell beside kafka-acls.sh that give these rights; `admin.properties` says how to log in there."""
    for (user, resource, name), of_one in groupby(rights, lambda one: (one.user, one.resource, one.name)):
        operations = " ".join(f"--operation {one.operation}" for one in of_one)
        yield (
            f"kafka-acls.sh --bootstrap-server {quote(server)} --command-config admin.properties --add"
            f" --allow-principal {quote(f'User:{user}')} {operations} --{resource} {quote(name)}"
        )


def users(rights: Iterable[Right]) -> list[str]:
    """Who is given any of these, each once."""
    return list(dict.fromkeys(one.user for one in rights))

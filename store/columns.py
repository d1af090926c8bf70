"""What columns of several tables are: moments, leases and turns, in the schema that all tables are of."""

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, MetaData, Text, text

SCHEMA = "dicom_node"
metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)


def moment(name: str, nullable: bool = False) -> Column[object]:
    """A moment with its zone."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def leased() -> tuple[Column[object], ...]:
    """What every leased row has (`store.leases`): where it stands and why, who holds it and until when.

    `lease_epoch` is how often it was claimed: whoever holds an earlier claim may write nothing.
    """
    return (
        Column("state", Text, nullable=False),
        Column("reason", Text, nullable=False),
        moment("since"),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        moment("not_before"),
        Column("owner", Text),
        moment("lease_until", nullable=True),
        Column("lease_epoch", Integer, nullable=False, server_default=text("0")),
    )


def turn(table: str, waits: str) -> tuple[Column[object] | Index, ...]:
    """Whose work a leased row is, and when it is its turn among those of others (domain.turns)."""
    return (
        Column(
            "sender", Text, nullable=False, server_default=""
        ),  # the line of who brought the study last (store.studies)
        Column("turn", BigInteger, nullable=False, server_default=text("0")),
        Column("served", BigInteger),  # the turn at which it was claimed last
        Index(f"ix_{table}_turn", "turn", "not_before", "id", postgresql_where=text(f"state = '{waits}'")),
        Index(f"ix_{table}_sender_turn", "sender", "turn", postgresql_where=text(f"state = '{waits}'")),
        Index(f"ix_{table}_sender_served", "sender", "served"),
        Index(f"ix_{table}_served", "served"),
    )

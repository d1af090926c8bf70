"""The benchmark's section of RESULTS.md: its tables, and what must be known to read them."""

from collections.abc import Mapping, Sequence

from benchmarks.ingest.node import Node
from benchmarks.ingest.rounds import Leg, Record
from benchmarks.table import megabytes, seconds, table

_READING = """Seconds from the start of the senders to their end, the median of {rounds} round(s) in which the
receivers take turns; what takes longer than three seconds is measured once. In brackets: how many times this node's
time that is. Every receiver is started afresh in an empty folder, takes 20 slices to warm up, and is counted at the end
to hold every instance. What is dirty in the page cache is written back (`sync`) before each measurement, and nothing is
deleted between them. The senders' own work (starting, reading their files) is in every figure, this node's too.

Only this node and Orthanc have synced the data to disk when they answer, and only they index it; the others answer
while the data is in the page cache alone. "Index behind" is how long after the senders' end the last row was committed,
in a PostgreSQL that syncs its commits. Peak memory is that of the receiver's own processes, without PostgreSQL."""


def machine(where: str, before: float, after: float) -> str:
    """Where it ran, and how busy others kept its disk: milliseconds of a synced write before and after it all."""
    return f"{where}. A synced write of 40 KB took {before:.2f} ms before all this and {after:.2f} ms after it."


def frame(where: str, versions: Sequence[str], rounds: int, tables: str) -> str:
    """The section around its tables."""
    return f"{where}\n\nVersions: {'; '.join(versions)}.\n\n{_READING.format(rounds=rounds)}\n\n{tables}"


def one_association(
    legs: Sequence[Leg], records: Mapping[str, Record], promises: Mapping[str, str], absent: Sequence[str]
) -> str:
    """Both sets in one association each."""
    rows = [
        [name, promises[name], *_times(record, legs, records), _behind(name, record, legs), _memory(record)]
        for name, record in records.items()
    ]
    heads = ["receiver", "when it answers", *(leg.name for leg in legs), "index behind", "peak memory"]
    sizes = ", ".join(f"{leg.name} are {megabytes(leg.size)}" for leg in legs)
    note = f"DCMTK's `dcmsend`; `TCP_NODELAY=1` in the environment of sender and receivers; {sizes}."
    return _section("One association", note, heads, rows, absent)


def default_senders(
    count: int, legs: Sequence[Leg], records: Mapping[str, Record], absent: Sequence[str], missing: Sequence[str]
) -> str:
    """Each sender as it is installed."""
    rows = [[name, *_times(record, legs, records)] for name, record in records.items()]
    note = (
        f"{count} slices of 140x140 from each sender, with no variable set: Nagle's algorithm is on, and a receiver "
        "that lets the kernel delay its acknowledgements makes each instance wait 44 ms. The receivers have "
        "`TCP_NODELAY=1`; without it DCMTK's and Orthanc make it wait twice."
    )
    missing_note = [f"{name} (sender)" for name in missing]
    return _section(
        "Senders in their default state",
        note,
        ["receiver", *(leg.name for leg in legs)],
        rows,
        [*absent, *missing_note],
    )


def four_associations(leg: Leg, records: Mapping[str, Record], absent: Sequence[str]) -> str:
    """Several senders at once."""
    rows = [[name, *_times(record, [leg], records), _behind(name, record, [leg])] for name, record in records.items()]
    note = "Four `dcmsend` at once, each with a study of its own; `TCP_NODELAY=1` as above."
    return _section("Four associations at once", note, ["receiver", leg.name, "index behind"], rows, absent)


def long_study(leg: Leg, record: Record) -> str:
    """What a long study leaves resident."""
    memory = record.memory()
    row = [leg.name, megabytes(leg.size), seconds(record.sent(leg.name)), seconds(record.behind(leg.name))]
    heads = ["study", "size", "sent in", "index behind", *(f"{role}: peak memory" for role in memory)]
    return _section("One long study into this node", "", heads, [[*row, *map(megabytes, memory.values())]], ())


def _section(title: str, note: str, heads: Sequence[str], rows: Sequence[Sequence[str]], absent: Sequence[str]) -> str:
    unseen = [[name, *["not installed"] * (len(heads) - 1)] for name in absent]
    return "\n\n".join(part for part in (f"### {title}", note, table(heads, [*rows, *unseen])) if part)


def _times(record: Record, legs: Sequence[Leg], records: Mapping[str, Record]) -> list[str]:
    ours = records[Node.name]
    return [
        seconds(record.sent(leg.name))
        + ("" if record is ours else f" ({record.sent(leg.name) / ours.sent(leg.name):.1f}x)")
        for leg in legs
    ]


def _behind(name: str, record: Record, legs: Sequence[Leg]) -> str:
    # A peer is at its end when it has answered; what the wait for its count takes is the question's own time.
    return ", ".join(seconds(record.behind(leg.name)) for leg in legs) if name == Node.name else "-"


def _memory(record: Record) -> str:
    return " + ".join(f"{megabytes(size)} {process}".strip() for process, size in record.memory().items())

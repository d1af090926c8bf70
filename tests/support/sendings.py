"""A hundred made sendings: studies as scanners, gateways and archives send them, in a time of their own.

A sending is a list of steps of associations at moments (s), made from a seed. `play` runs any number of them side by
side through the real spool, index, database and assembler, whose clock goes from one step to the next: nothing waits.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from pydicom import Dataset

from consumers.steps.assemble import Assembler
from consumers.steps.index import Indexer
from dicom_node.spool import AssociationWriter, Close, Peer, SpoolReader
from domain.completeness import SettlePolicy
from domain.habits import KNOWN
from store import expectations
from store.expectations import Said
from tests.support.bench import MARKS, Bench
from tests.support.ingest import encoded, store
from tests.support.phantoms import Phantom

POLICY = SettlePolicy(15, {})
_GRID = 0.5  # s: what lies closer together is one moment
_TICK = 0.001  # s: a clock goes on however little is left to wait
_SPREAD = 20.0  # s over which sendings begin


@dataclass(frozen=True)
class Step:
    """What an association does at a moment (s): bring an image, or end as `close` says."""

    at: float
    association: int
    image: Dataset | None = None
    close: Close | None = None


@dataclass
class Sending:
    """Studies that come together, most often one. `pauses` are the habits (s) of those of its senders that are known.

    `why` is in the true reason, and `waits` is how long (s) the facts make the node wait behind the last step.
    """

    kind: str
    studies: Sequence[str]
    steps: list[Step]
    why: str
    waits: float
    senders: Mapping[int, Peer]
    pauses: Mapping[Peer, float] = field(default_factory=dict)
    said: Sequence[Said] = ()

    def arrivals(self, study: str) -> list[float]:
        """When a study's images came."""
        return sorted(one.at for one in self.steps if one.image and one.image.StudyInstanceUID == study)

    @property
    def last(self) -> float:
        """When the last thing happened."""
        return max(one.at for one in self.steps)


@dataclass(frozen=True)
class Completed:
    """A study was complete at a moment (s), for a reason."""

    at: float
    reason: str


def made(number: int, seed: int) -> list[Sending]:
    """So many sendings, of each kind as many as of any other; the same for the same seed."""
    chance = random.Random(seed)
    kinds = list(_KINDS.items())
    return [_make(*kinds[at % len(kinds)], at, chance) for at in range(number)]


@dataclass(frozen=True)
class _Maker:
    """What a kind of sending is made with: its images, in order, its senders, and where chance comes from."""

    phantom: Phantom
    images: list[Dataset]
    sender: Peer
    other: Peer
    chance: random.Random

    def bring(
        self, images: Sequence[Dataset], association: int = 0, begin: float = 0.0, each: float = 0.1
    ) -> list[Step]:
        """One after the other."""
        return [Step(begin + at * each, association, one) for at, one in enumerate(images)]


_Made = tuple[list[Step], str, float, Mapping[str, Any]]
_GAPLESS = "no slice and no image number is missing"


def _release(at: float, association: int = 0) -> Step:
    return Step(at, association, close=Close.RELEASED)


def _counted(make: _Maker) -> _Made:
    for one in make.images:
        one.NumberOfStudyRelatedInstances = len(make.images)
    steps = make.bring(make.chance.sample(make.images, len(make.images)))
    return steps, f"all {len(steps)} images came (the sender says)", 0.0, {}


def _named(make: _Maker) -> _Made:
    its = make.images[0]
    uids = tuple(str(one.SOPInstanceUID) for one in make.images)
    said = Said(its.StudyInstanceUID, "MPPS", its.SeriesInstanceUID, part="1.2.3", sop_uids=uids)
    return make.bring(make.images), "came that were named (MPPS)", 0.0, {"said": [said]}


def _known(make: _Maker) -> _Made:
    steps = make.bring(make.images)
    return [*steps, _release(steps[-1].at)], _GAPLESS, POLICY.grace, {"pauses": {make.sender: 0.0}}


def _unknown(make: _Maker) -> _Made:
    steps = make.bring(make.images)
    return [*steps, _release(steps[-1].at)], "how its sender sends is not known yet", POLICY.default, {}


def _disordered(make: _Maker) -> _Made:
    """Out of order, and each image twice."""
    twice = make.chance.sample([*make.images, *make.images], 2 * len(make.images))
    steps = make.bring(twice)
    return [*steps, _release(steps[-1].at)], _GAPLESS, POLICY.grace, {"pauses": {make.sender: 0.0}}


def _one_by_one(make: _Maker) -> _Made:
    """A slow sender with an association for each image."""
    pause = make.chance.choice([0.5, 1.0, 2.0, 4.0])
    steps = [make.bring([one], at, at * pause)[0] for at, one in enumerate(make.images)]
    ends = [_release(one.at, one.association) for one in steps]
    return [*steps, *ends], _GAPLESS, 2 * pause, {"pauses": {make.sender: pause}}


def _three(make: _Maker) -> _Made:
    """Three associations, six seconds apart, of a sender that nobody knows."""
    third = -(-len(make.images) // 3)
    parts = [make.images[at : at + third] for at in range(0, len(make.images), third)]
    steps = [one for at, part in enumerate(parts) for one in _released(make.bring(part, at, at * 6.0, 0.0))]
    return steps, "nothing of it came for 15 s", POLICY.default, {}


def _parallel(make: _Maker) -> _Made:
    """Several associations side by side."""
    steps = [
        one
        for at in range(3)
        for one in _released(make.bring(make.images[at::3], at, 0.0, make.chance.uniform(0.1, 1.0)))
    ]
    return steps, _GAPLESS, POLICY.grace, {"pauses": {make.sender: 0.0}}


def _two_sources(make: _Maker) -> _Made:
    """The scanner sends a part, and meanwhile the archive all of it."""
    first = _released(make.bring(make.images[: len(make.images) // 2]))
    steps = [*first, *_released(make.bring(make.images, 1))]
    more = {"pauses": {make.sender: 0.0, make.other: 0.0}, "senders": {0: make.sender, 1: make.other}}
    return steps, _GAPLESS, POLICY.grace, more


def _interleaved(make: _Maker) -> _Made:
    """Image by image with another study, on one association."""
    others = replace(make.phantom, study=f"{make.phantom.study}, beside").datasets()
    both = [image for pair in zip(make.images, others, strict=True) for image in pair]
    return _released(make.bring(both)), _GAPLESS, POLICY.grace, {"pauses": {make.sender: 0.0}}


def _lost_tail(make: _Maker) -> _Made:
    """The last images never come, and their number is known."""
    for one in make.images:
        one.NumberOfSeriesRelatedInstances = len(make.images) + 3
    steps = _released(make.bring(make.images))
    came = f"{len(make.images)} of {len(make.images) + 3} images of a series came (the sender says), 3 are missing"
    return steps, came, POLICY.missing, {"pauses": {make.sender: 0.0}}


def _torn(make: _Maker) -> _Made:
    """The association is lost, and nobody says how many images there are."""
    steps = make.bring(make.images)
    why = "not all of its associations were released"
    return [*steps, Step(steps[-1].at, 0, close=Close.LOST)], why, POLICY.default, {"pauses": {make.sender: 0.0}}


def _gap(make: _Maker) -> _Made:
    """A slice in the middle never comes, and nobody says how many there are."""
    left = [one for at, one in enumerate(make.images) if at != len(make.images) // 2]
    why = "of the image numbers 1 to"
    return _released(make.bring(left)), why, POLICY.default, {"pauses": {make.sender: 0.0}}


def _never_closes(make: _Maker) -> _Made:
    return make.bring(make.images), "though its association stays open", POLICY.hold, {"pauses": {make.sender: 0.0}}


def _released(steps: list[Step]) -> list[Step]:
    return [*steps, _release(steps[-1].at, steps[-1].association)]


_KINDS: Mapping[str, Callable[[_Maker], _Made]] = {
    "its images state their number": _counted,
    "a procedure step names its images": _named,
    "one association, known sender": _known,
    "one association, unknown sender": _unknown,
    "out of order and twice, known sender": _disordered,
    "an association for each image, known sender": _one_by_one,
    "three associations 6 s apart, unknown sender": _three,
    "three associations side by side, known sender": _parallel,
    "two sources, both known": _two_sources,
    "two studies interleaved, known sender": _interleaved,
    "lost tail, number stated": _lost_tail,
    "lost association, number not stated": _torn,
    "lost slice, number not stated": _gap,
    "a sender that never closes": _never_closes,
}


def _make(kind: str, maker: Callable[[_Maker], _Made], number: int, chance: random.Random) -> Sending:
    phantom = Phantom(slices=chance.randint(4, 8), size=(8, 8), study=f"sending {number}", series="1")
    sender, other = (Peer(f"{name}{number}", "NODE", f"10.0.{at}.{number}") for at, name in enumerate(("CT", "PACS")))
    steps, why, waits, more = maker(_Maker(phantom, phantom.datasets(), sender, other, chance))
    begin = chance.uniform(0, _SPREAD)
    # At one moment images come before an association ends.
    moved = sorted(
        (replace(one, at=_on_grid(begin + one.at)) for one in steps), key=lambda one: (one.at, one.image is None)
    )
    senders = more.get("senders") or {one.association: sender for one in steps}
    studies = list(dict.fromkeys(str(one.image.StudyInstanceUID) for one in steps if one.image))
    return Sending(kind, studies, moved, why, waits, senders, more.get("pauses", {}), more.get("said", ()))


def _on_grid(at: float) -> float:
    return round(at / _GRID) * _GRID


def play(bench: Bench, sendings: Sequence[Sending]) -> Mapping[str, list[Completed]]:
    """When each study, by its UID, was complete, each time that it was; nobody waits."""
    _introduce(bench, sendings)
    begin, elapsed = bench.clock.now(), bench.clock.elapsed
    assembler = Assembler(bench.as_process("assemble"), POLICY, bench.clock)
    assembler.step()
    player = _Player(bench, sendings)
    with SpoolReader(bench.root / "spool") as reader:
        indexer = Indexer(reader, bench.as_process("index"), bench.objects, bench.clock, marks=MARKS)
        due = 0.0
        while (now := min(player.next_at, due)) < inf:
            bench.clock.sleep(max(0.0, elapsed + now - bench.clock.elapsed))
            if player.advance(now):
                while indexer.step(0.0):
                    pass
            again_in = assembler.step()
            due = inf if again_in is None else bench.clock.elapsed - elapsed + max(again_in, _TICK)
        indexer.close()
    player.end()
    found: dict[str, list[Completed]] = {}
    for uid, at, reason in bench.ask(_COMPLETED):
        found.setdefault(uid, []).append(Completed((at - begin).total_seconds(), reason))
    return found


_COMPLETED = """
    SELECT entry -> 'details' ->> 'study_uid', (entry ->> 'at')::timestamptz, entry -> 'details' ->> 'reason'
    FROM (SELECT number, entry::jsonb AS entry FROM dicom_node.audit_entries) AS trail
    WHERE entry ->> 'action' IN ('study completed', 'study amended') ORDER BY number
"""


def _introduce(bench: Bench, sendings: Sequence[Sending]) -> None:
    """Who is known is so before the first image comes, and what is said is said."""
    known = [(peer, pause) for one in sendings for peer, pause in one.pauses.items()]
    bench.as_owner(
        *(
            "INSERT INTO dicom_node.callers (calling_ae, address, accepted, refused, refusal, reason, studies, pause) "
            f"VALUES ('{peer.calling}', '{peer.address}', {KNOWN}, 0, '', '', {KNOWN}, {pause})"
            for peer, pause in known
        )
    )
    with bench.as_process("assemble").transaction() as transaction:
        expectations.note(transaction.connection, [said for one in sendings for said in one.said])


class _Player:
    """Writes the steps into the spool, each at its moment."""

    def __init__(self, bench: Bench, sendings: Sequence[Sending]) -> None:
        self._bench = bench
        steps = ((step, sending) for sending in sendings for step in sending.steps)
        self._steps = sorted(steps, key=lambda one: one[0].at)
        self._open: dict[tuple[str, int], AssociationWriter] = {}
        self._data = {id(step.image): encoded(step.image) for step, _ in self._steps if step.image}

    @property
    def next_at(self) -> float:
        """The moment of the next step, infinity after the last."""
        return self._steps[0][0].at if self._steps else inf

    def advance(self, now: float) -> bool:
        """All steps up to a moment; whether there was any."""
        due = [one for one in self._steps if one[0].at <= now]
        del self._steps[: len(due)]
        for step, sending in due:
            self._do(step, sending)
        return bool(due)

    def end(self) -> None:
        """Whoever never closes does so now."""
        for association in self._open.values():
            self._bench.writer.close_association(association, Close.LOST, "")

    def _do(self, step: Step, sending: Sending) -> None:
        key = sending.studies[0], step.association
        if key not in self._open:
            self._open[key] = self._bench.writer.open_association(sending.senders[step.association], {})
        if step.image is not None:
            store(self._open[key], self._data[id(step.image)], step.image.SOPClassUID, step.image.SOPInstanceUID)
        if step.close is not None:
            self._bench.writer.close_association(self._open.pop(key), step.close, "")


def by_silence(arrivals: Sequence[float], quiet: float) -> Iterator[float]:
    """When who goes by `quiet` seconds of silence alone has a study complete, each time that it does."""
    for at, after in zip(arrivals, [*arrivals[1:], inf], strict=True):
        if after - at > quiet:
            yield at + quiet

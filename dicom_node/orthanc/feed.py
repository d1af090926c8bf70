"""An Orthanc's changes as a source: what is new there goes into the spool, as durably as what is sent to us.

The place is moved behind a page of changes once all of it is in the spool. So whatever is killed, and whenever, what
was not taken comes again, and what comes twice changes nothing.
"""

import logging
from collections.abc import Callable, Sequence

from config.peers import Source
from dicom_node.orthanc.answers import Change, Changes
from dicom_node.orthanc.fetching import Fetcher
from dicom_node.orthanc.line import Taken
from dicom_node.orthanc.place import Place, PlaceFile
from dicom_node.orthanc.rest import NotNow, Orthanc
from dicom_node.spool import Close
from domain.errors import NodeError, Retryable
from domain.stopping import Stopped

_log = logging.getLogger(__name__)
_PAGE = 500  # changes that are asked for at once, and taken before the place moves
# The last changes, which are asked for again each time: by them a database is known again, and what came among them
# late is found. Databases with several writers give numbers out before they commit.
_KNOWN_BY = 32
# Tries of an instance that is not given, while others are: then those behind it go on without it.
_TRIES = 5
_BEYOND = 1 << 53  # a number that no change has
_NEW = "NewInstance"


class Follower:
    """Follows one source. `step` is one turn, for one thread; `count` is told of each instance and its outcome."""

    def __init__(
        self,
        source: Source,
        file: PlaceFile,
        fetcher: Fetcher,
        timeout: float,
        count: Callable[[Taken], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._file = file
        self._fetcher = fetcher
        self._orthanc = Orthanc(source, timeout)
        self._count = count
        self._place: Place | None = None
        self._end = 0  # the number of the latest change that was seen
        self._done: set[str] = set()  # of the page that the place is before
        self._tries: dict[str, int] = {}
        self._given = False  # whether it gave any instance of that page

    @property
    def behind(self) -> int:
        """The changes that are not taken yet, as far as was seen."""
        return max(0, self._end - self._place.since) if self._place else 0

    def step(self) -> bool:
        """Take a page of changes; whether there is more at once.

        Raises Retryable where the source is away, a file of ours cannot be used, or the spool takes nothing: what is
        left of the page is taken then.
        """
        try:
            more = self._page()
        except Stopped:
            raise
        except NodeError as error:
            self._let_go(error.sentence)
            if isinstance(error, Retryable):
                raise
            # One source costs the others nothing: whatever it is, a person may mend it meanwhile.
            raise Retryable(*error.lines) from error
        except BaseException as error:
            self._let_go(type(error).__name__)
            raise
        if not more:
            # The associations go on as long as there is more: a study may be in it that has not come as a whole.
            self._fetcher.end(Close.RELEASED)
        return more

    def _let_go(self, reason: str) -> None:
        self._orthanc.close()
        self._fetcher.end(Close.LOST, reason)

    def close(self) -> None:
        """Let go of the source."""
        self._orthanc.close()
        self._fetcher.close()

    def _page(self) -> bool:
        place = self._begun()
        first = place.latest[0].number - 1 if place.latest else place.since
        page = self._orthanc.changes(first, _PAGE + len(place.latest))
        if _is_another(place, page, first):
            said = "its changes begin anew, as those of another database do: all that it has now is taken"
            _log.warning(said, extra={"source": self._source.name, "was_at": place.since})
            self._end = 0
            self._move(Place(0))
            return True
        known = {one.number for one in place.latest}
        new = [one for one in page.changes if one.number not in known]
        self._see(page)
        self._take(new)
        if new:
            latest = sorted((*place.latest, *new), key=lambda one: one.number)[-_KNOWN_BY:]
            self._move(Place(max(place.since, latest[-1].number), latest))
        # Who says that there is more, and gives none, is asked again after a while and not at once.
        return bool(new) and not page.done

    def _see(self, page: Changes) -> None:
        """Of a long log its end is asked for once, and again when that is reached."""
        self._end = max(self._end, page.last)
        if not page.done and self._end == page.last:
            self._end = self._counter()

    def _begun(self) -> Place:
        if self._place is None:
            self._place = self._file.load() or self._first()
            self._move(self._place)
        return self._place

    def _first(self) -> Place:
        if self._source.changes_from == "everything":
            return Place(0)
        latest = self._orthanc.last_change()
        return Place(max(self._counter(), latest.last), latest.changes)

    def _counter(self) -> int:
        """The number of the latest change that there was, be it still in the list or not.

        What is deleted is gone from the list, but the answer to a question for what comes behind all tells the counter.
        """
        last = self._orthanc.changes(_BEYOND, 1).last
        return last if last < _BEYOND else self._orthanc.last_change().last

    def _move(self, place: Place) -> None:
        self._file.save(place)
        self._place = place
        self._done.clear()
        self._tries.clear()
        self._given = False

    def _take(self, changes: Sequence[Change]) -> None:
        """Returns once all that is new is in the spool, or never will be; raises Retryable while something is not."""
        wanted = dict.fromkeys(one.resource for one in changes if one.kind == _NEW)
        not_given: dict[str, NotNow] = {}
        for instance, outcome in self._fetcher.each([one for one in wanted if one not in self._done]):
            if isinstance(outcome, NotNow):
                not_given[instance] = outcome
                self._tries[instance] = self._tries.get(instance, 0) + 1
            else:
                self._settle(instance, outcome)
                self._given = self._given or outcome is not Taken.GONE
        for instance, error in not_given.items():
            # As long as it gives nothing at all, it is the archive that fails and no instance.
            if not self._given or self._tries[instance] < _TRIES:
                raise error
            reason = f"the source does not give it, after {_TRIES} tries: {error.sentence}"
            self._settle(instance, self._fetcher.give_up(reason))

    def _settle(self, instance: str, outcome: Taken) -> None:
        self._done.add(instance)
        self._count(outcome)


def _is_another(place: Place, page: Changes, first: int) -> bool:
    """Whether the page, asked for from `first` on, is of another database than the place: a new one, or one put back.

    What was deleted is missing in a page, and tells nothing; the counter of a database never goes back.
    """
    known = {one.number: one for one in place.latest}
    if any(not _may_be(one, known.get(one.number, one)) for one in page.changes):
        return True
    return not page.changes and page.last < place.since and page.last != first


def _may_be(change: Change, known: Change) -> bool:
    """Whether it is the one that is known, of which a file may not have kept what it was about."""
    return change.kind == known.kind and known.resource in ("", change.resource)

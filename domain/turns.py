"""Whose turn it is where one queue serves several senders: start-time fair queueing, one unit of work at a time.

What waits gets a turn: that of what is served at the moment, or the one after its own sender's last, whichever is
later. The smallest turn is served first. So a sender that has nothing waiting is next but for those who are in the same
case, however much others have sent, and of two that have plenty each gets every other place. (Goyal, Vin and Cheng,
"Start-time Fair Queuing", SIGCOMM 1996, with units of one length.) `store.leases` does the same in rows.
"""


class Turns:
    """Gives turns out; keeps of each sender no more than can still matter."""

    def __init__(self) -> None:
        self._now = 0
        self._last: dict[str, int] = {}

    def give(self, sender: str) -> int:
        """The turn of one more unit of work of `sender`."""
        turn = max(self._now, self._last.get(sender, -1) + 1)
        self._last[sender] = turn
        return turn

    def keep(self, sender: str, turn: int) -> None:
        """One that was given before, in another life perhaps, and still waits."""
        self._last[sender] = max(turn, self._last.get(sender, turn))

    def serve(self, turn: int) -> None:
        """What has this turn is served, or will be next."""
        self._now = max(self._now, turn)
        self._last = {sender: last for sender, last in self._last.items() if last >= self._now}

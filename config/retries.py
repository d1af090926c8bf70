"""Every wait between two tries, in one place: what is tried again, how soon, and when that ends.

All figures are seconds. What waits is said beside each; `domain.retry` has the rule.
"""

from datetime import timedelta

from config.settings import Delivery, Models
from domain.retry import RetryPolicy

# A server (PostgreSQL, a broker) that is away for days costs no work, so there is no end; ten seconds after it is back
# everything goes on.
SERVERS = RetryPolicy(first=0.2, factor=2, longest=10)

# A handler's error that may pass. After a minute or so the event is set aside for a person, and the next one goes on.
EVENTS = RetryPolicy(first=1, factor=2, longest=60, attempts=5)

# A role's process that died. The first restart is at once; one that dies at each start must not take a processor.
PROCESSES = RetryPolicy(first=0.2, factor=2, longest=10)

# Results that were written anew because their destination came to take others. One whose answers change every time is
# given up, so that nothing is written for ever. The longest is what a delivery waits for results to be written.
REWRITES = RetryPolicy(first=1, factor=10, longest=86400, attempts=5)

# A study that is amended again and again comes from a slow sender. Its second revision runs at once; each later one
# waits ever longer, and where another comes meanwhile it is cancelled where it waits.
AMENDMENTS = RetryPolicy(first=10, factor=2, longest=300)

# An impression whose writing failed for what may pass. Results wait for none, and a person may ask for it again.
SUMMARIES = RetryPolicy(first=1, factor=4, longest=60, attempts=3)

# A worklist that does not answer is asked about all studies at once when it is back.
WORKLISTS = RetryPolicy(first=1, factor=2, longest=60)


def jobs(settings: Models) -> RetryPolicy:
    """A job that failed for what may pass (memory, a killed process)."""
    return RetryPolicy(first=1, factor=4, longest=60, attempts=settings.attempts)


def deliveries(settings: Delivery) -> RetryPolicy:
    """Results that a destination did not take: it may be away for days, and a person hears of it in the end."""
    return RetryPolicy(
        first=settings.first_delay,
        factor=2,
        longest=settings.longest_delay,
        total=timedelta(seconds=settings.give_up_after),
    )

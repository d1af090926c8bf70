"""docs/reference.md says of every wait between two tries what the code says, and nothing else."""

from collections.abc import Iterator

from config import retries
from config.settings import Delivery, Models
from domain.retry import RetryPolicy
from tests.support.counterparts import ROOT

OPERATIONS = (ROOT / "docs" / "reference.md").read_text("utf-8")


def policies() -> Iterator[tuple[str, RetryPolicy]]:
    """Every policy of the module by its name, with the settings' defaults."""
    yield from ((name.lower(), one) for name, one in vars(retries).items() if isinstance(one, RetryPolicy))
    yield "jobs", retries.jobs(Models())
    yield "deliveries", retries.deliveries(Delivery())


def test_the_table_of_waits_is_complete_and_true() -> None:
    section = OPERATIONS.partition("## Retry and back-off\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    stated = {row[0].strip("`"): row[2:6] for row in rows[1:]}
    expected = {
        name: [f"{one.first:g} s", f"{one.factor:g}", f"{one.longest:g} s", _end(one)] for name, one in policies()
    }
    assert stated == expected


def _end(policy: RetryPolicy) -> str:
    if policy.attempts is not None:
        return f"after {policy.attempts} attempts"
    return f"after {policy.total.days} days" if policy.total else "never"


def test_every_policy_is_a_function_of_settings_or_a_constant() -> None:
    own = (one for one in vars(retries).values() if getattr(one, "__module__", "") == retries.__name__)
    assert {one.__name__ for one in own if callable(one)} == {"jobs", "deliveries"}


def test_no_other_module_has_a_policy_of_its_own() -> None:
    rooms = ("audit", "consumers", "console", "dicom_node", "inference_worker", "models", "roles", "sr_writer", "store")
    files = (file for room in rooms for file in (ROOT / room).rglob("*.py"))
    assert [str(file.relative_to(ROOT)) for file in files if "RetryPolicy(" in file.read_text("utf-8")] == []

"""What the benchmarks write: tables that read well, and one section each in the file of results."""

from pathlib import Path

from benchmarks.table import keep, megabytes, seconds, table


def test_columns_of_a_table_are_as_wide_as_their_longest_cell() -> None:
    text = table(["receiver", "time"], [["this node", "1 s"], ["x", "10.5 s"]])
    assert text.splitlines() == [
        "| receiver  |   time |",
        "| --------- | -----: |",
        "| this node |    1 s |",
        "| x         | 10.5 s |",
    ]


def test_a_new_run_takes_the_place_of_the_last_one_and_leaves_the_others(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    keep("Ingest", "first\n\n### A table\n\n| 1 |", results)
    keep("Audit", "other", results)
    keep("Ingest", "second", results)
    text = results.read_text()
    assert text.startswith("# Results\n")
    assert text.endswith("## Ingest\n\nsecond\n\n## Audit\n\nother\n")
    assert "first" not in text and "A table" not in text


def test_numbers_have_the_digits_that_are_worth_reading() -> None:
    assert (seconds(0.1234), seconds(44.12)) == ("0.12 s", "44.1 s")
    assert megabytes(262_144_000) == "262 MB"

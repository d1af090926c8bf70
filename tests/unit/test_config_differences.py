"""What differs between two settings is told by name with both values, and no secret is in it."""

from config import masking
from config.differences import differences
from config.settings import Settings


def test_a_setting_that_differs_is_told_in_dots_with_both_values() -> None:
    before, after = {"a": {"b": 1, "c": True}, "d": "x"}, {"a": {"b": 2.5, "c": True}, "e": None}
    assert differences(before, after) == [["a.b", "1", "2.5"], ["d", "x", None], ["e", None, "null"]]


def test_of_a_list_of_tables_the_one_that_differs_is_named_wherever_it_stands() -> None:
    before = {"destinations": [{"name": "PACS", "port": 104}, {"name": "RIS", "port": 1}]}
    after = {"destinations": [{"name": "NEW", "port": 2}, {"name": "RIS", "port": 1}, {"name": "PACS", "port": 105}]}
    assert differences(before, after) == [
        ["destinations.NEW", None, '{"name": "NEW", "port": 2}'],
        ["destinations.PACS.port", "104", "105"],
    ]


def test_tables_without_a_name_or_with_one_name_twice_are_told_whole() -> None:
    before, after = {"x": [{"aet": "A"}]}, {"x": [{"aet": "A"}, {"aet": "A"}]}
    assert differences(before, after) == [["x", '[{"aet": "A"}]', '[{"aet": "A"}, {"aet": "A"}]']]


def test_a_secret_is_in_no_value() -> None:
    settings = Settings.model_validate({"database": {"url": "postgresql://node:geheim@db/x"}})
    told = differences(masking.public(Settings()), masking.public(settings))
    assert [name for name, _, _ in told] == ["database.url"]
    assert "geheim" not in str(told)


def test_the_same_settings_do_not_differ() -> None:
    assert differences(masking.public(Settings()), masking.public(Settings())) == []

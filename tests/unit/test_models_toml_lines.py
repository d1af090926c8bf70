"""A wrong key is blamed on the line that holds it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.toml_lines import load, locate, read
from domain.errors import ConfigurationError

TEXT = '''\
# a comment
name = "x"
inline = { a = 1, b = { c = 2 } }
"quoted key" = 3
many = [
    "one",  # [not.a.header]
    "two",
]
prose = """
[neither]
this = "is a table"
"""

[table]
key = 1
dotted.deep = 2

[table.inner]
key = 3

[[rule]]
model = "a"

[rule.when]
modality = ["CT"]

[[rule]]
model = "b"
[rule.when]
modality = ["MR"]
[[rule.part]]
x = 1
[[rule.part]]
x = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 'name = "x"'),
        (("inline", "b", "c"), "inline = { a = 1, b = { c = 2 } }"),
        (("quoted key",), '"quoted key" = 3'),
        (("many", 1), '    "two",'),
        (("prose",), 'prose = """'),
        (("table",), "[table]"),
        (("table", "dotted", "deep"), "dotted.deep = 2"),
        (("table", "inner", "key"), "key = 3"),
        (("table", "inner", "absent"), "[table.inner]"),
        (("rule", 0, "model"), 'model = "a"'),
        (("rule", 1, "model"), 'model = "b"'),
        (("rule", 0, "when", "modality", 0), 'modality = ["CT"]'),
        (("rule", 1, "when", "modality"), 'modality = ["MR"]'),
        (("rule", 1, "part", 1, "x"), "x = 2"),
        (("nowhere",), "# a comment"),
        ((), "# a comment"),
    ],
)
def test_a_path_leads_to_its_line(path: tuple[str | int, ...], line: str) -> None:
    assert TEXT.splitlines()[locate(TEXT, path) - 1] == line


def test_line_endings_of_windows_count_once() -> None:
    assert locate(TEXT.replace("\n", "\r\n"), ("rule", 1, "model")) == locate(TEXT, ("rule", 1, "model"))


KEYS = st.text("abc", min_size=1, max_size=3)
TREES = st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers(), max_size=3), max_size=4)


@given(TREES)
def test_every_key_of_any_two_level_file_is_found(tree: dict[str, dict[str, int]]) -> None:
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {n}\n" for key, n in table.items()) for name, table in tree.items()
    )
    assert tomllib.loads(text) == tree
    for name, table in tree.items():
        for key, number in table.items():
            assert text.splitlines()[locate(text, (name, key)) - 1] == f"{key} = {number}"


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ("[t\n", 1), ('a = 1\n\nb = """x\n', 3)]
)
def test_what_is_not_toml_is_named_with_file_and_line(text: str, line: int) -> None:
    with pytest.raises(ConfigurationError, match=f"^rules.toml:{line}: not TOML: [^(]*$"):
        load(text, Path("rules.toml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'c = [\n  { a = "CT", b = "x" }  # first\n\n  { a = "MR", b = "y" },\n]\n',
            "4: not TOML: a comma is missing at the end of line 2",
        ),
        ('c = [\n  "a"\n  "b",\n]\n', "3: not TOML: a comma is missing at the end of line 2"),
        ('c = [ "a"\nx = 1\n', "2: not TOML: a comma or the ] that closes it is missing here or above"),
        ("c = { a = 1 b = 2 }\n", "1: not TOML: a comma or the } that closes it is missing here or above"),
        ("a = 1\n= 2\n", "2: not TOML: a line is NAME = VALUE or [TABLE], and this begins as neither"),
        ("a = 1 2\n", "1: not TOML: something stands behind the value"),
        ("a 1\n", "1: not TOML: a name is followed by = and a value"),
        ('a = "x\nb = 1\n', "1: not TOML: a text is closed by the quote that opened it, on the same line"),
    ],
)
def test_what_the_parser_misses_is_said_in_words_of_the_file_and_that_it_is_not_all(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(text, Path("rules.toml"))
    assert str(caught.value).startswith(f"rules.toml:{said}")
    assert str(caught.value).endswith("; the rest is looked at once this is right")


def test_the_mark_that_an_editor_of_windows_begins_a_file_with_is_no_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_bytes(b"\xef\xbb\xbf[listener]\r\nport = 104\r\n")
    assert load(read(file), file) == {"listener": {"port": 104}}


def test_what_is_toml_is_read() -> None:
    values: dict[str, Any] = load(TEXT, Path("rules.toml"))
    assert values["rule"][1]["part"] == [{"x": 1}, {"x": 2}]


def test_an_element_of_an_array_over_several_lines_has_its_own_line() -> None:
    text = '[a]\ncallers = [\n  { x = 1, y = 2 },\n  # one more\n  { x = 3 }, { x = 4 },\n  "a",\n]\nb = [1,\n2]\n'
    paths = [
        ("a", "callers", 0, "y"),
        ("a", "callers", 1, "x"),
        ("a", "callers", 2),
        ("a", "callers", 3),
        ("a", "b", 1),
    ]
    assert [locate(text, path) for path in paths] == [3, 5, 5, 6, 9]
    assert locate(text, ("a", "callers")) == 2

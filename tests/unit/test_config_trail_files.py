"""What `[audit]` and `[access]` name and nothing can be done with is told by `config check`, each with its line."""

from pathlib import Path

import pytest

import roles.unusable
from tests.unit.test_config_named_files import said, secret

PLACE = '[[audit.witnesses]]\nname = "w"\n'
HTTP = f'{PLACE}kind = "http"\nurl = "https://127.0.0.1:9"\n'
PROVIDER = '[access]\nclient_id = "n"\ngrants = [{ value = "g", role = "auditor" }]\n'
BUCKET = f'{PLACE}kind = "s3"\nbucket = "b"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{HTTP}key = "none"\n', "node.toml:8: audit.witnesses.w.key: "),
        (f'{HTTP}ca = "o.pw"\n', "node.toml:4: audit.witnesses.w: o.pw cannot be used for TLS"),
        (f'{HTTP}token_file = "o.pw"\n', "node.toml:8: audit.witnesses.w.token_file: o.pw may be read or changed"),
        (f'{BUCKET}access_file = "o.pw"\n', "node.toml:8: audit.witnesses.w.access_file: o.pw may be read or changed"),
        (f'{PLACE}kind = "file"\nfile = "none/w"\n', "node.toml:7: audit.witnesses.w.file: there is no folder none"),
        (f'{PLACE}kind = "file"\nfile = "."\n', "node.toml:7: audit.witnesses.w.file: "),
        ('[audit]\nkeys = "o.pw"\n', "node.toml:5: audit.keys: o.pw is a file, and a folder is needed"),
        (
            '[[audit.receivers]]\nname = "r"\nkind = "fhir"\nurl = "https://127.0.0.1:9"\ntoken_file = "o.pw"\n',
            "node.toml:8: audit.receivers.r.token_file: o.pw may be read or changed",
        ),
        (
            f'{PROVIDER}issuer = "https://127.0.0.1:9"\nca = "none.pem"\n',
            "node.toml:8: access.ca: none.pem cannot be used for TLS",
        ),
        (
            f'{PROVIDER}issuer = "https://none.invalid/x"\n',
            "node.toml:7: access.issuer: no address is known of the host 'none.invalid'",
        ),
    ],
)
def test_what_nothing_can_be_done_with_is_named(tmp_path: Path, text: str, expected: str) -> None:
    secret(tmp_path, 0o644)
    (line,) = said(tmp_path, text)
    assert line.startswith(expected), line


def test_two_places_of_one_file_are_named(tmp_path: Path) -> None:
    one = 'kind = "file"\nfile = "w"\n'
    (line,) = said(tmp_path, f'{PLACE}{one}[[audit.witnesses]]\nname = "v"\n{one}')
    assert line.startswith("node.toml:11: audit.witnesses.v.file: w is another place's"), line


def test_places_that_can_be_used_are_taken(tmp_path: Path) -> None:
    (tmp_path / "seal").mkdir()
    assert said(tmp_path, f'{PLACE}kind = "file"\nfile = "w"\n[audit]\nkeys = "seal"\n') == []


def test_an_api_that_is_asked_for_and_cannot_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles.unusable, "_OF_PEOPLE", ("fastapi", "no_such_library"))
    (line,) = said(tmp_path, "[console]\nenabled = true\nport = 0\n")
    assert line.endswith("(no_such_library is missing): pip install 'dicom-node[people]'"), line
    assert said(tmp_path, "[console]\nport = 0\n") == []

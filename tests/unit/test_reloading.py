"""What a running node takes over, what it names instead, and when it takes over nothing."""

import re
from pathlib import Path

import pytest

from config.loading import load_settings
from config.places import needed_places
from config.reloading import ANEW, AS_IT_STANDS, compared
from config.settings import Settings
from domain.errors import ConfigurationError
from roles.reload import Answer, hand_over, handed_over, last_answer, publish, reread
from tests.support.certificates import Site
from tests.support.counterparts import ROOT

FORCE = load_settings(None, {"database": {"url": "postgresql://node@db/node"}})


def changed(**sections: object) -> Settings:
    return load_settings(None, {"database": {"url": "postgresql://node@db/node"}, **sections})


def test_what_the_listener_takes_over_begins_no_role_anew() -> None:
    change = compared(FORCE, changed(listener={"callers": [{"aet": "CT", "address": "10.1.2.3"}]}))
    assert (change.taken, change.waiting, change.anew) == (("listener.callers",), (), frozenset())
    assert change.settings.listener.callers[0].aet == "CT"


def test_each_role_that_goes_by_a_setting_begins_anew_and_no_other() -> None:
    change = compared(FORCE, changed(destinations=["PACS@10.1.0.10:104"], assembly={"settle": 9}))
    assert change.taken == ("assembly.settle", "destinations")
    assert change.anew == {"assemble", "write", "deliver"}


def test_how_long_things_are_kept_is_taken_over_by_the_role_that_removes_and_more_than_the_disk_has_is_not(
    tmp_path: Path,
) -> None:
    change = compared(FORCE, changed(retention={"images_days": 30, "keep_free": 5 << 30}))
    assert change.taken == ("retention.images_days", "retention.keep_free")
    assert not change.waiting
    assert change.anew == {"retain"}
    force = FORCE.model_copy(update={"data": tmp_path})
    (tmp_path / "objects" / "instances").mkdir(parents=True)
    asked = changed(data=tmp_path, retention={"keep_free": 1 << 45})
    with pytest.raises(ConfigurationError, match=r"retention\.keep_free .*the whole disk"):
        reread(force, lambda: asked, needed_places)


def test_what_waits_for_a_restart_is_named_and_stays_as_it_was() -> None:
    change = compared(FORCE, changed(listener={"port": 104}, models={"device": "cuda:0", "timeout": 5}))
    assert change.waiting == ("listener.port", "models.device")
    assert change.taken == ("models.timeout",)
    assert (change.settings.listener.port, change.settings.models.device) == (11112, "auto")


def test_new_certificates_are_taken_over_and_wrong_ones_change_nothing_and_a_port_for_tls_waits(tmp_path: Path) -> None:
    site = Site(tmp_path)
    mine = {"ca": str(site.ca), "certificate": str(site.node.certificate), "key": str(site.node.key)}
    force = changed(listener={"tls": mine})
    other = str(site.partner("OTHER").key)
    assert compared(force, changed(listener={"tls": {**mine, "minimum": "1.3"}})).taken == ("listener.tls.minimum",)
    with pytest.raises(ConfigurationError, match=r"listener\.tls\.key: .* is not the key of"):
        reread(force, lambda: changed(listener={"tls": {**mine, "key": other}}))
    off = compared(force, changed())
    assert (off.taken, off.waiting) == ((), ("listener.tls.certificate", "listener.tls.key", "listener.tls.ca"))
    assert compared(FORCE, force).waiting == off.waiting


def test_right_settings_that_contradict_what_waits_for_a_restart_change_nothing() -> None:
    # The archive takes the port that the listener gives up, which it does not before a restart.
    new = changed(listener={"port": 104}, destinations=["PACS@127.0.0.1:11112"])
    with pytest.raises(ConfigurationError, match=r"waits for a restart: destinations.*listener\.port"):
        compared(FORCE, new)


def test_a_secret_that_was_taken_out_of_the_environment_is_no_change() -> None:
    assert compared(FORCE, load_settings()).waiting == ()


def test_a_wrong_file_of_rules_changes_nothing(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[[rule]]\nname = 'no model'\n")
    with pytest.raises(ConfigurationError, match=r"rules\.toml:1"):
        reread(FORCE, lambda: changed(models={"rules": str(rules)}))


def test_what_is_handed_to_roles_is_what_they_take_as_they_stand_and_holds_no_secret(tmp_path: Path) -> None:
    new = changed(listener={"trust_loopback": False, "port": 104, "callers": [{"aet": "CT", "address": "10.1.2.3"}]})
    (tmp_path / "run").mkdir()
    hand_over(tmp_path, new)
    assert "postgresql" not in (tmp_path / "run" / "settings.handed").read_text()
    assert set(compared(FORCE, handed_over(tmp_path, FORCE)).taken) < AS_IT_STANDS
    assert handed_over(tmp_path, FORCE).listener.port == FORCE.listener.port
    (tmp_path / "run" / "settings.handed").write_text("{")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        handed_over(tmp_path, FORCE)


def test_an_answer_is_read_as_it_was_written_and_one_that_is_none_is_no_answer(tmp_path: Path) -> None:
    answer = Answer(7, 2, ("listener.callers",), ("listener.port",))
    publish(tmp_path, "up", answer)
    assert last_answer(tmp_path, "up") == answer
    (tmp_path / "run" / "up.reload").write_text("{}")
    assert last_answer(tmp_path, "up") is None


def test_the_document_says_of_each_setting_who_takes_it_over() -> None:
    chapter = (ROOT / "docs/operations.md").read_text().partition("\n## Reload\n")[2].partition("\n## ")[0]
    rows = [line for line in chapter.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([\w.]+)`", row.split("|")[1])} == {
        *AS_IT_STANDS,
        *ANEW,
    }
    for row in rows:
        names, said = re.findall(r"`([\w.]+)`", row.split("|")[1]), row.split("|")[2]
        if names[0] in ANEW:
            assert set(re.findall(r"`(\w+)`", said)) == ANEW[names[0]]

"""`summary providers`: whom the settings name, for words and for images, and whether each answers."""

import json
from pathlib import Path

from typer.testing import CliRunner

from console.cli.app import app
from tests.support.provider_server import fails, said, serving

MODEL = '[[{}]]\nname = "{}"\nkind = "openai"\nurl = "{}"\nmodel = "m"\n'


def test_who_is_shown_images_is_listed_and_tested_beside_who_writes(tmp_path: Path) -> None:
    with serving(said('{"ok": true}'), fails(401)) as server:
        config = tmp_path / "node.toml"
        named = (MODEL.format(*one, server.url) for one in (("language_models", "house"), ("vision_models", "eyes")))
        config.write_text(f'data = "{tmp_path}"\n' + "".join(named))
        result = CliRunner().invoke(app, ["summary", "providers", "--test", "--json", "--config", str(config)])
    assert result.exit_code == 1
    rows = json.loads(result.stdout)["providers"]
    assert [(one["name"], one["writes"]) for one in rows] == [("house", "impressions"), ("eyes", "likelihoods")]
    assert rows[0]["answered"] and not rows[0]["fault"]
    assert "status 401" in rows[1]["fault"]
    assert [body["messages"][1]["content"] for body in server.asked] == ["Are you there?"] * 2  # and no image


def test_where_only_images_are_asked_about_the_template_writes(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f'data = "{tmp_path}"\n' + MODEL.format("vision_models", "eyes", "http://127.0.0.1:1/v1"))
    result = CliRunner().invoke(app, ["summary", "providers", "--config", str(config)])
    assert result.exit_code == 0
    assert "eyes" in result.stdout
    assert "the template writes impressions" in result.stdout

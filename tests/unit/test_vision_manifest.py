"""What a manifest may say whose network is a general model: coded questions about pictures, and nothing else."""

from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from domain.questions import Question
from models.registry import load_package
from models.words import vocabulary
from tests.support.vision_packages import MANIFEST, write_package


def test_each_finding_has_its_question_and_two_choices(tmp_path: Path) -> None:
    manifest = load_package(write_package(tmp_path)).manifest
    assert [one.question for one in manifest.findings] == [
        Question("Is there fluid in the pleural space?", ("present", "absent")),
        Question("Is there air in the pleural space?", ("air", "no air")),
    ]
    # What is asked is no name of what was found.
    assert vocabulary(manifest).texts == {"Two questions", "Effusion", "Pneumothorax"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('question = { words = "Is there fluid in the pleural space?" }\n', "", "findings.0.question"),
        ('words = "Is there fluid in the pleural space?"', 'words = ""', "findings.0.question.words"),
        ('["air", "no air"]', '["air", "air"]', "findings.1.question.choices"),
        ('["air", "no air"]', '["air"]', "findings.1.question.choices"),
        ('kind = "vision"', 'kind = "onnx"', "findings.0.question"),
        ('kind = "images"', 'kind = "volume"', "inputs.0.kind"),
        ("burned_in = false\n", "", "inputs.0.conditions"),
        ("shape = [0, 1, 512, 512]", "shape = [0, 1, 0, 512]", "network.shape"),
        ("channel = 1", "channel = 2", "findings"),
        ("demonstration = false", "demonstration = false\nproduct = true", "identity.product"),
        ("[[findings]]", '[[preprocessing]]\nstep = "display"\n\n[[findings]]', "preprocessing"),
    ],
)
def test_what_no_general_model_can_be_asked_is_refused_by_its_line(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=rf"manifest.toml:\d+: {said}: "):
        load_package(write_package(tmp_path, MANIFEST.replace(old, new, 1)))

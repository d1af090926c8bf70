"""A site names the models that may be shown images by themselves: those that write impressions are not among them."""

from config.contradictions import contradictions
from config.settings import LanguageModel, Settings

HOUSE = LanguageModel(name="house", kind="openai", url="http://10.0.0.1/v1", model="small")


def said(*models: LanguageModel) -> list[str]:
    return [one.said for one in contradictions(Settings(vision_models=models))]


def test_nobody_is_shown_an_image_unless_the_site_names_somebody() -> None:
    assert Settings(language_models=(HOUSE,)).vision_models == ()
    assert said(HOUSE) == []


def test_what_names_no_endpoint_or_no_model_or_one_twice_is_refused() -> None:
    assert ["url: is not given" in one for one in said(HOUSE.model_copy(update={"url": None}))] == [True]
    assert ["model: is not given" in one for one in said(HOUSE.model_copy(update={"model": ""}))] == [True]
    assert ["has this name" in one for one in said(HOUSE, HOUSE)] == [True]


def test_a_model_in_the_process_sees_no_images() -> None:
    inside = HOUSE.model_copy(update={"kind": "local", "url": None, "file": "/m.gguf"})
    assert any("none in the process sees images" in one for one in said(inside))

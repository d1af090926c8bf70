"""What leaves for sources of literature could be written down beforehand: words of our tables, nothing of a study."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.findings import Code
from domain.impressions import Caution, Fact, Facts, Presence
from summary import synonyms
from summary.literature import europe_pmc, pubmed
from summary.literature.articles import cleaned
from summary.literature.pack import PACK, packed
from summary.literature.subjects import Subject, every_subject, shares, subjects
from tests.support.impressions import LEFT, RIGHT, facts_of, lungs, nodules
from tests.support.told_facts import LUNG, NODULE, chest

BASE, CONTACT = "https://example.org/x", "pacs@example.org"
LUNG_NODULE = Subject("27925004", "39607008", "CT")
ALL = tuple(every_subject())
WORDS = {one.terms + one.places + one.means for one in ALL}

texts = st.text(max_size=40)
codes = st.builds(
    Code,
    st.one_of(texts, st.sampled_from([*synonyms.FINDINGS, *synonyms.SITES])),
    st.sampled_from(["SCT", "DCM", "99X"]),
    texts,
)
facts = st.builds(
    Fact,
    texts,
    codes,
    texts,
    st.sampled_from(Presence),
    texts,
    st.one_of(st.none(), codes),
    st.one_of(st.none(), codes),
    count=st.integers(1, 9),
)


def urls(subject: Subject) -> tuple[str, str]:
    return pubmed.search_url(BASE, CONTACT, subject), europe_pmc.search_url(BASE, subject)


@given(st.builds(Facts, st.lists(facts, max_size=6).map(tuple), texts, texts, texts, texts))
def test_whatever_a_fact_holds_its_subject_is_one_of_those_that_there_are(made: Facts) -> None:
    found = subjects(made)
    assert {one for one, _ in found} <= set(ALL)
    assert len(found) <= 3


def test_identity_in_every_place_of_a_fact_is_in_no_url() -> None:
    doe = "DOE JANE 19700101 1.2.840.99"
    (first, *_) = chest().facts
    stained = replace(
        first, label=doe, model=doe, id=doe, finding=Code(NODULE.value, "SCT", doe), site=Code(LUNG.value, "SCT", doe)
    )
    made = Facts((stained,), modality="CT", body_part=doe, age=doe, sex=doe)
    ((subject, _),) = subjects(made)
    plain = subjects(Facts((first,), modality="CT"))[0][0]
    assert subject == plain == LUNG_NODULE
    assert not any(word in url for url in urls(subject) for word in ("DOE", "1970", "840"))
    ((unknown, _),) = subjects(replace(made, modality=doe))
    assert unknown.modality == ""


def test_the_figures_the_score_and_the_number_of_lesions_change_nothing_of_what_leaves() -> None:
    few, many = (facts_of(nodules(*these)) for these in ([(6.0, 6.0, LEFT, 0.9)], [(31.0, 20.0, RIGHT, 0.6)] * 5))
    assert [one for one, _ in subjects(few)] == [one for one, _ in subjects(many)] == [LUNG_NODULE]
    assert [ids for _, ids in subjects(many)] == [("F1", "F2", "F3", "F4", "F5")]


def test_nothing_is_looked_for_that_is_not_there_or_of_which_a_word_alone_says_nothing() -> None:
    assert subjects(facts_of(lungs())) == []
    (first, *others) = chest().facts
    assert subjects(Facts(tuple(one for one in others if one.presence is Presence.ABSENT), "CT")) == []
    assert subjects(Facts((replace(first, site=None),), "CT")) == []
    assert subjects(Facts((replace(first, finding=Code("1", "99X", "Nodule")),), "CT")) == []


def test_a_url_consists_of_words_of_the_tables_and_of_what_is_the_same_in_all() -> None:
    """Every search that can leave, for every subject that there is: the words in quotation marks are ours."""
    fixed = {"guideline", "practice guideline", "review", "english", "retracted publication"}
    for subject in ALL:
        of_pubmed, of_europe = (parse_qs(urlsplit(one).query) for one in urls(subject))
        assert set(of_pubmed) == {"db", "term", "retmax", "sort", "retmode", "tool", "email"}
        assert set(of_europe) == {"query", "format", "resultType", "pageSize"}
        known = {*subject.terms, *subject.places, *subject.means} | fixed
        for said in (of_pubmed["term"][0], of_europe["query"][0]):
            assert {one.rstrip("*") for one in said.split('"')[1::2]} <= known
            assert said.isascii() and said.count("(") == said.count(")")


def test_a_search_of_pubmed_is_as_its_help_has_it() -> None:
    assert pubmed.query(Subject("233604007", "", "DX")) == (
        '(("pneumonia*"[ti]) OR (("pneumonia*"[ti]) AND ("lung*"[ti] OR "pulmonary*"[ti]))) AND '
        '("radiography"[tiab] OR "radiograph"[tiab]) AND ("guideline"[pt] OR "practice guideline"[pt] OR "review"[pt]) '
        'AND "english"[la] NOT "retracted publication"[pt]'
    )


@pytest.mark.parametrize(
    ("title", "subject", "is_about"),
    [
        ("Management of pulmonary nodules", LUNG_NODULE, True),
        ("Nodular opacities of the lung", LUNG_NODULE, True),
        ("Management of thyroid nodules", LUNG_NODULE, False),
        ("American Thoracic Society statement on thyroid nodules", Subject("27925004", "51185008"), False),
        ("Lung cancer screening", LUNG_NODULE, False),
        ("Nodulectomy of the lung", LUNG_NODULE, False),
        ("Spontaneous pneumothoraces in the tall", Subject("36118008"), True),
        ("Collapse of economies", Subject("46621007"), False),
        ("Lobar collapse of the lung", Subject("46621007"), True),
        ("Cerebral oedema after stroke", Subject("19242006"), False),
        ("Pulmonary oedema at high altitude", Subject("19242006"), True),
        ("Spontaneous intracerebral haemorrhage", Subject("1386000"), True),
        ("", LUNG_NODULE, False),
    ],
)
def test_a_title_has_the_findings_term_and_says_where(title: str, subject: Subject, is_about: bool) -> None:
    assert shares(title, subject) is is_about


def test_each_article_of_the_pack_is_sound_and_is_found_by_a_subject() -> None:
    for one in PACK:
        assert cleaned(one) == one
        assert any(one in packed(subject) for subject in ALL)
    assert len({one.pmid for one in PACK}) == len(PACK)
    assert [one.pmid for one in packed(LUNG_NODULE)] == ["28240562", "26082159", "24004118"]


def test_a_caution_or_a_model_of_research_is_no_reason_to_look_for_other_words() -> None:
    (first, *_) = chest().facts
    with_cautions = replace(first, cautions=tuple(Caution))
    assert subjects(Facts((with_cautions,), "CT")) == subjects(Facts((first,), "CT"))

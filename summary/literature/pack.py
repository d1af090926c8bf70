"""A few articles that come with the node, for nodes without internet.

Each was checked by number, title, journal and year in November 2026, against PubMed's own page or what others cite
by that number. A node that asks a source asks for these too, and shows none that the source knows as retracted.
"""

from collections.abc import Sequence

from summary.literature.articles import Article
from summary.literature.subjects import Subject, shares

NAME = "pack"


def _article(pmid: str, title: str, journal: str, year: int) -> Article:
    return Article(pmid, title, journal, year, source=NAME)


PACK = (
    _article(
        "28240562",
        "Guidelines for Management of Incidental Pulmonary Nodules Detected on CT Images: "
        "From the Fleischner Society 2017",
        "Radiology",
        2017,
    ),
    _article(
        "26082159",
        "British Thoracic Society guidelines for the investigation and management of pulmonary nodules",
        "Thorax",
        2015,
    ),
    _article(
        "24004118", "Probability of cancer in pulmonary nodules detected on first screening CT", "N Engl J Med", 2013
    ),
    _article(
        "20696690",
        "Management of spontaneous pneumothorax: British Thoracic Society Pleural Disease Guideline 2010",
        "Thorax",
        2010,
    ),
    _article(
        "31573350",
        "Diagnosis and Treatment of Adults with Community-acquired Pneumonia. An Official Clinical Practice Guideline "
        "of the American Thoracic Society and Infectious Diseases Society of America",
        "Am J Respir Crit Care Med",
        2019,
    ),
    _article("10555672", "Clinical and radiologic features of pulmonary edema", "Radiographics", 1999),
    _article(
        "35579034",
        "2022 Guideline for the Management of Patients With Spontaneous Intracerebral Hemorrhage: A Guideline From the "
        "American Heart Association/American Stroke Association",
        "Stroke",
        2022,
    ),
)


def packed(subject: Subject) -> Sequence[Article]:
    """Those whose titles name the subject."""
    return [one for one in PACK if shares(one.title, subject)]

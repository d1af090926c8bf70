"""Other words for what facts hold, by the codes of the facts: what a writer may call a finding, a site, a measurement.

Where they come from: `PS3.16`, the meanings of the standard's context groups (CID 6052 to 6066 for the chest, 4030,
4031, 7159, 7469); `Fleischner`, the Fleischner Society's glossary of terms for thoracic imaging (Bankier and others,
Radiology 2024;310:e232558); `plain`, the adjective or the everyday word of the same organ. What a package's own label
and the code's meaning say needs no row here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.findings import Code


@dataclass(frozen=True)
class Row:
    """Of one SNOMED CT or DCM code: other words, parted by commas, and codes of the sites that the finding implies."""

    words: str
    source: str
    sites: tuple[str, ...] = ()


_LUNG, _PLEURA, _HEART, _CHEST, _BRAIN = "39607008", "3120008", "80891009", "816094009", "12738006"

FINDINGS: Mapping[str, Row] = {
    "27925004": Row("nodule, nodular opacity, nodular lesion", "Fleischner"),
    "786838002": Row("nodule, lung nodule, pulmonary nodule, nodular opacity", "Fleischner", (_LUNG,)),
    "309529002": Row("mass, lung mass, pulmonary mass", "Fleischner", (_LUNG,)),
    "46621007": Row("atelectasis, atelectatic change, collapse, volume loss, loss of volume", "Fleischner", (_LUNG,)),
    "8186001": Row(
        "cardiomegaly, enlarged heart, cardiac enlargement, enlargement of the heart, enlarged cardiac silhouette, "
        "heart is enlarged, cardiac silhouette is enlarged, heart may be enlarged",
        "PS3.16",
        (_HEART,),
    ),
    "60046008": Row("effusion, pleural effusion, pleural fluid", "PS3.16", (_PLEURA,)),
    "409609008": Row("infiltrate, infiltration, lung infiltrate, pulmonary infiltrate", "PS3.16", (_LUNG,)),
    "233604007": Row("pneumonia", "PS3.16", (_LUNG,)),
    "36118008": Row("pneumothorax", "Fleischner", (_PLEURA,)),
    "95436008": Row("consolidation, airspace consolidation, air space consolidation", "Fleischner", (_LUNG,)),
    "19242006": Row("edema, pulmonary edema, lung edema", "PS3.16", (_LUNG,)),
    "87433001": Row("emphysema, emphysematous change", "Fleischner", (_LUNG,)),
    "51615001": Row("fibrosis, pulmonary fibrosis, lung fibrosis, fibrotic change", "Fleischner", (_LUNG,)),
    "125623006": Row("pleural thickening, thickening of the pleura", "Fleischner", (_PLEURA,)),
    "84089009": Row("hiatal hernia, hernia", "PS3.16"),
    "125605004": Row("fracture", "PS3.16"),
    "1386000": Row("intracranial hemorrhage, hemorrhage", "plain", (_BRAIN,)),
    "79654002": Row("edema, swelling", "PS3.16"),
    "6574001": Row("necrosis, necrotic area, necrotic tissue, necrotic part, necrotic core", "PS3.16"),
    "C113842": Row("enhancing lesion, enhancing tumor, enhancing part, enhancing tissue, enhancement", "PS3.16"),
    "108369006": Row("tumor, neoplasm", "PS3.16"),
    "52988006": Row("lesion", "PS3.16"),
}

SITES: Mapping[str, Row] = {
    _LUNG: Row("lung, pulmonary", "plain"),
    _PLEURA: Row("pleura, pleural, pleural space, pleural cavity", "plain"),
    _HEART: Row("heart, cardiac", "plain"),
    _CHEST: Row("chest, thorax, thoracic", "plain"),
    _BRAIN: Row("brain, cerebral, intracranial", "plain"),
    "45653009": Row("upper lobe", "PS3.16", (_LUNG,)),
    "90572001": Row("lower lobe", "PS3.16", (_LUNG,)),
    "72481006": Row("middle lobe", "PS3.16", (_LUNG,)),
    "69536005": Row("head", "PS3.16"),
    "45048000": Row("neck, cervical", "PS3.16"),
    "818981001": Row("abdomen, abdominal", "PS3.16"),
    "816092008": Row("pelvis, pelvic", "PS3.16"),
    "10200004": Row("liver, hepatic", "plain"),
    "64033007": Row("kidney, renal", "plain"),
    "78961009": Row("spleen, splenic", "plain"),
    "15776009": Row("pancreas, pancreatic", "plain"),
    "76752008": Row("breast, mammary", "plain"),
    "41216001": Row("prostate, prostatic", "plain"),
    "23451007": Row("adrenal, adrenal gland", "plain"),
    "51185008": Row("thorax, thoracic", "plain"),
}

MEASURES: Mapping[str, Row] = {
    "103339001": Row(
        "long axis, long axis diameter, longest diameter, long diameter, diameter, length, greatest diameter, "
        "largest diameter, maximum diameter, maximal diameter, axis, long",
        "PS3.16",
    ),
    "103340004": Row("short axis, short axis diameter, shortest diameter, short diameter, width, axis", "PS3.16"),
    "118565006": Row("volume", "PS3.16"),
    "81827009": Row("diameter", "PS3.16"),
    "42798000": Row("area", "PS3.16"),
    "112031": Row(
        "density, attenuation, mean density, mean attenuation, average density, average attenuation", "PS3.16"
    ),
    "246205007": Row("number, quantity", "PS3.16"),
}


def words_of(row: Row | None) -> tuple[str, ...]:
    """The words of a row; none where there is no row."""
    return tuple(one.strip() for one in row.words.split(",")) if row else ()


def of_finding(code: Code) -> tuple[str, ...]:
    """What else a finding is called; a part of the body that is one is called as a site is."""
    return (*words_of(FINDINGS.get(code.value)), *words_of(SITES.get(code.value)))


def of_site(code: Code) -> tuple[str, ...]:
    """What a site is called, and what it lies in."""
    row = SITES.get(code.value)
    return (
        code.meaning,
        *words_of(row),
        *(word for one in (row.sites if row else ()) for word in words_of(SITES[one])),
    )


def implied_sites(finding: Code) -> tuple[str, ...]:
    """Words for where a finding lies by what it is."""
    row = FINDINGS.get(finding.value)
    return tuple(word for one in (row.sites if row else ()) for word in words_of(SITES[one]))


def of_measure(code: Code) -> tuple[str, ...]:
    """What a measurement is called."""
    return (code.meaning, *words_of(MEASURES.get(code.value)))

"""Whose the private coding schemes of a result are (PS3.3 C.12.1, Coding Scheme Identification Sequence)."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from domain.coding import is_private
from domain.findings import Code, Findings, Measurement
from sr_writer.codes.wording import short


def private_schemes(*runs: Findings) -> list[Dataset]:
    """An item for each scheme of the runs' codes that no standard knows; its model's maker is answerable for it."""
    makers = {code.scheme: findings.model.manufacturer for findings in reversed(runs) for code in _codes(findings)}
    return [_item(name, makers[name]) for name in sorted(makers)]


def _item(designator: str, maker: str) -> Dataset:
    item = Dataset()
    item.CodingSchemeDesignator = designator
    item.CodingSchemeName = short(f"Codes of {maker}")
    item.CodingSchemeResponsibleOrganization = short(maker)
    return item


def _codes(findings: Findings) -> Iterator[Code]:
    every = (
        *(
            (one.category, one.type, one.laterality, *_measured((*one.measurements, *one.compared)))
            for one in findings.segments
        ),
        *((one.finding, one.site, one.laterality, *_measured(one.measurements)) for one in findings.regions),
        *((one.finding,) for one in findings.likelihoods),
    )
    return (code for codes in every for code in codes if code and is_private(code.scheme))


def _measured(measurements: tuple[Measurement, ...]) -> Iterator[Code | None]:
    for one in measurements:
        yield from (one.name, one.unit, one.derivation)

"""A finding in one of two organs says its side, or that it is not known: silence would be read as either."""

import pytest

from domain.findings import Code, Region, Shape
from domain.sides import is_unsided, place

LUNG, LIVER = Code("39607008", "SCT", "Lung"), Code("10200004", "SCT", "Liver")
LEFT = Code("7771000", "SCT", "Left")
NODULE = Code("27925004", "SCT", "Nodule")


@pytest.mark.parametrize(
    ("site", "side", "said"),
    [
        (LUNG, LEFT, "left lung"),
        (LUNG, None, "lung, side not determined"),
        (Code("39607008", "99OURS", "Something else"), None, ""),
        (LIVER, None, ""),
        (None, LEFT, "left"),
        (None, None, ""),
    ],
)
def test_the_side_is_said_or_that_it_is_not_known_where_a_body_has_two(
    site: Code | None, side: Code | None, said: str
) -> None:
    region = Region("Spot", NODULE, 0, Shape.POINT, ((1.0, 1.0),), site=site, laterality=side)
    assert place(region) == said
    assert is_unsided(region) == said.endswith("not determined")

"""Which segments are parts of the body that everybody has, and which are something that was found in one."""

from domain.findings import Code

# PS3.16 CID 7150, of this edition and of earlier ones.
_ANATOMY = frozenset({("91723000", "SCT"), ("123037004", "SCT")})
# Of the same context group what is of everybody too, but no place that a finding could lie in.
_OF_EVERYBODY = _ANATOMY | {("85756007", "SCT"), ("309825002", "SCT"), ("246464006", "SCT")}


def is_anatomy(category: Code) -> bool:
    """Whether a structure of this category (CID 7150) is a part of the body, not something found in it."""
    return (category.value, category.scheme) in _ANATOMY


def is_of_everybody(category: Code) -> bool:
    """Whether that there is one says nothing: a part of the body, its tissue, a space, a function."""
    return (category.value, category.scheme) in _OF_EVERYBODY

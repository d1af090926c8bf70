"""What groups at a provider come to here: roles add up, and bounds are never wider than the widest grant of them."""

from config.access import Grant
from console.auth.sign_in import granted
from domain.people import Bounds
from domain.permissions import UserRole

GRANTS = (
    Grant(value="east", role="radiologist", destinations=("EAST",)),
    Grant(value="west", role="radiologist", destinations=("WEST",), departments=("chest",)),
    Grant(value="all", role="radiologist"),
    Grant(value="pacs", role="operator"),
)


def test_whoever_is_in_no_group_that_has_a_role_has_none() -> None:
    assert granted(GRANTS, frozenset({"kitchen"})) == (frozenset(), Bounds())


def test_bounds_of_several_groups_add_up() -> None:
    roles, bounds = granted(GRANTS, frozenset({"east", "west"}))
    assert roles == {UserRole.RADIOLOGIST}
    assert bounds == Bounds(frozenset({"EAST", "WEST"}), frozenset({"chest"}))


def test_a_group_that_sees_all_sees_all_whatever_others_see() -> None:
    assert granted(GRANTS, frozenset({"east", "all"}))[1] == Bounds()


def test_an_operators_group_widens_nothing_that_a_radiologists_bounds() -> None:
    roles, bounds = granted(GRANTS, frozenset({"east", "pacs"}))
    assert roles == {UserRole.RADIOLOGIST, UserRole.OPERATOR}
    assert bounds == Bounds(frozenset({"EAST"}))

"""One table says who may do what, and scopes only take away from it."""

import pytest

from domain.permissions import PERMITTED, Permission, Principal, UserRole


@pytest.mark.parametrize("role", UserRole)
@pytest.mark.parametrize("wanted", Permission)
def test_a_person_may_do_what_the_table_gives_their_role_and_nothing_else(role: UserRole, wanted: Permission) -> None:
    scopes = frozenset(Permission) if role == UserRole.SERVICE else None
    assert Principal("a", frozenset({role}), scopes).may(wanted) == (wanted in PERMITTED[role])


def test_scopes_take_away_and_never_give() -> None:
    scoped = Principal("a", frozenset({UserRole.SERVICE}), frozenset({Permission.STUDIES_READ, Permission.AUDIT_READ}))
    assert scoped.permissions == {Permission.STUDIES_READ}
    assert not scoped.may(Permission.AUDIT_READ)


def test_a_service_without_scopes_may_do_nothing() -> None:
    assert not any(map(Principal("a", frozenset({UserRole.SERVICE})).may, Permission))


def test_whoever_has_no_role_may_do_nothing() -> None:
    assert not any(map(Principal("a", frozenset()).may, Permission))


def test_who_keeps_users_reads_no_results_and_who_reads_the_trail_changes_nothing() -> None:
    assert Permission.RESULTS_READ not in PERMITTED[UserRole.ADMINISTRATOR]
    assert not any(one.endswith(":change") for one in PERMITTED[UserRole.AUDITOR])

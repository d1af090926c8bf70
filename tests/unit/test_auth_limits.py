"""What an address counts as, where it is counted how often somebody fails."""

import pytest

from console.auth.limits import counted_as


@pytest.mark.parametrize(
    ("address", "counts"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_all_addresses_that_one_machine_can_choose_count_as_one(address: str, counts: str) -> None:
    assert counted_as(address) == counts

"""How fast the disk fills, and when it is full."""

from dataclasses import replace

from domain.disk import Arrived, Use, free, growth

GB = 1_000_000_000
IMAGES = Use("images", 100 * GB, 200_000, 1, 100 * GB)
SPOOL = Use("spool", 4 * GB, 128, 1, 0)
CAME = Arrived(200_000, 90 * GB, 20_000, 9 * GB, 5.0)


def test_what_grows_with_the_images_grows_by_their_share_of_a_day() -> None:
    assert growth(IMAGES, CAME) == 2 * GB  # a tenth of all came in five days


def test_what_is_bounded_does_not_grow() -> None:
    assert growth(SPOOL, CAME) == 0


def test_what_came_in_an_hour_is_not_taken_for_what_comes_in_each_of_a_day() -> None:
    assert growth(IMAGES, replace(CAME, days=1 / 24)) == 10 * GB


def test_the_days_left_end_at_the_floor_and_not_at_the_last_byte() -> None:
    found = free([IMAGES, SPOOL], 41 * GB, 200 * GB, GB, CAME)
    assert (found.kinds, found.growth, found.days_left) == (("images", "spool"), 2 * GB, 20.0)
    assert free([IMAGES], GB // 2, 200 * GB, GB, CAME).days_left == 0


def test_where_nothing_came_no_day_is_named() -> None:
    assert free([IMAGES], 41 * GB, 200 * GB, GB, Arrived(0, 0, 0, 0, 0.0)).days_left is None

"""Numbers of things in a sentence: one by its singular, others by their plural, and nothing of what there is none."""


def counted(number: int, one: str, many: str = "") -> str:
    """`1 study`, `3 studies`; `many` where an s is not enough."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(*each: tuple[int, str] | tuple[int, str, str]) -> str:
    """`2 inferences and 1 delivery`: of (number, one, many) those that there are; "" where there are none."""
    *some, last = [counted(*one) for one in each if one[0]] or [""]
    return f"{', '.join(some)} and {last}" if some else last


def counted_of(studies: int, *each: tuple[int, str] | tuple[int, str, str]) -> str:
    """`listed`, and of how many studies they are."""
    what = listed(*each)
    return f"{what} of {counted(studies, 'study', 'studies')}" if what else ""

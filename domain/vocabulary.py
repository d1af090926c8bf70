"""What a model package calls things: the only words of its findings that may be said outside of the node's rooms."""

from dataclasses import dataclass

from domain.findings import Code


@dataclass(frozen=True)
class Vocabulary:
    """Of a package's own manifest all codes and, in `texts`, its title and its labels.

    The findings of its run are made by the package's code, which has seen the images and whatever is in them.
    """

    texts: frozenset[str]
    codes: frozenset[Code]

"""What comes of a package's golden sample and of engines side by side: values alone, for whoever has no arrays."""

from dataclasses import dataclass

# How the golden sample of a package is called in it.
INPUT, EXPECTED = "golden_input.npz", "golden_expected.npz"


@dataclass(frozen=True)
class Verdict:
    """Whether a run agrees with what is expected, and by which figures.

    `dice` is the least of any segment that either has, `difference` the largest of any probability; one is None.
    """

    agrees: bool
    dice: float | None
    difference: float | None

    def __str__(self) -> str:
        word = "agrees" if self.agrees else "differs"
        if self.dice is not None:
            return f"{word}: Dice {self.dice:.4f} at the least"
        return f"{word}: probabilities differ by {self.difference:.2g} at the most"


@dataclass(frozen=True)
class Row:
    """One engine: seconds of the median run, and its distance from the first that ran.

    `difference` is the largest of the first output after its softmax or sigmoid; `dice` the least of any label but the
    background, None for a network without a space. `failure` says why an engine has no figures.
    """

    engine: str
    seconds: float | None = None
    difference: float | None = None
    dice: float | None = None
    failure: str = ""


@dataclass(frozen=True)
class DryRun:
    """What a dry run found wrong with a package, and what is to be known besides."""

    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tested:
    """The engine that ran a golden sample, as findings name it, and the verdict."""

    engine: str
    verdict: Verdict


@dataclass(frozen=True)
class Compared:
    """Engines side by side, in their order."""

    engines: tuple[Row, ...]

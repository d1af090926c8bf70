"""[[postprocessing]]: from the network's first output to labels on the source's grid, or to shares."""

import itertools
from collections.abc import Callable, Mapping, Sequence

from domain.errors import ConfigurationError
from inference_worker.transforms import inverse, labels
from inference_worker.transforms.arrays import Labelled, Sampled
from inference_worker.transforms.by_kind import carried
from inference_worker.transforms.grids import Grid
from models import steps
from models.steps import After, Step

_SHARES: Mapping[type[Step], Callable[[Sampled, Step], Sampled | Labelled]] = dict(
    (
        carried(steps.Softmax, labels.softmax),
        carried(steps.Sigmoid, labels.sigmoid),
        carried(steps.Argmax, labels.argmax),
        carried(steps.Threshold, labels.threshold),
        carried(steps.Regions, labels.regions),
        carried(steps.Close, labels.close),
    )
)
_LABELS: Mapping[type[Step], Callable[[Labelled, Step], Sampled | Labelled]] = dict(
    (
        carried(steps.Relabel, labels.relabel),
        carried(steps.Close, labels.close),
        carried(steps.LargestComponent, labels.largest_component),
        carried(steps.DropSmall, labels.drop_small),
        carried(steps.FillHoles, labels.fill_holes),
    )
)
IMPLEMENTED = frozenset({*_SHARES, *_LABELS, steps.ToSource})


def finish(given: Sampled | Labelled, wanted: Sequence[After], source: Grid | None = None) -> Sampled | Labelled:
    """`given`, channels first, after the steps. `source` is the grid to return to.

    Raises ConfigurationError where a step finds labels and wants shares, or the other way round.
    """
    now = given
    for step in wanted:
        now = _after(now, step, source)
    return now


def steps_of(output: str, wanted: Sequence[After], first: str) -> tuple[After, ...]:
    """Those of `wanted` that are for `output`; a step that names none is for the network's `first`."""
    return tuple(step for step in wanted if (getattr(step, "output", "") or first) == output)


def shares(given: Sampled, wanted: Sequence[After]) -> Sampled:
    """`given` after the steps that make shares of logits: those that stand before any other."""
    first = itertools.takewhile(lambda one: isinstance(one, steps.Softmax | steps.Sigmoid), wanted)
    done = finish(given, tuple(first))
    assert isinstance(done, Sampled)  # neither step makes labels
    return done


def _after(now: Sampled | Labelled, step: After, source: Grid | None) -> Sampled | Labelled:
    if isinstance(step, steps.ToSource):
        if source is None:
            raise ConfigurationError("the step to_source has no source: results are of whole images")
        return inverse.to_source(now, step, source)
    if isinstance(now, Sampled) and type(step) in _SHARES:
        return _SHARES[type(step)](now, step)
    if isinstance(now, Labelled) and type(step) in _LABELS:
        return _LABELS[type(step)](now, step)
    finds = "shares, not labels yet" if isinstance(now, Sampled) else "labels already"
    raise ConfigurationError(f"the step {step.word} cannot be made here: it finds {finds}")

"""How strongly a network's output speaks for a finding, in a figure that does not saturate as probabilities do."""

from collections.abc import Sequence

from array_api_compat import array_namespace

from inference_worker.transforms.arrays import Array
from models.steps import After, Sigmoid, Softmax


def is_logit(postprocessing: Sequence[After]) -> bool:
    """Whether evidence is log-odds, for the first output is made a probability by a step."""
    return _activation(postprocessing) is not None


def evidence(given: Array, channel: int, postprocessing: Sequence[After]) -> Array:
    """The evidence (n,) for finding `channel` in `given` (n, channels), NumPy's or torch's.

    That is its log-odds: the logit before a sigmoid, the logit less the logarithm of the others' sum before a softmax.
    Without either it is the value itself.
    """
    step = _activation(postprocessing)
    given = given if step is None or step.temperature == 1 else given / step.temperature
    if not isinstance(step, Softmax):
        return given[:, channel]
    xp = array_namespace(given)
    others = xp.concat([given[:, :channel], given[:, channel + 1 :]], axis=1)
    highest = xp.max(others, axis=1, keepdims=True)
    return given[:, channel] - highest[:, 0] - xp.log(xp.sum(xp.exp(others - highest), axis=1))


def _activation(postprocessing: Sequence[After]) -> Sigmoid | Softmax | None:
    """The step that makes the first output a probability."""
    made = (step for step in postprocessing if isinstance(step, Sigmoid | Softmax) and not step.output)
    return next(made, None)

"""What the networks are punished for: weighted binary cross entropy, and soft Dice plus focal loss."""

import torch
from torch.nn import functional


def positive_weights(targets: torch.Tensor, most: float = 20.0) -> torch.Tensor:
    """How much rarer each label's presence is than its absence, at most `most`; `targets` is (samples, labels).

    Unknown labels (NaN) are not counted; a label that is never known to be present weighs `most`.
    """
    present = torch.nansum(targets, dim=0)
    absent = torch.nansum(1 - targets, dim=0)
    return torch.clamp(absent / torch.clamp(present, min=1e-6), 1 / most, most)


def weighted_bce(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean binary cross entropy of (samples, labels) with the present ones weighted; unknown (NaN) ones left out.

    0 where nothing is known.
    """
    known = ~torch.isnan(targets)
    errors = functional.binary_cross_entropy_with_logits(
        logits, torch.where(known, targets, 0.0), pos_weight=weights.to(logits.device), reduction="none"
    )
    return torch.where(known, errors, 0.0).sum() / torch.clamp(known.sum(), min=1)


def dice_focal(logits: torch.Tensor, targets: torch.Tensor, gamma: float = 2.0, smooth: float = 1.0) -> torch.Tensor:
    """Soft Dice loss plus focal loss of regions that may overlap; both (batch, regions, z, y, x), targets 0 or 1.

    Dice is taken over the whole batch, region by region, so that a crop without a region does not decide alone.
    Focal loss: Lin et al., Focal Loss for Dense Object Detection, 2017, without class weights.
    """
    guess = torch.sigmoid(logits)
    axes = (0, *range(2, logits.ndim))
    common, total = (guess * targets).sum(axes), (guess + targets).sum(axes)
    dice = 1 - (2 * common + smooth) / (total + smooth)
    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    right = torch.exp(-entropy)
    return dice.mean() + ((1 - right) ** gamma * entropy).mean()

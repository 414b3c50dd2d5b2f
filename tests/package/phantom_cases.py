"""Every phantom that keeps the contract of `medcourse.data.phantoms`: what to call, and with which small settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medcourse.data.phantoms import (
    Phantoms,
    brain_mr,
    brain_mr_volumes,
    breast_dce,
    chest_ct_slices,
    chest_ct_volumes,
    cine_hearts,
    mammograms,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A phantom under contract.

    `call` is the public function; `quick` its keyword settings for tests, under 1 s for 8 patients; `grey` what two
    processors may differ by (1/255 of the display range, or 1 HU). The rest has defaults that suit most:
    `calibrated` for images in HU (no gain); `unchanged` the share of a healthy patient's pixels that do not depend on
    the difficulty (below 1 where mimics of the disease fade with it); `extract` leaves of what is drawn only what the
    contract speaks of.
    """

    call: Callable[..., Phantoms]
    quick: Mapping[str, Any] = field(default_factory=dict)
    grey: float
    calibrated: bool = False
    unchanged: float = 1.0
    extract: Callable[[Phantoms], Phantoms] | None = None

    def draw(self, n: int, **settings: Any) -> Phantoms:
        """Draw `n` patients with the quick settings."""
        drawn = self.call(n, **{"progress": False, **self.quick, **settings})
        return drawn if self.extract is None else self.extract(drawn)


def _failing_hearts(hearts: Phantoms) -> Phantoms:
    """The disease is a motion of the whole ventricle: its mark is the diseased muscle, and anatomy moves with it."""
    ill = ((hearts.table["truth"] == 1) & (hearts.table["amplitude"] > 0)).to_numpy()
    muscle = (hearts.masks == 2) & ill[:, None, None, None]
    return hearts._replace(masks=muscle.astype(np.uint8), anatomy=None)


def _cancers(breasts: Phantoms) -> Phantoms:
    """Benign lesions are in masks and lesions too: what mimics the disease, and stays when it fades."""
    cancer = breasts.lesions["kind"] == "malignant"
    masks = (breasts.masks == 2).astype(np.uint8)
    return breasts._replace(masks=masks, lesions=breasts.lesions[cancer].reset_index(drop=True))


CASES: dict[str, Case] = {
    "brain_mr": Case(call=brain_mr, quick={"size": 64, "slices_per_patient": 2}, grey=1 / 255, unchanged=0.9),
    "brain_mr_volumes": Case(
        call=brain_mr_volumes, quick={"size": 32, "diameter_mm": (16, 45)}, grey=1 / 255, unchanged=0.95
    ),
    "breast_dce": Case(call=breast_dce, quick={"size": 64}, grey=1 / 255, extract=_cancers),
    "chest_ct_slices": Case(
        call=chest_ct_slices, quick={"size": 96, "slices_per_patient": 2}, grey=1.0, calibrated=True, unchanged=0.97
    ),
    "chest_ct_volumes": Case(
        call=chest_ct_volumes, quick={"size": 24, "around": "mark", "noise_hu": 60.0}, grey=1.0, calibrated=True,
        unchanged=0.5,
    ),
    "cine_hearts": Case(
        call=cine_hearts, quick={"frames": 8, "size": 64, "spacing_mm": 2.7}, grey=1 / 255, extract=_failing_hearts
    ),
    "mammograms": Case(
        call=mammograms, quick={"size": 96, "views": ("L-CC", "R-MLO"), "noise": 0.06, "blur_mm": 1.0}, grey=1 / 255,
        unchanged=0.9,
    ),
}  # fmt: skip

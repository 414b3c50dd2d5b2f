"""Every phantom that keeps the contract of `medcourse.data.phantoms`: what to call, and with which small settings.

Add yours at the end: ``CASES["chest_ct"] = Case(call=chest_ct, quick={"size": 64}, grey=1.0, calibrated=True)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from medcourse.data.phantoms import Phantoms


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A phantom under contract.

    `call` is the public function; `quick` its keyword settings for tests, under 1 s for 8 patients; `grey` what two
    processors may differ by (1/255 of the display range, or 1 HU). The rest has defaults that suit most:
    `calibrated` for images in HU (no gain); `unchanged` the share of a healthy patient's pixels that do not depend on
    the difficulty (below 1 where mimics of the disease fade with it); `extract` turns another return type into
    `Phantoms`; `scanner` is False where no image is taken; `ladders` names the modules in benchmarks/ladders, if it is
    not one of the phantom's own name.
    """

    call: Callable[..., Any]
    quick: Mapping[str, Any] = field(default_factory=dict)
    grey: float
    calibrated: bool = False
    unchanged: float = 1.0
    extract: Callable[[Any], Phantoms] | None = None
    scanner: bool = True
    ladders: tuple[str, ...] = ()

    def draw(self, n: int, **settings: Any) -> Phantoms:
        """Draw `n` patients with the quick settings."""
        drawn = self.call(n, **{"progress": False, **self.quick, **settings})
        return drawn if self.extract is None else self.extract(drawn)


CASES: dict[str, Case] = {}

# One entry per phantom, each with the import it needs.

from medcourse.data.phantoms import chest_ct_slices, chest_ct_volumes  # noqa: E402

CASES["chest_ct_slices"] = Case(
    call=chest_ct_slices, quick={"size": 96, "slices_per_patient": 2}, grey=1.0, calibrated=True, unchanged=0.97,
    ladders=("chest_nodule",),
)  # fmt: skip
CASES["chest_ct_volumes"] = Case(
    call=chest_ct_volumes, quick={"size": 24, "around": "mark", "noise_hu": 60.0}, grey=1.0, calibrated=True,
    unchanged=0.5, ladders=(),
)  # fmt: skip

from medcourse.data.phantoms import mammograms  # noqa: E402

CASES["mammograms"] = Case(
    call=mammograms, quick={"size": 96, "views": ("L-CC", "R-MLO"), "noise": 0.06, "blur_mm": 1.0}, grey=1 / 255,
    unchanged=0.9,
    ladders=("mammogram_mass", "mammogram_calcifications"),
)  # fmt: skip

from medcourse.data.phantoms import breast_dce, cine_hearts  # noqa: E402


def _failing_hearts(hearts: Phantoms) -> Phantoms:
    """The disease is a motion of the whole ventricle: its mark is the diseased muscle, and anatomy moves with it."""
    ill = ((hearts.table["truth"] == 1) & (hearts.table["amplitude"] > 0)).to_numpy()
    muscle = (hearts.masks == 2) & ill[:, None, None, None]
    return hearts._replace(masks=muscle.astype("uint8"), anatomy=None)


def _cancers(breasts: Phantoms) -> Phantoms:
    """Benign lesions are in masks and lesions too: what mimics the disease, and stays when it fades."""
    cancer = breasts.lesions["kind"] == "malignant"
    masks = (breasts.masks == 2).astype("uint8")
    return breasts._replace(masks=masks, lesions=breasts.lesions[cancer].reset_index(drop=True))


CASES["cine_hearts"] = Case(
    call=cine_hearts, quick={"frames": 8, "size": 64, "spacing_mm": 2.7}, grey=1 / 255, extract=_failing_hearts,
    ladders=("heart_function",),
)  # fmt: skip
CASES["breast_dce"] = Case(call=breast_dce, quick={"size": 64}, grey=1 / 255, extract=_cancers)

from medcourse.data.phantoms import brain_mr, brain_mr_volumes  # noqa: E402

CASES["brain_mr"] = Case(
    call=brain_mr, quick={"size": 64, "slices_per_patient": 2}, grey=1 / 255, ladders=("brain_tumour",)
)
CASES["brain_mr_volumes"] = Case(
    call=brain_mr_volumes, quick={"size": 32, "diameter_mm": (16, 45)}, grey=1 / 255, ladders=()
)

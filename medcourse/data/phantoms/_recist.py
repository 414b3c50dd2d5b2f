"""RECIST 1.1 on sums of diameters, and the choice of target lesions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

NODE = "lymph node"
MEASURABLE_MM, NODE_MEASURABLE_MM, NODE_NORMAL_MM = 10.0, 15.0, 10.0
MAX_TARGETS, MAX_PER_ORGAN = 5, 2
RANK = {"CR": 0, "PR": 1, "SD": 2, "PD": 3}


def choose_targets(sizes_mm: Float, organs: list[str]) -> NDArray[np.bool_]:
    """Choose the largest measurable lesions: five at most, two at most of one organ."""
    chosen = np.zeros(len(organs), bool)
    taken: dict[str, int] = {}
    for k in np.argsort(-sizes_mm, kind="stable"):
        organ = organs[k]
        limit = NODE_MEASURABLE_MM if organ == NODE else MEASURABLE_MM
        if sizes_mm[k] >= limit and taken.get(organ, 0) < MAX_PER_ORGAN and chosen.sum() < MAX_TARGETS:
            chosen[k] = True
            taken[organ] = taken.get(organ, 0) + 1
    return chosen


def respond(sums_mm: Float, new_lesion: NDArray[np.bool_], complete: NDArray[np.bool_]) -> NDArray[np.str_]:
    """Judge every visit (last axis) against the baseline and the nadir before it; the first is the baseline."""
    baseline = sums_mm[..., :1]
    nadir = np.minimum.accumulate(sums_mm, axis=-1)[..., :-1]
    later = sums_mm[..., 1:]
    progressed = ((later >= 1.2 * nadir) & (later - nadir >= 5)) | new_lesion[..., 1:]
    judged = np.select(
        [progressed, complete[..., 1:], later <= 0.7 * baseline], ["PD", "CR", "PR"], "SD"
    )  # progression outranks all else
    return np.concatenate([np.full(baseline.shape, "baseline"), judged], axis=-1)


def first_progression(responses: NDArray[np.str_]) -> int | None:
    """Number of the first visit with progression."""
    found = np.flatnonzero(responses == "PD")
    return int(found[0]) if len(found) else None


def best_response(responses: NDArray[np.str_]) -> str:
    """Best response up to the first progression; PD only where nothing better came first."""
    end = first_progression(responses)
    seen: list[str] = responses[1 : None if end is None else end + 1].tolist()
    best: str = min(seen, key=RANK.__getitem__)
    return best

"""Who will escape treatment, foretold from the first four measured visits."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.ladders import Observed
from medcourse.data.phantoms import FollowUp, follow_up

VISITS = 4
ERROR, READER_SD = 0.10, 0.05  # of follow_up's defaults
NAMES = [
    "last_over_baseline", "last_over_nadir", "last_step", "slope", "curvature", "worst_lesion", "spread_of_lesions",
    "largest_step", "new_lesion", "sum_at_baseline", "n_lesions", "reader_changed",
]  # fmt: skip


def observe(*, n: int, first: int, seed: int, difficulty: str | float, ceiling: bool = True) -> Observed:
    """Contrast: last sum over the baseline. Ceiling: told both courses she may take; knows the errors' law."""
    settings: dict[str, Any] = {"n": n, "first": first, "seed": seed, "difficulty": difficulty, "visits": VISITS}
    course = follow_up(**settings)
    table = course.table
    told = np.zeros(n)
    if ceiling:
        told = _told(course, *(follow_up(**settings, prevalence=p) for p in (0.0, 1.0)))
    sums = course.visits.pivot_table(index="patient", columns="visit", values="sum_mm").to_numpy()
    return Observed(
        label=table["truth"].to_numpy(),
        patient=table["patient"].to_numpy(),
        contrast=sums[:, -1] / sums[:, 0],
        features=_features(course, sums),
        ceiling=told,
        names=NAMES,
    )


def _features(course: FollowUp, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    visits = course.visits.set_index("patient")
    days = course.visits.pivot_table(index="patient", columns="visit", values="day").to_numpy() / 100
    log_sum = np.log(np.maximum(sums, 1.0))
    centred = days - days.mean(axis=1, keepdims=True)
    slope = (centred * log_sum).sum(axis=1) / (centred**2).sum(axis=1)
    sizes = course.measurements.pivot_table(index=["patient", "lesion"], columns="visit", values="measured_mm")
    baseline = sizes[0] > 0
    ratio = np.log(np.maximum(sizes[3][baseline], 1.0) / sizes[0][baseline]).groupby("patient")
    nadir = np.minimum.accumulate(sums, axis=1)[:, :-1]
    reader = visits["reader"].groupby("patient")
    return np.column_stack(
        [
            log_sum[:, -1] - log_sum[:, 0],
            np.log(np.maximum(sums[:, -1], 1) / np.maximum(nadir[:, -1], 1)),
            log_sum[:, -1] - log_sum[:, -2],
            slope,
            log_sum[:, 0] - log_sum[:, 1] - log_sum[:, 2] + log_sum[:, 3],
            ratio.max(),
            ratio.std().fillna(0.0),
            np.log(np.maximum(sums[:, 1:], 1) / np.maximum(nadir, 1)).max(axis=1),
            visits["new_lesion"].groupby("patient").max(),
            sums[:, 0],
            baseline.groupby("patient").sum(),
            (reader.last() != reader.first()).astype(float),
        ]
    )


def _told(seen: FollowUp, calm: FollowUp, grown: FollowUp) -> NDArray[np.float64]:
    """Log likelihood ratio of the measured sizes under the two true courses of the same patient.

    One visit's errors share the reader's bias: their covariance is diagonal plus a constant, in relative terms.
    Lesions that are too small to measure, or new in one of the courses, are judged by being there or not.
    """
    keys = ["patient", "lesion", "visit"]
    frame = seen.measurements[[*keys, "measured_mm"]].merge(grown.measurements[[*keys, "true_mm"]], on=keys, how="left")
    frame = frame.merge(calm.measurements[[*keys, "true_mm"]], on=keys, how="left", suffixes=("_grown", "_calm"))
    frame = frame.fillna(0.0)
    told = frame[(frame["true_mm_grown"] >= 5) & (frame["true_mm_calm"] >= 5) & (frame["visit"] > 0)]
    total = pd.Series(0.0, index=seen.table["patient"])
    for (patient, _), part in told.groupby(["patient", "visit"]):
        value = 0.0
        for name, sign in (("true_mm_grown", 1), ("true_mm_calm", -1)):
            size = part[name].to_numpy()
            z = (part["measured_mm"].to_numpy() - size) / size
            weight = READER_SD**2 / (ERROR**2 + len(z) * READER_SD**2)
            fit = ((z**2).sum() - weight * z.sum() ** 2) / ERROR**2
            value += sign * (-0.5 * fit - np.log(size).sum())
        total[cast("int", patient)] += value
    new = seen.visits.groupby("patient")["new_lesion"].max()
    return (total + 20.0 * new).to_numpy()

"""The algebra shared by the public modules: AUC components, resampling of patients, Wilson's interval for clusters."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from medcourse.evaluation._checks import Bools, Estimate, Floats, Ints, normal_quantile


def midranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], dtype=np.float64)


def structural_components(positive: Bools, values: Floats) -> tuple[Floats, Floats]:
    """Share of negatives below each positive, and share of positives above each negative (ties half)."""
    ranks = midranks(values)
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    v10 = (ranks[positive] - midranks(values[positive])) / n_negative
    v01 = 1 - (ranks[~positive] - midranks(values[~positive])) / n_positive
    return v10, v01


def clustered_variance(positive: Bools, v10: Floats, v01: Floats, codes: Ints) -> float:
    """Obuchowski's variance from centred structural components of the positive and the negative images."""
    n_patients = int(codes.max()) + 1
    patients_10 = np.unique(codes[positive]).size
    patients_01 = np.unique(codes[~positive]).size
    if min(patients_10, patients_01) < 2:
        rare = "positive" if patients_10 < 2 else "negative"
        raise ValueError(
            f"patients: all {rare} images come from a single patient, so their spread between patients is unknown: "
            f"test on at least two (better twenty) patients with {rare} images"
        )
    sums_10 = np.bincount(codes[positive], v10, n_patients) / v10.size
    sums_01 = np.bincount(codes[~positive], v01, n_patients) / v01.size
    return float(
        patients_10 / (patients_10 - 1) * np.sum(sums_10**2)
        + patients_01 / (patients_01 - 1) * np.sum(sums_01**2)
        + 2 * n_patients / (n_patients - 1) * np.sum(sums_10 * sums_01)
    )


def order_by_score(positive: Bools, values: Floats, codes: Ints) -> tuple[Ints, Bools, Ints]:
    """Patient codes and labels in ascending order of score, and where each run of equal scores begins."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return codes[order], positive[order], starts


def weighted_auc(weights: Ints, codes: Ints, positive: Bools, starts: Ints) -> Floats:
    """AUC of each row of patient *weights* (n_resamples, n_patients); NaN where a class is missing."""
    by_image = weights[:, codes].astype(np.float64)  # (n_resamples, n), ascending score
    positives = np.add.reduceat(by_image * positive, starts, axis=1)
    negatives = np.add.reduceat(by_image * ~positive, starts, axis=1)
    negatives_below = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    wins = np.sum(positives * negatives_below, axis=1)
    return np.asarray(np.divide(wins, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0), dtype=np.float64)


def resample_patients(
    statistic: Callable[[Ints], Floats], *, n_patients: int, n_images: int, n_resamples: int, seed: int
) -> tuple[Floats, int]:
    """Values of a statistic in resamples of patients, and how many resamples were drawn again.

    *statistic* takes weights (m, n_patients), how often each patient was drawn, and returns (m,) or (m, k); a row that
    is not finite, because a class is missing, is drawn again. The draws depend on the number of patients and the seed
    alone, so two statistics of the same test set can be subtracted row by row.
    """
    if n_resamples < 2:
        raise ValueError(f"n_resamples must be at least 2, got {n_resamples}: 2,000 suit a 95 % interval")
    rng = np.random.default_rng(seed)
    chunk = max(1, min(n_resamples, 4_000_000 // n_images))  # bounds the memory: chunk × images
    kept: list[Floats] = []
    n_kept = n_drawn = 0
    while n_kept < n_resamples:
        size = min(chunk, n_resamples - n_kept)
        values = statistic(rng.multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=size))
        values = values[np.isfinite(values.reshape(size, -1)).all(axis=1)]
        n_drawn += size
        n_kept += len(values)
        if n_kept < n_drawn / 2:
            raise ValueError(
                f"patients: {n_drawn - n_kept} of {n_drawn} resamples held one class only, because too few patients "
                "have images of the rarer class: test on more such patients"
            )
        kept.append(values)
    return np.concatenate(kept), n_drawn - n_kept


def refuse_zero_variance(estimate: float, variance: float) -> None:
    """Stop where the variance estimate is 0: an interval of no width would pass for certainty."""
    if variance < 1e-20:
        raise ValueError(
            f"scores: the AUC is {estimate:g} and its variance estimate 0, so it carries no interval: "
            "the scores are constant or separate the classes perfectly; report the AUC with the number of patients, "
            "or test on more"
        )


def wilson(successes: Bools, codes: Ints, level: float) -> Estimate:
    """Wilson's interval with the effective number of images; *codes* name patients, not necessarily 0 … k − 1."""
    quantile = normal_quantile(level)
    _, patient, per_patient = np.unique(codes, return_inverse=True, return_counts=True)
    n, n_patients, share = successes.size, per_patient.size, float(successes.mean())
    effective = float(n_patients)  # where the design effect cannot be measured
    if 0 < share < 1 and n_patients > 1:
        residuals = np.bincount(patient, successes) - per_patient * share
        clustered = n_patients / (n_patients - 1) * float(np.sum(residuals**2)) / n**2
        independent = share * (1 - share) / (n - 1)
        effective = n / max(1.0, clustered / independent)
    shrink = 1 / (1 + quantile**2 / effective)
    centre = shrink * (share + quantile**2 / (2 * effective))
    half = shrink * quantile * math.sqrt(share * (1 - share) / effective + quantile**2 / (4 * effective**2))
    # Exact at 0 and 1, where rounding would leave the estimate a hair outside its interval.
    return Estimate(share, 0.0 if share == 0 else centre - half, 1.0 if share == 1 else centre + half)

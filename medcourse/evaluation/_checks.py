"""What the evaluation modules share: types, and input checks that name the cause and the remedy in one line."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


class Estimate(NamedTuple):
    """A measured value with the limits of its confidence interval."""

    estimate: float
    low: float
    high: float


def check_vector(values: ArrayLike, *, name: str) -> Floats:
    """Return *values* as a finite float64 vector of shape (n,), or say what is wrong with them."""
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        message = f"{name} must be numbers, one per image; found values that are not: convert them first"
        raise ValueError(message) from None
    if vector.ndim != 1:
        raise ValueError(
            f"{name} must have shape (n,), one value per image, not {vector.shape}: "
            "pick one column, for example probability[:, 0]"
        )
    if vector.size == 0:
        raise ValueError(f"{name} is empty: pass at least one image of each class")
    bad = np.flatnonzero(~np.isfinite(vector))
    if bad.size:
        raise ValueError(
            f"{name} has {bad.size} value(s) that are NaN or infinite, the first in row {bad[0]}: "
            "find out why the model gave none, or leave those images out and report how many"
        )
    return vector


def check_labels(labels: ArrayLike) -> Bools:
    """Return *labels* as booleans of shape (n,), True for disease; they must be 0/1 and hold both classes."""
    vector = check_vector(labels, name="labels")
    wrong = vector[(vector != 0) & (vector != 1)]
    if wrong.size:
        raise ValueError(
            f"labels must be 0 (no disease) or 1 (disease), found {wrong[0]:g}: "
            "recode them, for example labels == 'malignant'"
        )
    positive: Bools = vector == 1
    if positive.all() or not positive.any():
        raise ValueError(
            f"labels holds one class only (all {int(positive[0])}): "
            "evaluate on a test set with images of both classes; split by patient with stratification"
        )
    return positive


def check_scores(scores: ArrayLike, *, n: int, name: str = "scores") -> Floats:
    """Return *scores* as a finite vector with one entry for each of the *n* labels."""
    vector = check_vector(scores, name=name)
    if vector.size != n:
        raise ValueError(f"{name} has {vector.size} entries but labels has {n}: pass one of each per image")
    return vector


def check_probability(probability: ArrayLike, *, n: int) -> Floats:
    """Return *probability* as a vector in [0, 1] with one entry for each of the *n* labels."""
    vector = check_scores(probability, n=n, name="probability")
    outside = vector[(vector < 0) | (vector > 1)]
    if outside.size:
        raise ValueError(
            f"probability must lie in [0, 1], found {outside[0]:g}: "
            "pass the output after the sigmoid, not logits or decision values"
        )
    return vector


def check_patients(patients: ArrayLike | Sequence[object], *, n: int) -> Ints:
    """Return one code 0 … k − 1 per image; codes follow the sorted identifiers, so the order of rows is no matter."""
    identifiers = np.asarray(patients)
    if identifiers.ndim != 1 or identifiers.size != n:
        raise ValueError(
            f"patients has shape {identifiers.shape} but labels has {n} entries: pass one patient identifier per image"
        )
    missing = np.flatnonzero(pd.isna(identifiers))
    if missing.size:
        raise ValueError(
            f"patients has {missing.size} missing identifier(s), the first in row {missing[0]}: "
            "without them nobody knows which images belong together; look them up or leave those images out"
        )
    if identifiers.dtype == object:  # mixed types have no order; their text has
        identifiers = identifiers.astype(str)
    names, codes = np.unique(identifiers, return_inverse=True)
    if names.size < 2:
        raise ValueError(
            f"patients names a single patient ({names[0]}): one patient gives no idea how results vary "
            "between patients; test on more"
        )
    return codes.astype(np.intp)


def check_fraction(value: float, *, name: str, remedy: str) -> float:
    """Return *value* if it lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}: {remedy}")
    return float(value)


def check_prevalence(value: float) -> float:
    """Return the share of diseased where a test is to be used, if it lies strictly between 0 and 1."""
    remedy = "state the share of diseased where the test is to be used, 0.006 for 6 in 1,000"
    return check_fraction(value, name="prevalence", remedy=remedy)


def check_level(level: float) -> float:
    """Return a confidence level, if it lies strictly between 0 and 1."""
    return check_fraction(level, name="level", remedy="give the confidence level as a fraction, 0.95 for 95 %")


def normal_quantile(level: float) -> float:
    """Return the two-sided standard normal quantile of a confidence *level*: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + check_level(level) / 2)


def check_all(
    labels: ArrayLike, scores: ArrayLike, patients: ArrayLike, *, name: str = "scores"
) -> tuple[Bools, Floats, Ints]:
    positive = check_labels(labels)
    return positive, check_scores(scores, n=positive.size, name=name), check_patients(patients, n=positive.size)


def refuse_repeats(codes: Ints, *, function: str, remedy: str) -> None:
    n_patients = int(codes.max()) + 1
    if n_patients < codes.size:
        raise ValueError(
            f"patients: {codes.size} images come from {n_patients} patients, but {function} takes images for "
            f"independent and would be too sure: use {remedy}, or keep one image per patient"
        )

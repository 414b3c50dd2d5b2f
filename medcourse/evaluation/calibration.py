"""Does a predicted probability of 0.3 come true three times in ten? Calibration and the Brier score.

Import from :mod:`medcourse.evaluation.classification`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from medcourse.evaluation._checks import (
    Bools,
    Estimate,
    Floats,
    Ints,
    check_labels,
    check_patients,
    check_probability,
    normal_quantile,
)
from medcourse.evaluation._components import wilson

Strategy = Literal["quantile", "uniform"]
_MAX_ITERATIONS = 100  # of Newton's method, which needs about ten


class BrierDecomposition(NamedTuple):
    """``score`` = ``reliability`` − ``resolution`` + ``uncertainty`` + ``within_bins``, to rounding."""

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


class CalibrationFit(NamedTuple):
    """Calibration intercept (0 is ideal) and slope (1 is ideal), each as (estimate, low, high) on the logit scale."""

    intercept: Estimate
    slope: Estimate
    level: float


def calibration_table(
    labels: ArrayLike,
    probability: ArrayLike,
    *,
    patients: ArrayLike,
    n_bins: int = 10,
    strategy: Strategy = "quantile",
    level: float = 0.95,
) -> pd.DataFrame:
    """Predicted probability against observed frequency, bin by bin, with intervals: the calibration curve.

    Parameters
    ----------
    labels : array_like, shape (n,)
        1 (or True) for disease, 0 for none.
    probability : array_like, shape (n,)
        Predicted probability of disease, in [0, 1].
    patients : array_like, shape (n,)
        Patient identifier of each image.
    n_bins : int
        Number of bins; empty ones are left out of the table.
    strategy : {"quantile", "uniform"}
        Bins of equal counts, or of equal width.
    level : float
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        One row per bin (lower, upper], the lowest bin with its lower edge: ``lower``, ``upper``, ``n_images``,
        ``n_patients``, ``mean_probability``, ``observed`` (share of diseased) and its limits ``low`` and ``high``.

    Raises
    ------
    ValueError
        Probabilities outside [0, 1], one class only, NaN, mismatched or empty input, a single patient, n_bins < 1, an
        unknown strategy.

    Notes
    -----
    Intervals as in :func:`~medcourse.evaluation.operating.proportion_interval`, so images of one patient in one bin do
    not count as independent. Source: Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7.

    Taught in: 2.7 Measuring a test and 5.1.2 Classification.

    Examples
    --------
    >>> table = calibration_table([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.9], patients=range(6), n_bins=2)
    >>> print(table[["n_images", "mean_probability", "observed", "low", "high"]].round(2).to_string(index=False))
     n_images  mean_probability  observed  low  high
            3              0.20      0.33 0.06  0.79
            3              0.73      0.67 0.21  0.94
    """
    positive, values = _check_pair(labels, probability)
    codes = check_patients(patients, n=positive.size)
    bins, edges = _bins(values, n_bins, strategy)
    rows = []
    for bin_ in np.unique(bins):
        inside = bins == bin_
        observed = wilson(positive[inside], codes[inside], level)
        rows.append(
            {
                "lower": edges[bin_],
                "upper": edges[bin_ + 1],
                "n_images": int(inside.sum()),
                "n_patients": np.unique(codes[inside]).size,
                "mean_probability": values[inside].mean(),
                "observed": observed.estimate,
                "low": observed.low,
                "high": observed.high,
            }
        )
    return pd.DataFrame(rows)


def brier_score(labels: ArrayLike, probability: ArrayLike) -> float:
    """Mean squared difference between the predicted probability and what happened; smaller is better.

    Parameters
    ----------
    labels, probability : array_like, shape (n,)
        As in :func:`calibration_table`.

    Returns
    -------
    float
        In [0, 1]. Always predicting the prevalence p scores p(1 − p): compare with that, not with 0.

    Raises
    ------
    ValueError
        As in :func:`calibration_table`.

    Notes
    -----
    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2 (there summed over both classes, hence twice
    as large).

    Taught in: 2.7 Measuring a test.

    Examples
    --------
    >>> print(round(brier_score([0, 1, 1], [0.2, 0.9, 0.4]), 4))
    0.1367
    """
    positive, values = _check_pair(labels, probability)
    return float(np.mean((values - positive) ** 2))


def brier_decomposition(
    labels: ArrayLike, probability: ArrayLike, *, n_bins: int = 10, strategy: Strategy = "quantile"
) -> BrierDecomposition:
    """Split the Brier score into miscalibration, discrimination and what the cases themselves leave open.

    Parameters
    ----------
    labels, probability : array_like, shape (n,)
        As in :func:`calibration_table`.
    n_bins, strategy
        As in :func:`calibration_table`.

    Returns
    -------
    BrierDecomposition
        ``reliability``: squared distance of the calibration curve from the diagonal (0 is ideal); ``resolution``: how
        far the bins' frequencies lie from the overall one (large is good); ``uncertainty``: prevalence × (1 −
        prevalence); ``within_bins``: what binning hides.

    Raises
    ------
    ValueError
        As in :func:`calibration_table`.

    Notes
    -----
    In words: score = reliability − resolution + uncertainty + (variance of the probabilities within bins − twice their
    covariance with the outcome within bins). Chance alone makes reliability positive, the more so the fewer
    images a bin holds.

    Source: Stephenson, Coelho, Jolliffe 2008, doi:10.1175/2007WAF2006116.1.

    Taught in: 2.7 Measuring a test.

    Examples
    --------
    >>> parts = brier_decomposition([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.9], n_bins=2)
    >>> print(f"{parts.score:.3f} = {parts.reliability:.3f} - {parts.resolution:.3f} + {parts.uncertainty:.3f}"
    ...       f" + ({parts.within_bins:.3f})")
    0.167 = 0.011 - 0.028 + 0.250 + (-0.067)
    """
    positive, values = _check_pair(labels, probability)
    bins, _ = _bins(values, n_bins, strategy)
    count = np.bincount(bins)
    occupied = count > 0
    count = count[occupied]
    weight = count / values.size
    mean_probability = np.bincount(bins, values)[occupied] / count
    observed = np.bincount(bins, positive)[occupied] / count
    prevalence = float(positive.mean())
    row = np.cumsum(occupied)[bins] - 1  # bin of each image among the occupied ones
    around_probability, around_observed = values - mean_probability[row], positive - observed[row]
    return BrierDecomposition(
        score=float(np.mean((values - positive) ** 2)),
        reliability=float(np.sum(weight * (mean_probability - observed) ** 2)),
        resolution=float(np.sum(weight * (observed - prevalence) ** 2)),
        uncertainty=prevalence * (1 - prevalence),
        within_bins=float(np.mean(around_probability**2 - 2 * around_probability * around_observed)),
    )


def expected_calibration_error(
    labels: ArrayLike, probability: ArrayLike, *, n_bins: int = 10, strategy: Strategy = "quantile"
) -> float:
    """Mean distance between predicted probability and observed frequency over bins (ECE); read the warning.

    Parameters
    ----------
    labels, probability : array_like, shape (n,)
        As in :func:`calibration_table`.
    n_bins, strategy
        As in :func:`calibration_table`; the result depends on both, so state them.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        As in :func:`calibration_table`.

    Notes
    -----
    In words: |mean probability − share of diseased| of each bin, weighted by its images. A perfectly calibrated model
    does not score 0: chance moves each bin's frequency, the more so the fewer images it holds. So the ECE
    grows with the number of bins, and two models may be compared only on the same images with the same
    bins. Prefer :func:`calibration_table` and :func:`calibration_fit`, which have intervals.

    Source: Guo et al. 2017, arXiv:1706.04599.

    Taught in: 2.7 Measuring a test.

    Examples
    --------
    >>> print(round(expected_calibration_error([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.9], n_bins=2), 2))
    0.1
    """
    positive, values = _check_pair(labels, probability)
    bins, _ = _bins(values, n_bins, strategy)
    return float(np.abs(np.bincount(bins, values - positive)).sum() / values.size)


def calibration_fit(
    labels: ArrayLike, probability: ArrayLike, *, patients: ArrayLike, level: float = 0.95
) -> CalibrationFit:
    """Calibration intercept and slope, by logistic recalibration without penalty.

    Parameters
    ----------
    labels : array_like, shape (n,)
        1 (or True) for disease, 0 for none.
    probability : array_like, shape (n,)
        Predicted probability of disease, strictly between 0 and 1.
    patients : array_like, shape (n,)
        Patient identifier of each image.
    level : float
        Confidence level.

    Returns
    -------
    CalibrationFit
        ``intercept`` > 0: risks are predicted too low on the whole. ``slope`` < 1: predictions are too extreme, the
        usual mark of overfitting.

    Raises
    ------
    ValueError
        As in :func:`calibration_table`; also probabilities of exactly 0 or 1, constant ones, and ones that separate the
        classes perfectly (the slope is then unbounded).

    Notes
    -----
    In words: regress the outcome on the logit of the prediction. The slope is its coefficient; the intercept is that of
    a second fit with the slope fixed at 1 (calibration in the large), so it is not the first fit's constant.
    Standard errors come from the sandwich formula with scores summed by patient.

    Source: Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7.

    Taught in: 2.7 Measuring a test and 5.1.2 Classification.

    Examples
    --------
    >>> labels, probability = [0, 0, 1, 0, 1, 0, 1, 1], [0.01, 0.05, 0.1, 0.3, 0.6, 0.8, 0.95, 0.99]
    >>> fit = calibration_fit(labels, probability, patients=range(8))
    >>> print(f"intercept {fit.intercept.estimate:.2f}, slope {fit.slope.estimate:.2f}")
    intercept 0.25, slope 0.49
    """
    positive, values = _check_pair(labels, probability)
    codes = check_patients(patients, n=positive.size)
    quantile = normal_quantile(level)
    extreme = np.flatnonzero((values == 0) | (values == 1))
    if extreme.size:
        raise ValueError(
            f"probability is exactly {values[extreme[0]]:g} in {extreme.size} row(s), whose logit is infinite: "
            "a certain prediction is a fault of the model (or float32 rounding: compute the sigmoid in float64)"
        )
    logits = np.log(values) - np.log1p(-values)
    _refuse_unbounded(positive, logits)
    ones = np.ones_like(logits)
    intercept, intercept_error = _logistic(ones[:, None], positive, codes, offset=logits)
    scale = logits.std()  # centred and scaled for a well-conditioned fit; the slope is scaled back
    design = np.column_stack([ones, (logits - logits.mean()) / scale])
    both, both_error = _logistic(design, positive, codes, offset=np.zeros_like(logits))
    return CalibrationFit(
        intercept=_around(intercept[0], quantile * intercept_error[0]),
        slope=_around(both[1] / scale, quantile * both_error[1] / scale),
        level=level,
    )


def _check_pair(labels: ArrayLike, probability: ArrayLike) -> tuple[Bools, Floats]:
    positive = check_labels(labels)
    return positive, check_probability(probability, n=positive.size)


def _bins(values: Floats, n_bins: int, strategy: str) -> tuple[Ints, Floats]:
    """Bin of each value and the n_bins + 1 edges; a value on an edge belongs to the lower bin."""
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}: ten bins of fifty images are a good start")
    parts = np.linspace(0, 1, n_bins + 1)
    if strategy == "quantile":
        edges = np.quantile(values, parts)
    elif strategy == "uniform":
        edges = parts
    else:
        raise ValueError(f"strategy must be 'quantile' or 'uniform', got {strategy!r}: choose one of the two")
    return np.searchsorted(edges[1:-1], values).astype(np.intp), edges


def _refuse_unbounded(positive: Bools, logits: Floats) -> None:
    diseased, healthy = logits[positive], logits[~positive]
    if logits.min() == logits.max():
        raise ValueError(
            "probability is the same for every image, so it has no calibration slope: "
            "compare it with the prevalence, or mend the model"
        )
    if diseased.min() >= healthy.max() or diseased.max() <= healthy.min():
        raise ValueError(
            "probability separates the classes perfectly, so the calibration slope is unbounded: "
            "use calibration_table, or test on more patients"
        )


def _logistic(design: Floats, positive: Bools, codes: Ints, *, offset: Floats) -> tuple[Floats, Floats]:
    """Maximum-likelihood coefficients by Newton's method, and their cluster-robust standard errors."""

    def log_likelihood(coefficients: Floats) -> float:
        linear = design @ coefficients + offset
        return float(np.sum(positive * linear - np.logaddexp(0, linear)))

    coefficients = np.zeros(design.shape[1])
    for _ in range(_MAX_ITERATIONS):
        fitted = 0.5 + 0.5 * np.tanh((design @ coefficients + offset) / 2)
        residuals = positive - fitted
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        gradient = design.T @ residuals
        step = np.linalg.lstsq(information, gradient, rcond=None)[0]
        decrement = float(gradient @ step)
        while log_likelihood(coefficients + step) < log_likelihood(coefficients) - 1e-9:
            step = step / 2
        coefficients = coefficients + step
        if decrement < 1e-12:
            break
    else:
        raise ValueError(
            f"probability: the calibration fit did not converge in {_MAX_ITERATIONS} steps: "
            "look for values within rounding of 0 or 1, and use calibration_table instead"
        )
    scores = design * residuals[:, None]
    by_patient = np.column_stack([np.bincount(codes, scores[:, j]) for j in range(design.shape[1])])
    n_patients = by_patient.shape[0]
    inverse = np.linalg.inv(information)
    covariance = inverse @ (by_patient.T @ by_patient * n_patients / (n_patients - 1)) @ inverse
    return coefficients, np.sqrt(np.diag(covariance))


def _around(centre: float, half_width: float) -> Estimate:
    return Estimate(float(centre), float(centre - half_width), float(centre + half_width))

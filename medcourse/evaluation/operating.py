"""One threshold: sensitivity, specificity, and what a result means at a stated prevalence.

Import from :mod:`medcourse.evaluation.classification`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from medcourse.evaluation._checks import (
    Estimate,
    Floats,
    check_all,
    check_patients,
    check_prevalence,
    check_vector,
)
from medcourse.evaluation._components import wilson


class OperatingPoint(NamedTuple):
    """What a test does at one threshold.

    ``sensitivity``, ``specificity``, ``ppv`` and ``npv`` each hold (estimate, low, high) in [0, 1]; the predictive
    values hold at ``prevalence``; the four counts are images of the test set.
    """

    threshold: float
    prevalence: float
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    true_positives: int
    false_negatives: int
    true_negatives: int
    false_positives: int
    level: float


class PredictiveValues(NamedTuple):
    """Positive and negative predictive value, each in [0, 1]."""

    ppv: float
    npv: float


def proportion_interval(successes: ArrayLike, patients: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Proportion with a Wilson interval that knows which images belong to one patient.

    Parameters
    ----------
    successes : array_like, shape (n,)
        1 (or True) where the event happened, for example a diseased image that was called.
    patients : array_like, shape (n,)
        Patient identifier of each image.
    level : float
        Confidence level.

    Returns
    -------
    Estimate
        (estimate, low, high) in [0, 1].

    Raises
    ------
    ValueError
        Values other than 0/1, NaN, empty or mismatched input, a single patient.

    Notes
    -----
    In words: measure how much the patients' sums vary, compare with what independent images would give (the *design
    effect*), divide the number of images by it (never letting it fall below 1), and use Wilson's interval for that
    effective number. Where every image succeeds, or none, the design effect cannot be measured: the number of patients
    stands in for the number of images. With one image per patient this is Wilson's interval.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953; clustered data: Genders et al. 2012,
    doi:10.1148/radiol.12120509.

    Taught in: 2.7 Measuring a test.

    Examples
    --------
    >>> independent = proportion_interval([1, 1, 1, 0, 1, 0], range(6))
    >>> print(f"{independent.estimate:.2f} ({independent.low:.2f} to {independent.high:.2f})")
    0.67 (0.30 to 0.90)
    >>> paired = proportion_interval([1, 1, 1, 1, 0, 0], ["a", "a", "b", "b", "c", "c"])
    >>> print(f"{paired.estimate:.2f} ({paired.low:.2f} to {paired.high:.2f})")
    0.67 (0.18 to 0.95)
    """
    values = check_vector(successes, name="successes")
    if not np.isin(values, (0, 1)).all():
        raise ValueError("successes must be 0 or 1, one per image: compare the score with a threshold first")
    return wilson(values == 1, check_patients(patients, n=values.size), level)


def predictive_values(*, sensitivity: float, specificity: float, prevalence: float) -> PredictiveValues:
    """What a positive and a negative result mean where the disease has this prevalence (Bayes).

    Parameters
    ----------
    sensitivity, specificity : float
        In [0, 1].
    prevalence : float
        Share of diseased in the population the test is for, strictly between 0 and 1; rarely that of the test set.

    Returns
    -------
    PredictiveValues
        NaN for the predictive value of a result that never occurs.

    Raises
    ------
    ValueError
        A value outside its range.

    Notes
    -----
    In words: PPV is the true positives' share of all positives, sensitivity × prevalence over that plus
    (1 − specificity) × (1 − prevalence); NPV likewise among the negatives.

    Source: Altman and Bland 1994, doi:10.1136/bmj.309.6947.102.

    Taught in: 2.7 Measuring a test.

    Examples
    --------
    >>> screening = predictive_values(sensitivity=0.9, specificity=0.9, prevalence=0.006)
    >>> print(f"PPV {screening.ppv:.3f}, NPV {screening.npv:.4f}")
    PPV 0.052, NPV 0.9993
    """
    for name, value in (("sensitivity", sensitivity), ("specificity", specificity)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {value!r}: give it as a fraction, 0.9 for 90 %")
    check_prevalence(prevalence)
    true_positive, false_positive = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    true_negative, false_negative = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return PredictiveValues(
        ppv=_share(true_positive, true_positive + false_positive),
        npv=_share(true_negative, true_negative + false_negative),
    )


def operating_point(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    patients: ArrayLike,
    prevalence: float,
    threshold: float | None = None,
    sensitivity: float | None = None,
    level: float = 0.95,
) -> OperatingPoint:
    """Sensitivity, specificity and predictive values at one threshold, with patient-aware intervals.

    Parameters
    ----------
    labels, scores : array_like, shape (n,)
        1 (or True) for disease, 0 for none, and a score that grows with suspicion.
    patients : array_like, shape (n,)
        Patient identifier of each image.
    prevalence : float
        Share of diseased where the test is to be used, strictly between 0 and 1; state where it comes from.
    threshold : float, optional
        Call an image positive where its score is at least this. Choose it on the validation patients.
    sensitivity : float, optional
        Instead of a threshold: take the highest threshold that reaches this sensitivity *on these images*. Use it on
        validation patients and pass the threshold found to the test patients; otherwise the result is optimistic.
    level : float
        Confidence level.

    Returns
    -------
    OperatingPoint

    Raises
    ------
    ValueError
        Neither or both of threshold and sensitivity; one class only, NaN, mismatched or empty input, a single patient.

    Notes
    -----
    Intervals of sensitivity and specificity as in :func:`proportion_interval`. The predictive values are re-weighted to
    the stated prevalence by :func:`predictive_values`; the make-up of the test set does not enter. Both grow with
    sensitivity and with specificity, so their limits follow from both lower and from both upper limits. In large
    samples that holds the truth at least as often as ``level`` says, however the two errors are correlated. The
    prevalence counts as known.

    Taught in: 2.7 Measuring a test and 5.1.2 Classification.

    Examples
    --------
    >>> labels, scores = [0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9]
    >>> point = operating_point(labels, scores, patients=range(8), prevalence=0.01, threshold=0.5)
    >>> print(f"{point.sensitivity.estimate} {point.specificity.estimate} {point.ppv.estimate:.3f}")
    0.75 0.75 0.029
    >>> operating_point(labels, scores, patients=range(8), prevalence=0.01, sensitivity=0.9).threshold
    0.4
    """
    positive, values, codes = check_all(labels, scores, patients)
    check_prevalence(prevalence)
    cut = _threshold(values[positive], threshold, sensitivity)
    called = values >= cut
    sensitivity_here = wilson(called[positive], codes[positive], level)
    specificity_here = wilson(~called[~positive], codes[~positive], level)
    at_estimate, at_low, at_high = (
        predictive_values(sensitivity=a, specificity=b, prevalence=prevalence)
        for a, b in zip(sensitivity_here, specificity_here, strict=True)
    )
    return OperatingPoint(
        threshold=cut,
        prevalence=prevalence,
        sensitivity=sensitivity_here,
        specificity=specificity_here,
        ppv=Estimate(at_estimate.ppv, at_low.ppv, at_high.ppv),
        npv=Estimate(at_estimate.npv, at_low.npv, at_high.npv),
        true_positives=int(np.sum(called & positive)),
        false_negatives=int(np.sum(~called & positive)),
        true_negatives=int(np.sum(~called & ~positive)),
        false_positives=int(np.sum(called & ~positive)),
        level=level,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _threshold(positive_scores: Floats, threshold: float | None, sensitivity: float | None) -> float:
    if (threshold is None) == (sensitivity is None):
        raise ValueError(
            f"threshold={threshold!r}, sensitivity={sensitivity!r}: give exactly one of them, "
            "a threshold chosen on validation patients or the sensitivity to reach"
        )
    if threshold is not None:
        if not math.isfinite(threshold):
            raise ValueError(f"threshold must be a finite number, got {threshold!r}: choose one on validation patients")
        return float(threshold)
    assert sensitivity is not None
    if not 0 < sensitivity <= 1:
        raise ValueError(f"sensitivity must lie in (0, 1], got {sensitivity!r}: give the target as a fraction")
    needed = math.ceil(sensitivity * positive_scores.size - 1e-9)  # 0.07 × 100 is 7.000000000000001
    return float(np.sort(positive_scores)[-max(1, needed)])

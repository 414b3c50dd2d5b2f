"""Is acting on the model better than acting on everybody or on nobody? Net benefit at a stated prevalence.

Import from :mod:`medcourse.evaluation.classification`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from medcourse.evaluation._checks import (
    Floats,
    check_fraction,
    check_labels,
    check_level,
    check_patients,
    check_prevalence,
    check_probability,
    check_vector,
)
from medcourse.evaluation._components import resample_patients


class DecisionCurve(NamedTuple):
    """Net benefit at each threshold, in true positives per person of the population that ``prevalence`` describes.

    ``thresholds``, ``benefit``, ``low``, ``high`` and ``treat_all`` have shape (k,); acting on nobody has benefit 0.
    ``resamples`` has shape (n_resamples, k): one curve per resample of patients; ``n_redrawn`` counts resamples drawn
    again for want of a class.
    """

    thresholds: Floats
    benefit: Floats
    low: Floats
    high: Floats
    treat_all: Floats
    prevalence: float
    level: float
    n_patients: int
    resamples: Floats
    n_redrawn: int


def decision_curve(
    labels: ArrayLike,
    probability: ArrayLike,
    patients: ArrayLike,
    *,
    thresholds: ArrayLike,
    prevalence: float,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> DecisionCurve:
    """Net benefit of acting on a probability, re-weighted to a prevalence, with intervals over patients.

    Parameters
    ----------
    labels : array_like, shape (n,)
        1 (or True) for disease, 0 for none.
    probability : array_like, shape (n,)
        Probability of disease **at the stated prevalence**, in [0, 1]; see :func:`shift_prevalence` for a model that
        was trained on another mixture.
    patients : array_like, shape (n,)
        Patient identifier of each image.
    thresholds : array_like, shape (k,)
        Threshold probabilities, strictly between 0 and 1: whoever acts from 2 % on takes 49 false alarms for one hit.
    prevalence : float
        Share of diseased where the test is to be used, strictly between 0 and 1; rarely that of the test set.
    n_resamples : int
        Number of resamples of patients.
    level : float
        Confidence level.
    seed : int
        Seed of the resampling.

    Returns
    -------
    DecisionCurve

    Raises
    ------
    ValueError
        One class only, NaN, probabilities or thresholds outside their range, mismatched or empty input, a single
        patient, so few patients of one class that most resamples lack it.

    Notes
    -----
    In words: sensitivity × prevalence, less (1 − specificity) × (1 − prevalence) × the odds of the threshold. The odds
    are what a false alarm costs in units of a hit to someone who acts at just that threshold. Acting on everybody is
    the same with sensitivity 1 and specificity 0. Patients are resampled as in :func:`auc_bootstrap`, so the same
    patients and seed give the same draws and the ``resamples`` of two models can be subtracted one by one. The
    prevalence counts as known.

    Source: Vickers and Elkin 2006, doi:10.1177/0272989X06295361.

    Taught in: 2.7 Measuring a test and 4.1.4 Comparing classifiers honestly.

    Examples
    --------
    >>> labels, probability = [0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9]
    >>> curve = decision_curve(labels, probability, range(8), thresholds=[0.2, 0.5], prevalence=0.5)
    >>> print(curve.benefit.round(3), curve.treat_all)
    [0.406 0.25 ] [0.375 0.   ]
    """
    positive = check_labels(labels)
    values = check_probability(probability, n=positive.size)
    codes = check_patients(patients, n=positive.size)
    cuts = check_vector(thresholds, name="thresholds")
    outside = cuts[(cuts <= 0) | (cuts >= 1)]
    if outside.size:
        raise ValueError(f"thresholds must lie strictly between 0 and 1, found {outside[0]:g}: leave it out")
    check_prevalence(prevalence)
    check_level(level)
    n_patients = int(codes.max()) + 1
    called = values[:, None] >= cuts  # (n, k)
    sums = np.zeros((n_patients, 2 * cuts.size + 2))  # a patient's hits, false alarms, diseased and healthy images
    counted = np.column_stack([called & positive[:, None], called & ~positive[:, None], positive, ~positive])
    np.add.at(sums, codes, counted)
    odds = cuts / (1 - cuts)

    def benefit(totals: Floats) -> Floats:
        with np.errstate(invalid="ignore"):  # a resample without one class is NaN, and is drawn again
            hits, alarms = totals[:, : cuts.size] / totals[:, -2:-1], totals[:, cuts.size : -2] / totals[:, -1:]
        return np.asarray(hits * prevalence - alarms * (1 - prevalence) * odds, dtype=np.float64)

    resamples, n_redrawn = resample_patients(
        lambda weights: benefit(weights @ sums),
        n_patients=n_patients,
        n_images=positive.size,
        n_resamples=n_resamples,
        seed=seed,
    )
    low, high = np.quantile(resamples, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return DecisionCurve(
        thresholds=cuts,
        benefit=benefit(sums.sum(axis=0, keepdims=True))[0],
        low=low,
        high=high,
        treat_all=prevalence - (1 - prevalence) * odds,
        prevalence=prevalence,
        level=level,
        n_patients=n_patients,
        resamples=resamples,
        n_redrawn=n_redrawn,
    )


def shift_prevalence(probability: ArrayLike, *, trained_at: float, prevalence: float) -> Floats:
    """What a probability becomes where the disease is rarer or more frequent than in training.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Calibrated probability of disease in a population with prevalence ``trained_at``, in [0, 1].
    trained_at : float
        Share of diseased among the training images, strictly between 0 and 1.
    prevalence : float
        Share of diseased where the test is to be used, strictly between 0 and 1.

    Returns
    -------
    ndarray, shape (n,)
        Probabilities in [0, 1], in the same order: no ranking and no AUC changes.

    Raises
    ------
    ValueError
        A value outside its range, NaN, empty input.

    Notes
    -----
    In words: the odds are multiplied by the ratio of the prevalences' odds. This holds where diseased and healthy look
    as they did in training and only their shares differ; sicker patients or another scanner need a new calibration.

    Source: Saerens, Latinne, Decaestecker 2002, doi:10.1162/089976602753284446.

    Taught in: 2.7 Measuring a test and 4.1.4 Comparing classifiers honestly.

    Examples
    --------
    >>> print(shift_prevalence([0.5, 0.9], trained_at=0.5, prevalence=0.01).round(3))
    [0.01  0.083]
    """
    values = check_vector(probability, name="probability")
    values = check_probability(values, n=values.size)
    check_fraction(trained_at, name="trained_at", remedy="state the share of diseased among the training images")
    check_prevalence(prevalence)
    diseased = values * prevalence / trained_at
    healthy = (1 - values) * (1 - prevalence) / (1 - trained_at)
    shifted: Floats = diseased / (diseased + healthy)
    return shifted

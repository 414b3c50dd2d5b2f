"""Area under the ROC curve (AUC) and its uncertainty, when patients have several images.

Three variances for one AUC: :func:`delong` for one image per patient, :func:`auc_clustered` and
:func:`auc_bootstrap` for several. Import from :mod:`medcourse.evaluation.classification`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from medcourse.evaluation._checks import (
    Bools,
    Floats,
    Ints,
    check_all,
    check_labels,
    check_level,
    check_scores,
    normal_quantile,
    refuse_repeats,
)
from medcourse.evaluation._components import (
    clustered_variance,
    order_by_score,
    refuse_zero_variance,
    resample_patients,
    structural_components,
    weighted_auc,
)


class AucInterval(NamedTuple):
    """An AUC with its confidence interval.

    ``estimate``, ``low``, ``high`` and ``standard_error`` are AUCs in [0, 1]; ``level`` is the confidence level;
    ``n_patients`` counts patients, ``n_positive`` and ``n_negative`` images.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    level: float
    n_patients: int
    n_positive: int
    n_negative: int


class AucBootstrap(NamedTuple):
    """An AUC with its patient-bootstrap interval: as :class:`AucInterval`, and the resampled AUCs themselves.

    ``resamples`` has shape (n_resamples,); ``n_redrawn`` counts resamples drawn again for want of a class.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    level: float
    n_patients: int
    n_positive: int
    n_negative: int
    resamples: Floats
    n_redrawn: int


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: how often a diseased image scores above a healthy one.

    Parameters
    ----------
    labels : array_like, shape (n,)
        1 (or True) for disease, 0 for none; both classes must occur.
    scores : array_like, shape (n,)
        Any number that grows with suspicion: probability, logit, count.

    Returns
    -------
    float
        Between 0 and 1; 0.5 is guessing.

    Raises
    ------
    ValueError
        One class only, labels other than 0/1, NaN, empty or mismatched input.

    Notes
    -----
    Mann–Whitney statistic: over all pairs of a positive and a negative image, the share in which the positive scores
    higher, ties counted half. Source: DeLong, DeLong, Clarke-Pearson 1988, doi:10.2307/2531595.

    Taught in: 2.7 Measuring a test and 5.1.2 Classification.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    positive = check_labels(labels)
    values = check_scores(scores, n=positive.size)
    v10, _ = structural_components(positive, values)
    return float(v10.mean())


def auc_bootstrap(
    labels: ArrayLike,
    scores: ArrayLike,
    patients: ArrayLike,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> AucBootstrap:
    """AUC with a percentile interval from resampling patients, not images.

    Parameters
    ----------
    labels, scores : array_like, shape (n,)
        As in :func:`auc`.
    patients : array_like, shape (n,)
        Patient identifier of each image, numbers or text.
    n_resamples : int
        Number of resamples; 2,000 pin a 95 % limit well enough for two decimals.
    level : float
        Confidence level.
    seed : int
        Seed of the resampling.

    Returns
    -------
    AucBootstrap
        ``standard_error`` is the standard deviation of ``resamples``, ``low`` and ``high`` are their quantiles.

    Raises
    ------
    ValueError
        As in :func:`auc`; also a single patient, so few patients of one class that most resamples lack it, or
        resamples that all give the same AUC.

    Notes
    -----
    In words: draw as many patients as there are, with replacement, take all images of each patient drawn (twice if
    drawn twice), compute the AUC, repeat; the interval holds the middle 95 % of these AUCs.

    Resampling is not stratified by class. A patient may have images of both classes, so patients cannot be sorted by
    class; and in a new sample of patients the number of positives would vary too. A resample that holds one class only
    has no AUC: it is drawn again, and counted in ``n_redrawn``. The interval then speaks of samples with both classes.

    The same patients and seed give the same draws, so the ``resamples`` of two models can be subtracted one by one.

    Source: Field and Welsh 2007, Bootstrapping clustered data, J. R. Statist. Soc. B 69:369–390,
    doi:10.1111/j.1467-9868.2007.00593.x.

    Taught in: 2.7 Measuring a test and 5.1.2 Classification.

    Examples
    --------
    >>> labels = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> scores = [0.1, 0.2, 0.9, 0.8, 0.6, 0.5, 0.3, 0.7]
    >>> patients = ["a", "a", "b", "b", "c", "c", "d", "d"]
    >>> result = auc_bootstrap(labels, scores, patients, seed=0)
    >>> print(f"{result.estimate:.4f}, {result.low <= result.estimate <= result.high}")
    0.9375, True
    """
    positive, values, codes = check_all(labels, scores, patients)
    check_level(level)
    ordered = order_by_score(positive, values, codes)
    n_patients = int(codes.max()) + 1
    resamples, n_redrawn = resample_patients(
        lambda weights: weighted_auc(weights, *ordered),
        n_patients=n_patients,
        n_images=positive.size,
        n_resamples=n_resamples,
        seed=seed,
    )
    estimate = auc(positive, values)
    refuse_zero_variance(estimate, float(resamples.var()))
    low, high = np.quantile(resamples, [0.5 - level / 2, 0.5 + level / 2])
    return AucBootstrap(
        estimate=estimate,
        low=float(low),
        high=float(high),
        standard_error=float(resamples.std(ddof=1)),
        level=level,
        n_patients=n_patients,
        n_positive=int(positive.sum()),
        n_negative=int((~positive).sum()),
        resamples=resamples,
        n_redrawn=n_redrawn,
    )


def auc_clustered(labels: ArrayLike, scores: ArrayLike, patients: ArrayLike, *, level: float = 0.95) -> AucInterval:
    """AUC with a cluster-aware variance: images of one patient may resemble each other.

    Parameters
    ----------
    labels, scores : array_like, shape (n,)
        As in :func:`auc`.
    patients : array_like, shape (n,)
        Patient identifier of each image; images of one patient may hold one class or both.
    level : float
        Confidence level.

    Returns
    -------
    AucInterval

    Raises
    ------
    ValueError
        As in :func:`auc`; also when a class comes from fewer than two patients, and when the classes are separated
        perfectly (the variance estimate is then 0 and says nothing).

    Notes
    -----
    In words: each positive image has a *structural component*, the share of negatives it beats, and each negative the
    share of positives that beat it. Subtract the AUC, add up the components of each patient, and take the spread of
    these sums between patients; positives and negatives of one patient contribute a covariance. With one image per
    patient this is exactly :func:`delong`. The interval is symmetric on the logit scale, so it stays within (0, 1).
    Pairs of images of the same patient count like any other pair.

    Source: Obuchowski 1997, Biometrics 53:567–578, doi:10.2307/2533958.

    Taught in: 2.7 Measuring a test and 5.1.2 Classification.

    Examples
    --------
    >>> labels = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> scores = [0.1, 0.2, 0.9, 0.8, 0.6, 0.5, 0.3, 0.7]
    >>> result = auc_clustered(labels, scores, ["a", "a", "b", "b", "c", "c", "d", "d"])
    >>> print(f"{result.estimate:.4f} ± {result.standard_error:.4f}, {result.low:.2f} to {result.high:.2f}")
    0.9375 ± 0.1295, 0.16 to 1.00
    """
    positive, values, codes = check_all(labels, scores, patients)
    return _interval(positive, values, codes, level)


def delong(labels: ArrayLike, scores: ArrayLike, *, patients: ArrayLike, level: float = 0.95) -> AucInterval:
    """AUC with DeLong's variance, for one image per patient; repeated patients are refused.

    Parameters
    ----------
    labels, scores : array_like, shape (n,)
        As in :func:`auc`.
    patients : array_like, shape (n,)
        Patient identifier of each image, all different.
    level : float
        Confidence level.

    Returns
    -------
    AucInterval

    Raises
    ------
    ValueError
        As in :func:`auc_clustered`; also when a patient occurs twice.

    Notes
    -----
    In words: variance of the positives' structural components over their number, plus the same for the negatives;
    the components come from mid-ranks in O(n log n). DeLong takes images for independent. With several per patient it
    is far too sure where a patient's images share their class, and not sure enough where each patient has both.
    Interval on the logit scale, as in :func:`auc_clustered`.

    Source: DeLong, DeLong, Clarke-Pearson 1988, doi:10.2307/2531595; Sun and Xu 2014, doi:10.1109/LSP.2014.2337313.

    Taught in: 2.7 Measuring a test and 5.1.2 Classification.

    Examples
    --------
    >>> result = delong([0, 0, 0, 1, 1, 1], [0.1, 0.4, 0.6, 0.3, 0.7, 0.8], patients=range(6))
    >>> print(f"{result.estimate:.3f} ± {result.standard_error:.3f}")
    0.778 ± 0.248
    """
    positive, values, codes = check_all(labels, scores, patients)
    refuse_repeats(codes, function="delong", remedy="auc_clustered or auc_bootstrap")
    return _interval(positive, values, codes, level)


def _interval(positive: Bools, values: Floats, codes: Ints, level: float) -> AucInterval:
    quantile = normal_quantile(level)
    v10, v01 = structural_components(positive, values)
    estimate = float(v10.mean())
    variance = clustered_variance(positive, v10 - estimate, v01 - estimate, codes)
    refuse_zero_variance(estimate, variance)
    standard_error = math.sqrt(variance)
    centre = math.log(estimate / (1 - estimate))
    half_width = quantile * standard_error / (estimate * (1 - estimate))
    return AucInterval(
        estimate=estimate,
        low=0.5 + 0.5 * math.tanh((centre - half_width) / 2),
        high=0.5 + 0.5 * math.tanh((centre + half_width) / 2),
        standard_error=standard_error,
        level=level,
        n_patients=int(codes.max()) + 1,
        n_positive=v10.size,
        n_negative=v01.size,
    )

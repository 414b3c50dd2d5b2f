"""Compare the AUCs of two models measured on the same images.

Import from :mod:`medcourse.evaluation.classification`.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

from numpy.typing import ArrayLike

from medcourse.evaluation._checks import (
    Bools,
    Floats,
    Ints,
    check_all,
    check_scores,
    normal_quantile,
    refuse_repeats,
)
from medcourse.evaluation._components import clustered_variance, structural_components


class AucDifference(NamedTuple):
    """Two AUCs on the same images, their ``difference`` = ``auc_a`` − ``auc_b``, its interval and a test of none."""

    auc_a: float
    auc_b: float
    difference: float
    low: float
    high: float
    standard_error: float
    z: float
    p_value: float
    level: float


def delong_test(
    labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, *, patients: ArrayLike, level: float = 0.95
) -> AucDifference:
    """DeLong's test of two AUCs measured on the same images, one image per patient.

    Parameters
    ----------
    labels : array_like, shape (n,)
        As in :func:`auc`.
    scores_a, scores_b : array_like, shape (n,)
        Scores of the two models, row by row for the same images.
    patients : array_like, shape (n,)
        Patient identifier of each image, all different.
    level : float
        Confidence level.

    Returns
    -------
    AucDifference

    Raises
    ------
    ValueError
        As in :func:`delong`.

    Notes
    -----
    In words: the difference of the AUCs over its standard error, whose variance takes in the covariance of the two
    models' structural components; compared with the standard normal distribution.

    Source: DeLong, DeLong, Clarke-Pearson 1988, doi:10.2307/2531595; Sun and Xu 2014, doi:10.1109/LSP.2014.2337313.

    Taught in: 2.7 Measuring a test and 5.1.2 Classification.

    Examples
    --------
    >>> a, b = [0.1, 0.4, 0.6, 0.3, 0.7, 0.8], [0.5, 0.4, 0.1, 0.6, 0.2, 0.3]
    >>> result = delong_test([0, 0, 0, 1, 1, 1], a, b, patients=range(6))
    >>> print(f"{result.difference:.3f}, p = {result.p_value:.2f}")
    0.222, p = 0.68
    """
    positive, values_a, codes = check_all(labels, scores_a, patients, name="scores_a")
    values_b = check_scores(scores_b, n=positive.size, name="scores_b")
    refuse_repeats(codes, function="delong_test", remedy="auc_difference")
    return _difference(positive, values_a, values_b, codes, level)


def auc_difference(
    labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, patients: ArrayLike, *, level: float = 0.95
) -> AucDifference:
    """Compare two AUCs measured on the same images, when patients have several images.

    Parameters
    ----------
    labels : array_like, shape (n,)
        As in :func:`auc`.
    scores_a, scores_b : array_like, shape (n,)
        Scores of the two models, row by row for the same images.
    patients : array_like, shape (n,)
        Patient identifier of each image.
    level : float
        Confidence level.

    Returns
    -------
    AucDifference

    Raises
    ------
    ValueError
        As in :func:`auc_clustered`.

    Notes
    -----
    In words: the cluster-aware variance of :func:`auc_clustered`, taken of the difference of the two models' structural
    components, so that what both models find hard about a patient cancels. With one image per patient this is
    exactly :func:`delong_test`.

    Source: Obuchowski 1997, Biometrics 53:567–578, doi:10.2307/2533958.

    Taught in: 2.7 Measuring a test and 5.1.2 Classification.

    Examples
    --------
    >>> labels, patients = [0, 0, 1, 1, 0, 1, 0, 1], list("aabbccdd")
    >>> a, b = [0.1, 0.2, 0.9, 0.8, 0.6, 0.5, 0.3, 0.7], [0.5, 0.4, 0.6, 0.3, 0.1, 0.2, 0.7, 0.8]
    >>> result = auc_difference(labels, a, b, patients)
    >>> print(f"{result.difference:.3f} ({result.low:.2f} to {result.high:.2f})")
    0.375 (-0.02 to 0.77)
    """
    positive, values_a, codes = check_all(labels, scores_a, patients, name="scores_a")
    values_b = check_scores(scores_b, n=positive.size, name="scores_b")
    return _difference(positive, values_a, values_b, codes, level)


def _difference(positive: Bools, values_a: Floats, values_b: Floats, codes: Ints, level: float) -> AucDifference:
    quantile = normal_quantile(level)
    a10, a01 = structural_components(positive, values_a)
    b10, b01 = structural_components(positive, values_b)
    auc_a, auc_b = float(a10.mean()), float(b10.mean())
    difference = auc_a - auc_b
    variance = clustered_variance(positive, a10 - b10 - difference, a01 - b01 - difference, codes)
    if variance < 1e-20 and abs(difference) > 1e-10:
        raise ValueError(
            f"scores_a, scores_b: the AUCs differ by {difference:g} and the variance estimate is 0, so no test is "
            "possible: the scores are constant or separate the classes perfectly; test on more patients"
        )
    standard_error = math.sqrt(variance)
    z = difference / standard_error if variance >= 1e-20 else 0.0
    return AucDifference(
        auc_a=auc_a,
        auc_b=auc_b,
        difference=difference,
        low=difference - quantile * standard_error,
        high=difference + quantile * standard_error,
        standard_error=standard_error,
        z=z,
        p_value=2 * NormalDist().cdf(-abs(z)),
        level=level,
    )

"""Do the intervals of `medcourse.evaluation` hold what they promise when patients have six images each?

Studies are simulated from a known truth: 60 patients, six patches each, a random effect per patient (80 % of the
variance), scores normal. The spread of a measure over many studies is its true standard error, and a 95 % interval
must hold the truth in about 95 % of studies. All seeds are fixed; the margins held for twelve other seeds.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from medcourse.evaluation import classification as c

N_PATIENTS, PER_PATIENT = 60, 6
PATIENTS = np.repeat(np.arange(N_PATIENTS), PER_PATIENT)
BETWEEN, WITHIN, SHIFT = 1.2, 0.6, 1.3  # standard deviations and the shift by disease, in units of the score
TRUE_AUC = NormalDist().cdf(SHIFT / math.sqrt(2 * (BETWEEN**2 + WITHIN**2)))
LABELS = {
    "each patient has one class": np.repeat(np.arange(N_PATIENTS) % 2, PER_PATIENT),
    "each patient has both classes": np.tile([1, 0, 0, 1, 0, 0], N_PATIENTS),
}


def studies(labels, n, seed, shift=SHIFT):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        effect = rng.normal(0, BETWEEN, N_PATIENTS)[PATIENTS]
        yield shift * labels + effect + rng.normal(0, WITHIN, PATIENTS.size)


def coverage(intervals, truth):
    return np.mean([interval.low <= truth <= interval.high for interval in intervals])


def simulate_auc(design, seed, n=800, n_bootstrap=100):
    labels = LABELS[design]
    clustered, naive, bootstrapped = [], [], []
    for i, scores in enumerate(studies(labels, n, seed)):
        clustered.append(c.auc_clustered(labels, scores, PATIENTS))
        naive.append(c.delong(labels, scores, patients=range(PATIENTS.size)))  # every image passed off as a patient
        if i < n_bootstrap:
            bootstrapped.append(c.auc_bootstrap(labels, scores, PATIENTS, n_resamples=400, seed=i))
    truth = np.std([result.estimate for result in clustered])
    return truth, clustered, naive, bootstrapped


def mean_error(results):
    return np.mean([result.standard_error for result in results])


def test_naive_delong_is_far_too_sure_where_patients_have_one_class():
    truth, clustered, naive, bootstrapped = simulate_auc("each patient has one class", seed=0)
    assert truth == pytest.approx(0.055, rel=0.1)
    assert mean_error(naive) < 0.5 * truth
    assert coverage(naive, TRUE_AUC) < 0.72
    assert mean_error(clustered) == pytest.approx(truth, rel=0.15)
    assert mean_error(bootstrapped) == pytest.approx(truth, rel=0.15)
    assert 0.92 < coverage(clustered, TRUE_AUC) < 0.98
    assert 0.85 < coverage(bootstrapped, TRUE_AUC) <= 1
    assert np.mean([result.estimate for result in clustered]) == pytest.approx(TRUE_AUC, abs=0.01)


def test_naive_delong_is_not_sure_enough_where_patients_have_both_classes():
    truth, clustered, naive, bootstrapped = simulate_auc("each patient has both classes", seed=0)
    assert mean_error(naive) > 1.15 * truth
    assert mean_error(clustered) == pytest.approx(truth, rel=0.15)
    assert mean_error(bootstrapped) == pytest.approx(truth, rel=0.15)
    assert 0.92 < coverage(clustered, TRUE_AUC) < 0.98
    assert 0.85 < coverage(bootstrapped, TRUE_AUC) <= 1


def simulate_difference(seed, n=800):
    """Two equally good models that share each patient's effect in part."""
    labels = LABELS["each patient has one class"]
    rng = np.random.default_rng(seed)
    results = []
    for scores in studies(labels, n, seed + 1):
        own = rng.normal(0, 0.8, (2, N_PATIENTS))[:, PATIENTS] + rng.normal(0, 0.5, (2, PATIENTS.size))
        a, b = scores + own
        results.append((c.auc_difference(labels, a, b, PATIENTS), c.delong_test(labels, a, b, patients=range(360))))
    return zip(*results, strict=True)


def test_two_equal_models_are_told_apart_in_one_study_in_twenty():
    clustered, naive = simulate_difference(seed=0)
    assert mean_error(clustered) == pytest.approx(np.std([result.difference for result in clustered]), rel=0.15)
    assert 0.02 < np.mean([result.p_value < 0.05 for result in clustered]) < 0.09
    assert np.mean([result.p_value < 0.05 for result in naive]) > 0.25  # images taken for patients


def simulate_points(seed, n=800):
    labels = LABELS["each patient has one class"]
    return [
        c.operating_point(labels, scores, patients=PATIENTS, prevalence=0.02, threshold=0.4)
        for scores in studies(labels, n, seed)
    ]


def test_intervals_of_the_operating_point_hold_the_truth():
    spread = NormalDist(0, math.hypot(BETWEEN, WITHIN))
    sensitivity, specificity = 1 - spread.cdf(0.4 - SHIFT), spread.cdf(0.4)
    truth = c.predictive_values(sensitivity=sensitivity, specificity=specificity, prevalence=0.02)
    points = simulate_points(seed=0)
    assert 0.91 < coverage([point.sensitivity for point in points], sensitivity) < 0.98
    assert 0.91 < coverage([point.specificity for point in points], specificity) < 0.98
    assert coverage([point.ppv for point in points], truth.ppv) > 0.94  # conservative, as documented
    assert coverage([point.npv for point in points], truth.npv) > 0.94
    naive = [c.proportion_interval(s[:180] >= 0.4 - SHIFT, range(180)) for s in studies(0 * PATIENTS, 400, seed=0)]
    assert coverage(naive, sensitivity) < 0.8


def simulate_calibration(seed, n=300, n_patients=N_PATIENTS):
    """A model that knows half of what sets patients apart: its errors are shared by a patient's images."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), PER_PATIENT)
    clustered, naive = [], []
    for _ in range(n):
        known, unknown = rng.normal(0, 1, (2, n_patients))[:, patients]
        labels = rng.random(patients.size) < 1 / (1 + np.exp(-known - unknown))
        probability = 1 / (1 + np.exp(-2 * known))
        clustered.append(c.calibration_fit(labels, probability, patients=patients))
        naive.append(c.calibration_fit(labels, probability, patients=range(patients.size)))
    return clustered, naive


def test_intervals_of_the_calibration_fit_hold_the_truth():
    (truth,), _ = simulate_calibration(seed=99, n=1, n_patients=50_000)
    clustered, naive = simulate_calibration(seed=0)
    assert 0.90 < coverage([fit.slope for fit in clustered], truth.slope.estimate) < 0.985
    assert 0.90 < coverage([fit.intercept for fit in clustered], truth.intercept.estimate) < 0.985
    assert coverage([fit.intercept for fit in naive], truth.intercept.estimate) < 0.88

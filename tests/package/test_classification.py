"""Every number of `medcourse.evaluation` against an independent computation, properties, and bad input."""

from __future__ import annotations

import doctest
import importlib
import itertools
import math
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, confusion_matrix, precision_score, roc_auc_score

from medcourse.evaluation import calibration as calibration_module
from medcourse.evaluation import classification as c

MODULES = ("_checks", "_components", "calibration", "classification", "comparison", "decision", "operating", "roc")


# ---- Independent computations -----------------------------------------------------------------------------------


def kernel(positive: float, negative: float) -> float:
    return 1.0 if positive > negative else 0.5 if positive == negative else 0.0


def brute_components(labels, scores):
    positives = [s for s, y in zip(scores, labels, strict=True) if y]
    negatives = [s for s, y in zip(scores, labels, strict=True) if not y]
    v10 = [sum(kernel(p, n) for n in negatives) / len(negatives) for p in positives]
    v01 = [sum(kernel(p, n) for p in positives) / len(positives) for n in negatives]
    return np.array(v10), np.array(v01)


def brute_delong(labels, *many_scores):
    """AUCs and their covariance matrix as DeLong et al. wrote them: S10 / m + S01 / n."""
    v10, v01 = zip(*(brute_components(labels, scores) for scores in many_scores), strict=True)
    covariance = np.cov(v10) / len(v10[0]) + np.cov(v01) / len(v01[0])
    return np.mean(v10, axis=1), np.atleast_2d(covariance)


def brute_obuchowski(labels, scores, patients, other=None):
    """Variance of one AUC, or of the difference of two, patient by patient as Obuchowski 1997 has it."""
    v10, v01 = brute_components(labels, scores)
    if other is not None:
        w10, w01 = brute_components(labels, other)
        v10, v01 = v10 - w10, v01 - w01
    theta = v10.mean()
    of_positive = [p for p, y in zip(patients, labels, strict=True) if y]
    of_negative = [p for p, y in zip(patients, labels, strict=True) if not y]
    m, n = len(of_positive), len(of_negative)
    everyone = sorted(set(patients))
    s10 = s01 = s11 = 0.0
    for patient in everyone:
        mine_10 = [v for v, p in zip(v10, of_positive, strict=True) if p == patient]
        mine_01 = [v for v, p in zip(v01, of_negative, strict=True) if p == patient]
        s10 += (sum(mine_10) - len(mine_10) * theta) ** 2
        s01 += (sum(mine_01) - len(mine_01) * theta) ** 2
        s11 += (sum(mine_10) - len(mine_10) * theta) * (sum(mine_01) - len(mine_01) * theta)
    i10, i01, i = len(set(of_positive)), len(set(of_negative)), len(everyone)
    s10 *= i10 / ((i10 - 1) * m)
    s01 *= i01 / ((i01 - 1) * n)
    s11 *= i / (i - 1)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def clustered_data(seed=0, n_patients=25, size=4):
    """Patients with 1 to *size* images, scores with ties, and two models."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), rng.integers(1, size + 1, n_patients))
    labels = (rng.random(patients.size) < 0.4).astype(int)
    effect = rng.normal(size=n_patients)[patients]
    scores = np.round(labels + effect + rng.normal(size=patients.size), 1)
    other = np.round(0.5 * labels + effect + rng.normal(size=patients.size), 1)
    return labels, scores, other, patients


def probabilities(seed=0, n=400, per_patient=2, slope=1.0):
    """Labels drawn from a true probability, and a prediction whose logit is *slope* times too large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 1.5, n)
    labels = (rng.random(n) < 1 / (1 + np.exp(-logits))).astype(int)
    return labels, 1 / (1 + np.exp(-slope * logits)), np.arange(n) // per_patient


@st.composite
def small_studies(draw):
    """Labels, integer scores (so ties abound) and patients; each class in at least two patients, AUC not degenerate."""
    n_patients = draw(st.integers(4, 10))
    sizes = draw(st.lists(st.integers(1, 4), min_size=n_patients, max_size=n_patients))
    patients = np.repeat(np.arange(n_patients), sizes)
    n = patients.size
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    scores = np.array(draw(st.lists(st.integers(-8, 8), min_size=n, max_size=n)), dtype=float)
    for value in (0, 1):
        assume(np.unique(patients[labels == value]).size >= 2)
    assume(brute_obuchowski(labels, scores, patients) > 1e-6)
    return labels, scores, patients


# ---- AUC and its intervals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_that_of_scikit_learn_with_ties(seed):
    labels, scores, _, _ = clustered_data(seed)
    assert np.unique(scores).size < scores.size
    assert c.auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-14)


def test_auc_of_the_rating_data_of_hanley_and_mcneil():
    # 58 normal and 51 abnormal CT images rated 1 to 5 (doi:10.1148/radiology.143.1.7063747): AUC 0.893.
    scores = np.concatenate([np.repeat(range(1, 6), [33, 6, 6, 11, 2]), np.repeat(range(1, 6), [3, 2, 2, 11, 33])])
    assert c.auc([0] * 58 + [1] * 51, scores) == pytest.approx(0.8931711, abs=5e-8)


def test_delong_gives_the_published_limit_of_another_implementation():
    # The example of the package pauc: AUC 0.708, lower limit of the symmetric 95 % interval 0.378.
    labels = [0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1]
    scores = [0.1, 0.35, 0.24, 0.8, 0.2, 0.85, 0.13, 0.85, 0.74, 0.58, 0.71, 0.25]
    result = c.delong(labels, scores, patients=range(12))
    assert result.estimate == pytest.approx(0.708, abs=5e-4)
    assert result.estimate - 1.959964 * result.standard_error == pytest.approx(0.378, abs=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_delong_equals_brute_force(seed):
    labels, scores, other, _ = clustered_data(seed)
    aucs, covariance = brute_delong(labels, scores, other)
    result = c.delong(labels, scores, patients=range(labels.size), level=0.9)
    assert result.estimate == pytest.approx(aucs[0], abs=1e-14)
    assert result.standard_error == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-12)
    half = stats.norm.ppf(0.95) * result.standard_error / (aucs[0] * (1 - aucs[0]))
    limits = 1 / (1 + np.exp(-np.log(aucs[0] / (1 - aucs[0])) - np.array([-half, half])))
    assert (result.low, result.high) == pytest.approx(tuple(limits), rel=1e-12)

    test = c.delong_test(labels, scores, other, patients=range(labels.size))
    standard_error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert test.difference == pytest.approx(aucs[0] - aucs[1], abs=1e-14)
    assert test.standard_error == pytest.approx(standard_error, rel=1e-12)
    assert test.z == pytest.approx(test.difference / standard_error, rel=1e-12)
    assert test.p_value == pytest.approx(2 * stats.norm.sf(abs(test.z)), rel=1e-9)
    assert test.low == pytest.approx(test.difference - 1.959963984540054 * standard_error, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_clustered_variance_equals_brute_force(seed):
    labels, scores, other, patients = clustered_data(seed)
    result = c.auc_clustered(labels, scores, patients)
    assert result.standard_error**2 == pytest.approx(brute_obuchowski(labels, scores, patients), rel=1e-12)
    difference = c.auc_difference(labels, scores, other, patients)
    assert difference.standard_error**2 == pytest.approx(brute_obuchowski(labels, scores, patients, other), rel=1e-11)
    assert difference.auc_b == pytest.approx(roc_auc_score(labels, other), abs=1e-14)
    assert (result.n_patients, result.n_positive, result.n_negative) == (25, labels.sum(), (1 - labels).sum())


def test_clustered_equals_delong_with_one_image_per_patient():
    labels, scores, other, _ = clustered_data(7)
    patients = [f"p{i:03d}" for i in np.random.default_rng(0).permutation(labels.size)]
    assert c.auc_clustered(labels, scores, patients) == pytest.approx(c.delong(labels, scores, patients=patients))
    assert c.auc_difference(labels, scores, other, patients) == pytest.approx(
        c.delong_test(labels, scores, other, patients=patients)
    )


def test_jackknife_over_patients_agrees_with_the_clustered_variance():
    labels, scores, _, patients = clustered_data(1, n_patients=120)
    left_out = np.array([roc_auc_score(labels[patients != p], scores[patients != p]) for p in range(120)])
    jackknife = math.sqrt(119 / 120 * np.sum((left_out - left_out.mean()) ** 2))
    assert c.auc_clustered(labels, scores, patients).standard_error == pytest.approx(jackknife, rel=0.03)


def test_bootstrap_equals_one_written_as_a_loop():
    labels, scores, _, patients = clustered_data(2)
    result = c.auc_bootstrap(labels, scores, patients, n_resamples=300, seed=4)
    rng = np.random.default_rng(4)  # the same draws: how often each patient is taken
    expected = []
    for times in rng.multinomial(25, np.full(25, 1 / 25), size=300):
        rows = np.concatenate([np.flatnonzero(patients == p) for p in np.repeat(np.arange(25), times)])
        expected.append(roc_auc_score(labels[rows], scores[rows]))
    np.testing.assert_allclose(result.resamples, expected, atol=1e-12)
    assert result.n_redrawn == 0
    assert result.standard_error == pytest.approx(np.std(expected, ddof=1))
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(expected, [0.025, 0.975])))


def test_bootstrap_redraws_resamples_with_one_class():
    labels, scores, patients = [1, 1, 1, 0, 0, 0, 0, 0], [3, 1, 4, 1, 2, 0, 1, 3], list("aabbcdef")
    result = c.auc_bootstrap(labels, scores, patients, n_resamples=500)
    assert result.resamples.shape == (500,)
    assert np.isfinite(result.resamples).all()
    # Two of six patients hold the positives: (4/6)^6 = 9 % of resamples lack them, and few lack negatives.
    assert 25 < result.n_redrawn < 90


def test_bootstrap_agrees_with_the_clustered_standard_error():
    labels, scores, _, patients = clustered_data(3, n_patients=100)
    clustered = c.auc_clustered(labels, scores, patients)
    resampled = c.auc_bootstrap(labels, scores, patients)
    assert resampled.standard_error == pytest.approx(clustered.standard_error, rel=0.1)
    assert resampled.low == pytest.approx(clustered.low, abs=0.02)
    assert resampled.high == pytest.approx(clustered.high, abs=0.02)


def test_difference_agrees_with_a_paired_patient_bootstrap():
    labels, scores, other, patients = clustered_data(4, n_patients=100)
    result = c.auc_difference(labels, scores, other, patients)
    # The same seed draws the same patients for both models.
    a = c.auc_bootstrap(labels, scores, patients, seed=1).resamples
    b = c.auc_bootstrap(labels, other, patients, seed=1).resamples
    assert result.standard_error == pytest.approx((a - b).std(), rel=0.1)


def test_two_thousand_resamples_of_six_hundred_images_take_less_than_two_seconds():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(100), 6)
    labels = rng.integers(0, 2, 600)
    start = time.process_time()
    c.auc_bootstrap(labels, labels + rng.normal(size=600), patients)
    assert time.process_time() - start < 2  # 0.2 s on the machine where it was written


def test_large_studies_stay_within_memory():
    rng = np.random.default_rng(0)
    patients = np.arange(30_000) // 3
    labels = rng.integers(0, 2, 30_000)
    result = c.auc_bootstrap(labels, labels + rng.normal(size=30_000), patients, n_resamples=200)
    assert result.resamples.shape == (200,)  # drawn in two chunks
    assert result.standard_error == pytest.approx(0.0028, rel=0.25)


# ---- Properties -------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(small_studies())
def test_auc_ignores_monotone_transforms_and_mirrors_under_negation(study):
    labels, scores, patients = study
    plain = c.auc_clustered(labels, scores, patients)
    assert c.auc_clustered(labels, np.exp(scores / 3) + 5, patients) == plain
    assert c.auc(labels, -scores) == pytest.approx(1 - plain.estimate, abs=1e-12)
    mirrored = c.auc_clustered(labels, -scores, patients)
    assert mirrored.standard_error == pytest.approx(plain.standard_error, rel=1e-9)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - plain.high, 1 - plain.low), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(small_studies(), st.randoms(use_true_random=False))
def test_the_order_of_rows_is_no_matter(study, random):
    labels, scores, patients = study
    order = np.array(random.sample(range(labels.size), labels.size))
    shuffled = (labels[order], scores[order], patients[order])
    assert c.auc_clustered(*shuffled) == pytest.approx(c.auc_clustered(labels, scores, patients), rel=1e-9)
    try:
        expected = c.auc_bootstrap(labels, scores, patients, n_resamples=50)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)[:30]):
            c.auc_bootstrap(*shuffled, n_resamples=50)
    else:
        np.testing.assert_array_equal(c.auc_bootstrap(*shuffled, n_resamples=50).resamples, expected.resamples)
    kwargs = {"threshold": 0.5, "prevalence": 0.2}
    point = c.operating_point(labels, scores, patients=patients, **kwargs)
    again = c.operating_point(shuffled[0], shuffled[1], patients=shuffled[2], **kwargs)
    for one, other in zip(point, again, strict=True):
        assert other == pytest.approx(one, rel=1e-9, nan_ok=True)
    probability = 1 / (1 + np.exp(-scores / 4))
    pd.testing.assert_frame_equal(
        c.calibration_table(labels, probability, patients=patients, n_bins=3),
        c.calibration_table(shuffled[0], probability[order], patients=shuffled[2], n_bins=3),
    )
    for function in (c.brier_decomposition, c.expected_calibration_error):
        assert function(shuffled[0], probability[order]) == pytest.approx(function(labels, probability), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(small_studies(), st.floats(0.5, 0.999))
def test_intervals_contain_their_estimate_and_stay_in_range(study, level):
    labels, scores, patients = study
    for result in (
        c.auc_clustered(labels, scores, patients, level=level),
        c.proportion_interval(labels, patients, level=level),
    ):
        assert 0 <= result.low <= result.estimate <= result.high <= 1
    point = c.operating_point(labels, scores, patients=patients, threshold=0.5, prevalence=0.1, level=level)
    for name in ("sensitivity", "specificity", "ppv", "npv"):
        value = getattr(point, name)
        assert 0 <= value.low <= value.high <= 1
        assert math.isnan(value.estimate) or value.low <= value.estimate <= value.high


@settings(max_examples=60, deadline=None)
@given(small_studies(), st.integers(2, 5))
def test_repeating_a_patients_rows_adds_no_certainty(study, times):
    labels, scores, patients = study
    once = c.auc_clustered(labels, scores, patients)
    rows = np.repeat(np.arange(labels.size), times)
    repeated = (labels[rows], scores[rows])
    assert c.auc_clustered(*repeated, patients[rows]) == pytest.approx(
        once._replace(n_positive=once.n_positive * times, n_negative=once.n_negative * times), rel=1e-9
    )
    # As if the copies were new patients, the variance would fall to about one part in *times*.
    image = np.arange(labels.size)
    naive = brute_obuchowski(labels, scores, image)
    assume(naive > 1e-6)
    pretended = c.delong(*repeated, patients=range(rows.size)).standard_error ** 2
    assert pretended <= naive / times * (1 + 1e-9)
    if np.unique(patients).size == labels.size:
        assert c.auc_clustered(*repeated, patients[rows]).standard_error ** 2 > 1.5 * pretended


# ---- Operating point --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "n"), [(0, 9), (1, 9), (5, 9), (9, 9), (180, 200)])
def test_proportion_interval_is_wilsons_for_independent_patients(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    result = c.proportion_interval([1] * hits + [0] * (n - hits), range(n))
    assert result == pytest.approx((hits / n, expected.low, expected.high), abs=1e-12)


def test_proportion_interval_sees_through_copies_and_never_trusts_unanimity():
    successes = np.array([1, 1, 0, 1, 0, 1, 1])
    once = c.proportion_interval(successes, range(7))
    copied = c.proportion_interval(np.tile(successes, 10), np.tile(np.arange(7), 10))
    # Ten copies of every image: the limits move only by the factor (n − 1)/n of the binomial variance.
    assert copied == pytest.approx(once, abs=0.03)
    unanimous = c.proportion_interval(np.ones(40), np.arange(40) // 10)  # 40 images of 4 patients
    assert unanimous.high == 1
    assert unanimous.low == pytest.approx(stats.binomtest(4, 4).proportion_ci(0.95, method="wilson").low)


def test_operating_point_counts_as_scikit_learn_and_reweights_to_the_prevalence():
    labels, scores, _, patients = clustered_data(5, n_patients=60)
    point = c.operating_point(labels, scores, patients=patients, prevalence=0.02, threshold=0.6)
    called = scores >= 0.6
    tn, fp, fn, tp = confusion_matrix(labels, called).ravel()
    assert (point.true_negatives, point.false_positives) == (tn, fp)
    assert (point.false_negatives, point.true_positives) == (fn, tp)
    assert point.sensitivity.estimate == tp / (tp + fn)
    assert point.specificity.estimate == tn / (tn + fp)
    # An independent route to the predictive values: weight the images so that 2 % of the weight is diseased.
    weight = np.where(labels == 1, 0.02 / labels.sum(), 0.98 / (1 - labels).sum())
    assert point.ppv.estimate == pytest.approx(precision_score(labels, called, sample_weight=weight))
    assert point.npv.estimate == pytest.approx(precision_score(labels, called, sample_weight=weight, pos_label=0))
    assert point.sensitivity == c.proportion_interval(called[labels == 1], patients[labels == 1])
    assert point.level == 0.95


@pytest.mark.parametrize("target", [0.01, 0.5, 0.8, 0.9, 1.0])
def test_the_threshold_for_a_sensitivity_is_the_highest_that_reaches_it(target):
    labels, scores, _, patients = clustered_data(6, n_patients=60)
    point = c.operating_point(labels, scores, patients=patients, prevalence=0.1, sensitivity=target)
    assert point.sensitivity.estimate >= target
    higher = np.unique(scores[(labels == 1) & (scores > point.threshold)])
    assert all(np.mean(scores[labels == 1] >= t) < target for t in higher)


def test_threshold_for_nine_in_ten_is_not_spoilt_by_rounding():
    labels, scores = [1] * 10 + [0] * 2, [*range(1, 11), 0, 0]
    for tenths in range(1, 11):
        target = sum([0.1] * tenths)  # 0.30000000000000004 and the like
        point = c.operating_point(labels, scores, patients=range(12), prevalence=0.1, sensitivity=min(target, 1.0))
        assert point.sensitivity.estimate == tenths / 10


def test_predictive_values_in_screening():
    values = c.predictive_values(sensitivity=0.9, specificity=0.9, prevalence=0.006)
    # 100,000 people: 600 diseased, 540 found; 99,400 healthy, 9,940 called in error.
    assert values.ppv == pytest.approx(540 / (540 + 9940))
    assert values.npv == pytest.approx(89460 / (89460 + 60))
    never = c.predictive_values(sensitivity=0, specificity=1, prevalence=0.1)
    assert math.isnan(never.ppv)
    assert never.npv == pytest.approx(0.9)


# ---- Calibration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("rounding", [1, 6])
def test_calibration_table_is_that_of_scikit_learn(strategy, rounding):
    labels, probability, patients = probabilities(1)
    probability = np.round(probability, rounding)  # one digit: ties on the edges of the bins
    table = c.calibration_table(labels, probability, patients=patients, n_bins=8, strategy=strategy)
    observed, predicted = calibration_curve(labels, probability, n_bins=8, strategy=strategy)
    np.testing.assert_allclose(table["observed"], observed, atol=1e-12)
    np.testing.assert_allclose(table["mean_probability"], predicted, atol=1e-12)
    assert table["n_images"].sum() == labels.size
    assert (table["lower"] <= table["mean_probability"] + 1e-12).all()
    assert (table["mean_probability"] <= table["upper"] + 1e-12).all()
    assert (table["n_patients"] <= table["n_images"]).all()


def test_calibration_table_has_the_clustered_intervals_and_leaves_empty_bins_out():
    labels, probability, patients = probabilities(2, per_patient=5)
    probability = np.where(probability > 0.5, 0.95, 0.05)
    table = c.calibration_table(labels, probability, patients=patients, n_bins=10, strategy="uniform")
    assert table["upper"].round(6).tolist() == [0.1, 1.0]
    low = probability < 0.5
    expected = c.proportion_interval(labels[low], patients[low])
    assert table.loc[0, ["observed", "low", "high"]].tolist() == pytest.approx(list(expected))


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("n_bins", [1, 8, 50])
def test_brier_score_and_its_decomposition(strategy, n_bins):
    labels, probability, _ = probabilities(3, slope=2)
    parts = c.brier_decomposition(labels, probability, n_bins=n_bins, strategy=strategy)
    assert c.brier_score(labels, probability) == pytest.approx(brier_score_loss(labels, probability), abs=1e-14)
    assert parts.score == c.brier_score(labels, probability)
    whole = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
    assert whole == pytest.approx(parts.score, abs=1e-14)
    assert parts.uncertainty == pytest.approx(np.var(labels))
    # Reliability and resolution by pandas, from the definition.
    edges = np.linspace(0, 1, n_bins + 1) if strategy == "uniform" else None
    frame = pd.DataFrame({"y": labels, "p": probability})
    bins = pd.cut(frame["p"], edges) if edges is not None else pd.qcut(frame["p"], n_bins)
    grouped = frame.groupby(bins, observed=True)
    share = grouped.size() / labels.size
    assert parts.reliability == pytest.approx((share * (grouped["p"].mean() - grouped["y"].mean()) ** 2).sum())
    assert parts.resolution == pytest.approx((share * (grouped["y"].mean() - labels.mean()) ** 2).sum(), abs=1e-14)
    error = c.expected_calibration_error(labels, probability, n_bins=n_bins, strategy=strategy)
    assert error == pytest.approx((share * (grouped["p"].mean() - grouped["y"].mean()).abs()).sum())


def test_within_bins_vanishes_where_each_bin_holds_one_probability():
    labels, probability, _ = probabilities(4)
    parts = c.brier_decomposition(labels, np.round(probability, 1), n_bins=1000, strategy="uniform")
    assert parts.within_bins == pytest.approx(0, abs=1e-15)


def test_expected_calibration_error_of_a_perfect_model_is_not_zero():
    errors = []
    for n in (100, 1600):
        draws = [probabilities(seed, n=n)[:2] for seed in range(40)]
        errors.append(np.mean([c.expected_calibration_error(labels, probability) for labels, probability in draws]))
    assert errors[0] > 0.07  # the predictions are the true probabilities
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.15)  # chance: falls with the root of the images per bin


def test_calibration_fit_equals_scikit_learn_and_root_finding():
    labels, probability, patients = probabilities(5, slope=1.7)
    logits = np.log(probability / (1 - probability))
    fit = c.calibration_fit(labels, probability, patients=patients)
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(logits[:, None], labels)
    assert fit.slope.estimate == pytest.approx(model.coef_[0, 0], rel=1e-5)
    root = optimize.brentq(lambda a: np.sum(labels - 1 / (1 + np.exp(-a - logits))), -10, 10, xtol=1e-12)
    assert fit.intercept.estimate == pytest.approx(root, abs=1e-9)
    assert fit.slope.high < 1  # twice too extreme: seen


def test_calibration_fit_has_the_sandwich_errors_of_numerical_derivatives():
    labels, probability, patients = probabilities(6, n=120, per_patient=3, slope=0.6)
    logits = np.log(probability / (1 - probability))

    def negative_log_likelihood(coefficients, rows):
        linear = coefficients[0] + coefficients[1] * logits[rows]
        return -np.sum(labels[rows] * linear - np.logaddexp(0, linear))

    everyone = np.arange(labels.size)
    best = optimize.minimize(negative_log_likelihood, [0.0, 1.0], args=(everyone,), tol=1e-12).x

    def gradient(at, rows):
        return optimize.approx_fprime(at, negative_log_likelihood, 1e-6, rows)

    hessian = np.array(
        [(gradient(best + step, everyone) - gradient(best - step, everyone)) / 2e-3 for step in 1e-3 * np.eye(2)]
    )
    per_patient = np.array([gradient(best, everyone[patients == p]) for p in range(40)])
    inverse = np.linalg.inv(hessian)
    covariance = inverse @ (per_patient.T @ per_patient) @ inverse * 40 / 39
    fit = c.calibration_fit(labels, probability, patients=patients, level=0.9)
    half = stats.norm.ppf(0.95) * math.sqrt(covariance[1, 1])
    assert fit.slope.high - fit.slope.estimate == pytest.approx(half, rel=1e-3)
    assert fit.slope.estimate - fit.slope.low == pytest.approx(half, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.2, 5), st.floats(-3, 3))
def test_calibration_fit_undoes_a_recalibration(slope, shift):
    labels, probability, patients = probabilities(7, n=200)
    before = c.calibration_fit(labels, probability, patients=patients)
    logits = np.log(probability / (1 - probability))
    after = c.calibration_fit(labels, 1 / (1 + np.exp(-(slope * logits + shift))), patients=patients)
    assert after.slope.estimate * slope == pytest.approx(before.slope.estimate, rel=1e-5)
    moved = c.calibration_fit(labels, 1 / (1 + np.exp(-(logits + shift))), patients=patients)
    assert moved.intercept.estimate + shift == pytest.approx(before.intercept.estimate, abs=1e-6)


def test_calibration_fit_holds_for_tiny_and_huge_spreads():
    labels, probability, patients = probabilities(8, n=200)
    logits = np.log(probability / (1 - probability))
    slope = c.calibration_fit(labels, probability, patients=patients).slope.estimate
    for factor in (1e-6, 8.0):
        scaled = 1 / (1 + np.exp(-factor * logits))
        assert c.calibration_fit(labels, scaled, patients=patients).slope.estimate * factor == pytest.approx(
            slope, rel=1e-4
        )


def test_calibration_fit_that_does_not_converge_says_so(monkeypatch):
    labels, probability, patients = probabilities(9)
    monkeypatch.setattr(calibration_module, "_MAX_ITERATIONS", 1)
    with pytest.raises(ValueError, match=r"^probability: the calibration fit did not converge.*use calibration_table"):
        c.calibration_fit(labels, probability, patients=patients)


# ---- Bad input: one line with the cause and the remedy ----------------------------------------------------------

LABELS, SCORES, PATIENTS = [0, 1, 0, 1], [0.1, 0.6, 0.7, 0.9], ["a", "a", "b", "b"]

WITH_SCORES = {
    "auc": lambda y, s, p: c.auc(y, s),
    "auc_bootstrap": lambda y, s, p: c.auc_bootstrap(y, s, p, n_resamples=20),
    "auc_clustered": c.auc_clustered,
    "delong": lambda y, s, p: c.delong(y, s, patients=p),
    "delong_test": lambda y, s, p: c.delong_test(y, s, s, patients=p),
    "auc_difference": lambda y, s, p: c.auc_difference(y, s, s, p),
    "operating_point": lambda y, s, p: c.operating_point(y, s, patients=p, prevalence=0.1, threshold=0.5),
    "calibration_table": lambda y, s, p: c.calibration_table(y, s, patients=p),
    "calibration_fit": lambda y, s, p: c.calibration_fit(y, s, patients=p),
    "brier_score": lambda y, s, p: c.brier_score(y, s),
    "brier_decomposition": lambda y, s, p: c.brier_decomposition(y, s),
    "expected_calibration_error": lambda y, s, p: c.expected_calibration_error(y, s),
}
WITH_PATIENTS = [name for name in WITH_SCORES if not name.startswith(("brier", "expected")) and name != "auc"]
WITH_PROBABILITY = [
    "calibration_table",
    "calibration_fit",
    "brier_score",
    "brier_decomposition",
    "expected_calibration_error",
]

BAD_PAIRS = [
    ([1, 1, 1, 1], SCORES, r"labels holds one class only \(all 1\): evaluate on"),
    ([0, 0, 0, 0], SCORES, r"labels holds one class only \(all 0\): evaluate on"),
    ([0, 1, 2, 1], SCORES, r"labels must be 0 .* found 2: recode"),
    ([0.2, 1, 0, 1], SCORES, r"labels must be 0 .* found 0.2: recode"),
    (["no", "yes", "no", "yes"], SCORES, r"labels must be numbers.*: convert"),
    ([0, np.nan, 0, 1], SCORES, r"labels has 1 value\(s\) that are NaN.*row 1: "),
    ([], [], r"labels is empty: pass"),
    (
        LABELS,
        [0.1, np.nan, 0.2, np.nan],
        r"(scores|scores_a|probability) has 2 value\(s\) that are NaN.*row 1: find out",
    ),
    (
        LABELS,
        [0.1, np.inf, 0.2, 0.3],
        r"(scores|scores_a|probability) has 1 value\(s\) that are NaN or infinite.*row 1",
    ),
    (LABELS, SCORES[:3], r"(scores|scores_a|probability) has 3 entries but labels has 4: pass one"),
    (LABELS, [[s] for s in SCORES], r"must have shape \(n,\), one value per image, not \(4, 1\): pick one column"),
    (LABELS, [], r"(scores|scores_a|probability) is empty"),
    (LABELS, ["a", "b", "c", "d"], r"must be numbers.*: convert"),
]


def assert_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert ": " in str(caught.value)  # cause: remedy
    assert len(str(caught.value)) < 260


@pytest.mark.parametrize(("labels", "scores", "message"), BAD_PAIRS)
@pytest.mark.parametrize("name", WITH_SCORES)
def test_bad_labels_and_scores_are_named(name, labels, scores, message):
    patients = [f"p{i}" for i in range(len(labels))]
    assert_one_line(lambda: WITH_SCORES[name](labels, scores, patients), message)


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (["a"] * 4, r"patients names a single patient \(a\): one patient gives no idea"),
        (["a", "b"], r"patients has shape \(2,\) but labels has 4 entries: pass one"),
        ([["a"], ["b"], ["c"], ["d"]], r"patients has shape \(4, 1\)"),
        (["a", None, "b", "c"], r"patients has 1 missing identifier\(s\), the first in row 1: without"),
        ([1.0, 2.0, np.nan, 4.0], r"patients has 1 missing identifier\(s\), the first in row 2"),
    ],
)
@pytest.mark.parametrize("name", WITH_PATIENTS)
def test_bad_patients_are_named(name, patients, message):
    assert_one_line(lambda: WITH_SCORES[name](LABELS, SCORES, patients), message)


@pytest.mark.parametrize("value", [-0.1, 1.2])
@pytest.mark.parametrize("name", WITH_PROBABILITY)
def test_probabilities_outside_the_unit_interval_are_refused(name, value):
    assert_one_line(
        lambda: WITH_SCORES[name](LABELS, [0.1, value, 0.3, 0.4], range(4)),
        rf"probability must lie in \[0, 1\], found {value}: pass the output after the sigmoid",
    )


def test_second_models_scores_are_checked_by_name():
    for compare in (c.auc_difference, lambda y, a, b, p: c.delong_test(y, a, b, patients=p)):
        assert_one_line(
            lambda compare=compare: compare(LABELS, SCORES, SCORES[:2], range(4)), r"scores_b has 2 entries"
        )


def test_delong_refuses_repeated_patients_and_names_the_remedy():
    assert_one_line(
        lambda: c.delong(LABELS, SCORES, patients=PATIENTS),
        r"4 images come from 2 patients, but delong takes .*: use auc_clustered or auc_bootstrap",
    )
    assert_one_line(
        lambda: c.delong_test(LABELS, SCORES, SCORES, patients=PATIENTS),
        r"but delong_test takes .*: use auc_difference",
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: c.auc_clustered([1, 1, 0, 0], SCORES, ["a", "a", "b", "c"]), "all positive images come from a single"),
        (lambda: c.auc_clustered([1, 1, 0, 0], SCORES, ["a", "b", "c", "c"]), "all negative images come from a single"),
        (
            lambda: c.auc_clustered([0, 0, 1, 1], SCORES, PATIENTS[::2] * 2),
            "AUC is 1 and its variance estimate 0.*: the",
        ),
        (lambda: c.auc_clustered(LABELS, [1, 1, 1, 1], PATIENTS), "AUC is 0.5 and its variance estimate 0"),
        (lambda: c.auc_bootstrap([0, 0, 1, 1], SCORES, PATIENTS[::2] * 2), "AUC is 1 and its variance estimate 0"),
        (
            lambda: c.auc_difference([0, 0, 1, 1], SCORES, [1] * 4, range(4)),
            r"differ by 0.5 and the variance estimate is 0",
        ),
        (lambda: c.auc_bootstrap(LABELS, SCORES, PATIENTS, n_resamples=1), "n_resamples must be at least 2, got 1: "),
        (lambda: c.auc_bootstrap([0, 1], [0, 1], "ab", n_resamples=9), r"patients has shape \(\)"),
        (lambda: c.auc_bootstrap([0, 1], [0, 1], ["a", "b"]), "resamples held one class only.*: test on more"),
        (lambda: c.auc_bootstrap(LABELS, SCORES, PATIENTS, level=95), r"level must lie strictly .* got 95: give"),
        (lambda: c.auc_clustered(LABELS, SCORES, PATIENTS, level=1), r"level must lie strictly .* got 1: give"),
        (lambda: c.proportion_interval([0, 2], ["a", "b"]), "successes must be 0 or 1, one per image: compare"),
        (lambda: c.proportion_interval([], []), "successes is empty"),
        (
            lambda: c.predictive_values(sensitivity=90, specificity=0.9, prevalence=0.1),
            "sensitivity must lie in .* 90: ",
        ),
        (
            lambda: c.predictive_values(sensitivity=0.9, specificity=-1, prevalence=0.1),
            "specificity must lie in .*-1: ",
        ),
        (
            lambda: c.predictive_values(sensitivity=0.9, specificity=0.9, prevalence=0),
            "prevalence must lie .* 0: state",
        ),
        (lambda: point(), "threshold=None, sensitivity=None: give exactly one"),
        (lambda: point(threshold=0.5, sensitivity=0.9), "threshold=0.5, sensitivity=0.9: give exactly one"),
        (lambda: point(threshold=math.nan), "threshold must be a finite number, got nan: choose"),
        (lambda: point(sensitivity=0.0), r"sensitivity must lie in \(0, 1\], got 0.0: give"),
        (lambda: point(sensitivity=90), r"sensitivity must lie in \(0, 1\], got 90: give"),
        (lambda: point(threshold=0.5, prevalence=1.0), "prevalence must lie strictly .* 1.0: state"),
        (
            lambda: c.calibration_table(LABELS, SCORES, patients=PATIENTS, n_bins=0),
            "n_bins must be at least 1, got 0: ",
        ),
        (
            lambda: c.calibration_table(LABELS, SCORES, patients=PATIENTS, strategy="x"),
            "strategy must be .* 'x': choose",
        ),
        (
            lambda: c.calibration_fit(LABELS, [0.2, 1, 0.3, 1], patients=PATIENTS),
            r"exactly 1 in 2 row\(s\).*: a certain",
        ),
        (lambda: c.calibration_fit(LABELS, [0, 0.1, 0.3, 0.2], patients=PATIENTS), r"exactly 0 in 1 row\(s\)"),
        (lambda: c.calibration_fit(LABELS, [0.3] * 4, patients=PATIENTS), "same for every image.*: compare"),
        (lambda: c.calibration_fit([0, 0, 1, 1], SCORES, patients=PATIENTS), "separates the classes perfectly.*: use"),
        (lambda: c.calibration_fit([1, 1, 0, 0], SCORES, patients=PATIENTS), "separates the classes perfectly"),
    ],
)
def test_other_bad_input_is_named(call, message):
    assert_one_line(call, message)


def point(prevalence=0.1, **kwargs):
    return c.operating_point(LABELS, SCORES, patients=PATIENTS, prevalence=prevalence, **kwargs)


def test_identical_models_do_not_differ():
    labels, scores, _, patients = clustered_data(8)
    result = c.auc_difference(labels, scores, scores * 2 + 1, patients)
    assert (result.difference, result.low, result.high, result.z, result.p_value) == (0, 0, 0, 0, 1)


def test_pandas_columns_text_and_mixed_identifiers_are_welcome():
    labels, scores, _, patients = clustered_data(9)
    plain = c.auc_clustered(labels, scores, patients)
    frame = pd.DataFrame({"y": labels == 1, "s": scores, "p": [f"case-{p:02d}" for p in patients]}).sample(frac=1)
    assert c.auc_clustered(frame["y"], frame["s"], frame["p"]) == pytest.approx(plain)
    assert c.auc_clustered(frame["y"], frame["s"], frame["p"].astype("category")) == pytest.approx(plain)
    mixed = np.array([p if p % 2 else f"x{p}" for p in patients.tolist()], dtype=object)
    assert c.auc_clustered(labels, scores, mixed) == pytest.approx(plain)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    results = doctest.testmod(importlib.import_module(f"medcourse.evaluation.{name}"))
    assert results.failed == 0
    assert results.attempted > 0 or name in ("_checks", "_components", "classification")


def test_every_public_function_says_where_it_is_taught_and_whence_it_comes():
    functions = [getattr(c, name) for name in c.__all__ if name[0].islower()]
    assert len(functions) == 16
    for function, phrase in itertools.product(functions, ("Taught in: 2.7", "Raises", "Examples", "Parameters")):
        assert phrase in function.__doc__, (function.__name__, phrase)
    sources = [f for f in functions if "doi:10." in f.__doc__ or "arXiv:" in f.__doc__]
    assert {f.__name__ for f in functions} - {f.__name__ for f in sources} == {"operating_point"}


def test_importing_the_evaluation_is_light():
    code = (
        "import sys, medcourse.evaluation.classification;"
        "print([name for name in ('tensorflow', 'keras', 'matplotlib', 'sklearn', 'scipy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

"""Net benefit against its definition patient by patient, at other prevalences, in resamples, and on bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from medcourse.evaluation import classification as c

LABELS = np.array([0, 0, 0, 1, 0, 1, 1, 0, 1, 0])
PROBABILITY = np.array([0.1, 0.4, 0.05, 0.9, 0.6, 0.3, 0.8, 0.2, 0.6, 0.35])
PATIENTS = np.array([0, 0, 1, 1, 2, 3, 4, 4, 5, 6])


def population(*, n: int, prevalence: float, seed: int = 0, shift: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Truth and a marker: healthy about 0, diseased about `shift`, both with standard deviation 1."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < prevalence
    return truth, rng.normal(shift * truth)


def posterior(marker: np.ndarray, prevalence: float, shift: float = 1.5) -> np.ndarray:
    """Probability of disease from Bayes and the two normal densities."""
    return 1 / (1 + (1 - prevalence) / prevalence * np.exp(shift**2 / 2 - shift * marker))


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.35, 0.5, 0.8])
def test_at_the_prevalence_of_the_test_set_it_is_the_textbook_count(threshold: float) -> None:
    """Vickers and Elkin: hits per person less false alarms per person times the odds."""
    curve = c.decision_curve(LABELS, PROBABILITY, PATIENTS, thresholds=[threshold], prevalence=float(LABELS.mean()))
    hits = sum(y and p >= threshold for y, p in zip(LABELS, PROBABILITY, strict=True))
    alarms = sum(not y and p >= threshold for y, p in zip(LABELS, PROBABILITY, strict=True))
    assert curve.benefit[0] == pytest.approx(hits / 10 - alarms / 10 * threshold / (1 - threshold))
    everybody = c.decision_curve(LABELS, np.ones(10), PATIENTS, thresholds=[threshold], prevalence=0.3)
    assert everybody.benefit == pytest.approx(everybody.treat_all)
    nobody = c.decision_curve(LABELS, np.zeros(10), PATIENTS, thresholds=[threshold], prevalence=0.3)
    assert nobody.benefit[0] == nobody.low[0] == nobody.high[0] == 0


def test_reweighted_it_is_what_a_population_of_that_prevalence_shows() -> None:
    """A balanced test set, re-weighted to 5 %, agrees with a real population of 5 %."""
    thresholds = np.array([0.02, 0.05, 0.1, 0.3])
    truth, marker = population(n=40_000, prevalence=0.5)
    here = c.decision_curve(
        truth, posterior(marker, 0.05), range(40_000), thresholds=thresholds, prevalence=0.05, n_resamples=200
    )
    there_truth, there = population(n=400_000, prevalence=0.05, seed=1)
    called = posterior(there, 0.05)[:, None] >= thresholds
    hits, alarms = (called & there_truth[:, None]).mean(0), (called & ~there_truth[:, None]).mean(0)
    assert here.benefit == pytest.approx(hits - alarms * thresholds / (1 - thresholds), abs=6e-4)
    assert (here.low < here.benefit).all()
    assert (here.benefit < here.high).all()


def test_a_calibrated_model_is_never_worse_than_all_or_nobody_and_a_miscalibrated_one_is() -> None:
    thresholds = np.linspace(0.05, 0.95, 19)
    truth, marker = population(n=100_000, prevalence=0.3, seed=2)

    def curve(probability: np.ndarray) -> c.DecisionCurve:
        return c.decision_curve(
            truth, probability, range(truth.size), thresholds=thresholds, prevalence=0.3, n_resamples=2
        )

    right = curve(posterior(marker, 0.3))
    assert (right.benefit >= np.maximum(right.treat_all, 0) - 0.002).all()
    sure = curve(posterior(marker, 0.9))
    assert (sure.benefit <= right.benefit + 0.002).all()
    assert sure.benefit.min() < -0.1, "far too sure: acting on it harms"


def test_resamples_are_paired_and_speak_of_patients() -> None:
    truth, marker = population(n=300, prevalence=0.4, seed=3)
    options = {"thresholds": [0.2, 0.4], "prevalence": 0.1, "n_resamples": 500}
    single = c.decision_curve(truth, posterior(marker, 0.4), range(300), **options)
    again = c.decision_curve(truth, posterior(marker, 0.4), range(300), **options)
    assert np.array_equal(single.resamples, again.resamples)
    copies = c.decision_curve(
        np.tile(truth, 4), np.tile(posterior(marker, 0.4), 4), np.tile(np.arange(300), 4), **options
    )
    assert copies.benefit == pytest.approx(single.benefit)
    assert copies.resamples == pytest.approx(single.resamples), "four copies of an image tell no more than one"
    names = c.decision_curve(truth, posterior(marker, 0.4), [f"p{k:03d}" for k in range(300)], **options)
    assert np.array_equal(names.resamples, single.resamples)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """200 studies of 120 patients with two images each."""
    truth, marker = population(n=400_000, prevalence=0.4, seed=4)
    true = c.decision_curve(
        truth, posterior(marker, 0.4), range(truth.size), thresholds=[0.3], prevalence=0.1, n_resamples=2
    ).benefit[0]
    held = 0
    for seed in range(200):
        truth, marker = population(n=120, prevalence=0.4, seed=100 + seed)
        both = np.tile(marker, 2)
        curve = c.decision_curve(
            np.tile(truth, 2),
            posterior(both, 0.4),
            np.tile(np.arange(120), 2),
            thresholds=[0.3],
            prevalence=0.1,
            n_resamples=400,
        )
        held += bool(curve.low[0] <= true <= curve.high[0])
    assert 180 <= held <= 199


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_shift_and_back_is_nothing_and_keeps_the_order(values: list[float], here: float, there: float) -> None:
    shifted = c.shift_prevalence(values, trained_at=here, prevalence=there)
    assert ((shifted >= 0) & (shifted <= 1)).all()
    assert (np.diff(shifted[np.argsort(values)]) >= 0).all()
    assert c.shift_prevalence(shifted, trained_at=there, prevalence=here) == pytest.approx(values, abs=1e-9)


def test_shift_is_what_a_model_trained_there_says() -> None:
    truth, marker = population(n=200_000, prevalence=0.5, seed=5)
    model = LogisticRegression(C=1e6).fit(marker[:, None], truth)
    grid = np.linspace(-2, 4, 7)
    shifted = c.shift_prevalence(model.predict_proba(grid[:, None])[:, 1], trained_at=0.5, prevalence=0.02)
    assert shifted == pytest.approx(posterior(grid, 0.02), rel=0.06)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"thresholds": [0.0, 0.5]}, "thresholds must lie strictly between 0 and 1, found 0"),
        ({"thresholds": []}, "thresholds is empty"),
        ({"prevalence": 1.0}, "prevalence must lie strictly between 0 and 1"),
        ({"level": 95}, "level must lie strictly between 0 and 1"),
        ({"n_resamples": 1}, "n_resamples must be at least 2"),
        ({"probability": PROBABILITY * 3}, "probability must lie in"),
        ({"labels": np.zeros(10)}, "one class only"),
        ({"patients": np.zeros(10)}, "a single patient"),
        ({"patients": np.arange(3)}, "patients has shape"),
    ],
)
def test_bad_input_is_one_line(changed: dict[str, object], said: str) -> None:
    arguments = {"labels": LABELS, "probability": PROBABILITY, "patients": PATIENTS} | {
        "thresholds": [0.2],
        "prevalence": 0.1,
    }
    with pytest.raises(ValueError, match=said) as caught:
        c.decision_curve(**(arguments | changed))
    assert "\n" not in str(caught.value)


def test_too_few_patients_of_one_class_are_refused() -> None:
    labels = np.r_[1, np.zeros(9)]
    patients = np.r_[0, np.ones(9)]
    for seed in range(5):
        curve = c.decision_curve(labels, PROBABILITY, np.arange(10), thresholds=[0.2], prevalence=0.1, seed=seed)
        assert curve.resamples.shape == (2000, 1)
        assert curve.n_redrawn > 100
        assert np.isfinite(curve.resamples).all()
    with pytest.raises(ValueError, match="test on more such patients"):
        c.decision_curve(labels, PROBABILITY, patients, thresholds=[0.2], prevalence=0.1, n_resamples=7, seed=11)


@pytest.mark.parametrize("wrong", [{"trained_at": 0.0}, {"prevalence": 1.0}])
def test_shift_refuses_what_is_no_prevalence(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must lie strictly between 0 and 1"):
        c.shift_prevalence([0.5], **({"trained_at": 0.5, "prevalence": 0.1} | wrong))

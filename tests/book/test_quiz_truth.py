"""The answers of the quizzes are true: each is computed by doing what its question asks."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
from scipy.stats import entropy
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC
from statsmodels.duration.survfunc import SurvfuncRight

from medcourse.data import dicom
from tools.page import ROOT

BY_NAME: dict[str, dict[str, Any]] = {
    question["name"]: question
    for path in sorted((ROOT / "book").glob("*/quiz.json"))
    for question in json.loads(path.read_text("utf-8"))
}


def said(name: str, number: float) -> dict[str, Any]:
    """What jupyterquiz finds for a typed number: the first range that holds it, else the default."""
    for answer in BY_NAME[name]["answers"]:
        if "range" in answer and answer["range"][0] <= number < answer["range"][1]:
            return answer
    return next(answer for answer in BY_NAME[name]["answers"] if answer["type"] == "default")


def true_ones(name: str) -> list[str]:
    return [answer["answer"] for answer in BY_NAME[name]["answers"] if answer["correct"]]


# Chapter 3


def test_opencv_question_by_opencv_itself() -> None:
    image = np.repeat(np.array([0, 1, 2], np.uint8), [4, 8, 4]).reshape(4, 4)
    level = int(cv2.equalizeHist(image)[image == 1][0])
    assert said("opencv", level)["correct"] is True
    plain = 255 * np.mean(image <= 1)
    assert "plain formula" in said("opencv", round(plain))["feedback"]
    assert "cumulative" in said("opencv", round(255 * np.mean(image == 1)))["feedback"]


def test_window_question_by_dicom_formula() -> None:
    hu = np.arange(-1000, 1000)
    grey = dicom.window(hu, centre=40, width=400)
    assert said("window", int(hu[grey == 0].max()))["correct"] is True
    assert said("window", -160)["correct"] is True
    assert "whole width" in said("window", 40 - 400)["feedback"]
    assert "white" in said("window", int(hu[grey == 255].min()) + 1)["feedback"]
    assert "lower end" in said("window", -77)["feedback"]


def test_area_question_by_multiplication() -> None:
    assert said("area", 300 * 0.7 * 0.9)["correct"] is True
    for wrong, word in {300: "count", 300 * 0.49: "row spacing", 300 * 0.81: "column", 300 * 0.64: "mean"}.items():
        assert said("area", wrong)["correct"] is False
        assert word in said("area", wrong)["feedback"]


def test_air_question_by_padding() -> None:
    image = np.random.default_rng(0).integers(0, 200, (40, 40)).astype(np.uint8)
    muscle = 120
    ranks = [np.mean(np.pad(image, air) <= muscle) for air in (0, 5, 20)]
    assert ranks[0] < ranks[1] < ranks[2]
    assert true_ones("air") == ["It becomes brighter"]


def test_monotone_questions_by_a_strictly_rising_map() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 500)
    grey = rng.normal(100, 10, 1000) + 8 * truth

    def contrast_and_cnr(values: np.ndarray) -> tuple[float, float]:
        difference = values[truth == 1].mean() - values[truth == 0].mean()
        return difference, difference / values[truth == 0].std()

    mapped = np.exp(grey / 30)
    assert roc_auc_score(truth, mapped) == roc_auc_score(truth, grey)
    assert all(abs(a / b - 1) > 0.01 for a, b in zip(contrast_and_cnr(mapped), contrast_and_cnr(grey), strict=True))
    assert np.array_equal(mapped > np.exp(105 / 30), grey > 105)
    assert true_ones("auc") == ["It stays the same"]
    assert len(true_ones("monotone")) == 3
    assert not any("threshold" in answer or "brighter" in answer for answer in true_ones("monotone"))


def test_specification_question_by_doing_it() -> None:
    rng = np.random.default_rng(0)
    image, reference = np.sort(rng.normal(50, 5, 4000)), np.sort(rng.gamma(3, 20, 4000))
    rank = np.searchsorted(image, image, side="right") / image.size  # F
    matched = np.quantile(reference, rank)  # the inverse of G
    assert np.allclose(np.quantile(matched, [0.1, 0.5, 0.9]), np.quantile(reference, [0.1, 0.5, 0.9]), rtol=0.01)
    assert true_ones("specification")[0].startswith("G<sup>−1</sup>(F(r))")


# Chapter 4


def test_units_question_by_changing_them() -> None:
    rng = np.random.default_rng(0)
    ill = np.repeat([0, 1], 100)
    columns = np.column_stack([rng.normal(10 + 2 * ill, 3), rng.normal(100 + 40 * ill, 40)])  # mm, HU
    in_um = columns * [1000, 1]
    narrow, wide = (SVC(kernel="rbf", gamma=g).fit(c, ill) for g, c in ((1e-3, columns), (1e-6, in_um)))
    assert np.mean(narrow.predict(columns) != wide.predict(in_um)) > 0.05
    alone = SVC(kernel="rbf", gamma=1e-6).fit(in_um[:, :1], ill)
    assert np.mean(wide.predict(in_um) == alone.predict(in_um[:, :1])) > 0.95, "the diameter decides"
    assert "diameter" in true_ones("units")[0]


def test_support_question_by_moving_her() -> None:
    rng = np.random.default_rng(0)
    ill = np.repeat([0, 1], 30)
    columns = rng.normal(size=(60, 2)) + 2.5 * ill[:, None]
    machine = SVC(kernel="linear").fit(columns, ill)
    far = int(np.argmax(machine.decision_function(columns)))
    assert far not in machine.support_
    moved = columns.copy()
    moved[far] += 50
    assert np.allclose(SVC(kernel="linear").fit(moved, ill).coef_, machine.coef_, atol=1e-3)
    regression = LogisticRegression()
    assert not np.allclose(regression.fit(moved, ill).coef_, regression.fit(columns, ill).coef_, atol=1e-3)
    assert true_ones("support") == ["It stays where it was"]


def test_gain_question_by_entropy() -> None:
    node, child = entropy([4, 4], base=2), entropy([3, 1], base=2)
    assert said("gain", round(node - child, 2))["correct"] is True
    assert "still uncertain" in said("gain", round(child, 2))["feedback"]
    assert "nats" in said("gain", round(entropy([4, 4]) - entropy([3, 1]), 2))["feedback"]
    assert "errors" in said("gain", 4 / 8 - 2 / 8)["feedback"]


def test_oob_question_by_drawing() -> None:
    drawn = np.random.default_rng(0).integers(0, 5000, 5000)
    missed = 100 * (1 - np.unique(drawn).size / 5000)
    assert said("oob", round(missed))["correct"] is True
    assert "does see" in said("oob", round(100 - missed))["feedback"]


def test_identifier_question_by_growing_forests() -> None:
    rng = np.random.default_rng(0)
    ill = rng.integers(0, 2, 600)
    signs = ill[:, None] ^ (rng.random((600, 3)) < 0.45)  # each right in 55 % of the patients
    columns = np.column_stack([signs, rng.permutation(600)])
    train = np.arange(600) < 300
    for trees in (50, 500):
        forest = RandomForestClassifier(trees, random_state=0).fit(columns[train], ill[train])
        assert np.argmax(forest.feature_importances_) == 3
    held = permutation_importance(forest, columns[~train], ill[~train], n_repeats=10, random_state=0)
    assert abs(held.importances_mean[3]) < 0.06
    own = permutation_importance(forest, columns[train], ill[train], n_repeats=10, random_state=0)
    assert own.importances_mean[3] > 0.15
    assert len(true_ones("identifier")) == 3


def test_survival_question_by_statsmodels() -> None:
    years, died = np.array([2, 3, 4, 6, 7]), np.array([1, 0, 1, 1, 0])

    def after_four(years: np.ndarray, died: np.ndarray) -> float:
        fit = SurvfuncRight(years, died)
        return float(100 * fit.surv_prob[fit.surv_times <= 4][-1])

    assert said("survival", after_four(years, died))["correct"] is True
    assert "dropping" in said("survival", after_four(years[died == 1], died[died == 1]))["feedback"]
    lost = years == 3
    assert "as dead" in said("survival", after_four(years, died | lost))["feedback"]
    assert "survivor" in said("survival", after_four(np.where(lost, 9, years), died))["feedback"]


def test_variance_question_by_dropping_the_lesion() -> None:
    rng = np.random.default_rng(0)
    ill = np.repeat([0, 1], 300)
    columns = rng.normal(size=(600, 8)) * [9, 8, 7, 6, 5, 0.5, 0.5, 0.5]
    columns[:, 7] += ill
    kept = PCA(5).fit(columns)
    assert kept.explained_variance_ratio_.sum() > 0.95
    some, all_of_them = (
        LogisticRegression(max_iter=1000).fit(c[::2], ill[::2]).decision_function(c[1::2])
        for c in (kept.transform(columns), columns)
    )
    assert roc_auc_score(ill[1::2], all_of_them) > 0.85
    assert roc_auc_score(ill[1::2], some) < 0.6
    assert "may have lost" in true_ones("variance")[0]


def test_names_question_by_clustering() -> None:
    rng = np.random.default_rng(0)
    tissue = np.repeat([0, 1, 2], 200)
    found = KMeans(3, init=np.array([[3.0], [0], [1.5]]), n_init=1).fit_predict(
        1.5 * tissue[:, None] + rng.normal(size=(600, 1)) / 5
    )
    assert np.mean(found == tissue) < 0.03
    assert max(np.mean(np.array(names)[found] == tissue) for names in ([1, 0, 2], [2, 0, 1], [1, 2, 0])) > 0.97
    assert true_ones("names")[0].startswith("Match the clusters")


def test_scanner_question_by_moving_the_scanner() -> None:
    rng = np.random.default_rng(0)
    home, home_later, away = rng.normal(size=(2000, 4)), rng.normal(size=(2000, 4)), rng.normal(2, 1, (2000, 4))
    density = GaussianMixture(1, random_state=0).fit(home)
    threshold = np.quantile(density.score_samples(home), 0.05)
    assert np.mean(density.score_samples(home_later) < threshold) < 0.07
    assert np.mean(density.score_samples(away) < threshold) > 0.7
    assert "whatever differs" in true_ones("scanner")[0]


def test_undecided_question_agrees_with_itself() -> None:
    """Estimate in the middle, zero inside: neither better nor equal follows."""
    text = BY_NAME["undecided"]["question"]
    assert "0.03" in text
    assert "−0.02 to 0.08" in text
    assert true_ones("undecided")[0].startswith("Undecided")

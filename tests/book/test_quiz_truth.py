"""The answers of the quizzes are true: each is computed by doing what its question asks."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
from scipy import ndimage
from scipy.stats import entropy
from skimage.feature import corner_harris, peak_local_max
from skimage.measure import perimeter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.segmentation import flood
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
from medcourse.features import extract
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


def test_round_question_by_drawing_the_disc() -> None:
    rng = np.random.default_rng(0)
    reported = []
    for pixel_mm in (0.7, 0.27):
        y, x = np.indices((25, 25))
        centres = 12 + rng.uniform(-0.5, 0.5, (200, 2))
        discs = [np.hypot(y - a, x - b) < 2.3 / pixel_mm for a, b in centres]
        reported.append([4 * np.pi * disc.sum() / perimeter(disc) ** 2 for disc in discs])
    coarse, fine = np.array(reported)
    assert 1.1 < coarse.mean() < 1.3
    assert 0.95 < fine.mean() < 1.08
    assert coarse.min() > np.quantile(fine, 0.95)
    assert np.mean(coarse > 1) > 0.9
    assert true_ones("round") == ["It is less round than before"]


def test_outvoted_question_by_filtering() -> None:
    rng = np.random.default_rng(0)
    truth = 0.4 + 0.05 * ndimage.zoom(rng.normal(size=(8, 8)), 32)  # (256, 256)
    tissue, grains = truth.copy(), rng.choice(225, 30, replace=False)
    rows, columns = 16 * (grains // 15) + 16, 16 * (grains % 15) + 16
    for dr, dc in ((0, 0), (0, 1), (1, 0), (1, 1)):
        truth[rows + dr, columns + dc] += 0.25
    u = rng.random(truth.shape)
    noisy = np.select([u < 0.012, u > 0.988], [0.0, 1.0], truth)

    def kept(image: np.ndarray) -> np.ndarray:
        return (image - tissue)[rows, columns] / 0.25

    median, mean = ndimage.median_filter(noisy, 3), ndimage.uniform_filter(noisy, 3)
    psnr = [peak_signal_noise_ratio(truth, image, data_range=1) for image in (noisy, median, mean)]
    assert 20 < psnr[0] < 24
    assert psnr[1] > 37
    assert psnr[1] > psnr[2] + 5
    assert structural_similarity(truth, median, data_range=1) > 0.97
    assert np.mean(kept(median) > 0.5) < 0.1, "nearly all are gone"
    assert np.median(kept(median)) < 0.1
    assert np.median(kept(mean)) > 0.3, "an average passes on a share"
    assert true_ones("outvoted") == ["Nearly all are gone, outvoted by the tissue that surrounds them"]


def test_toll_question_by_growing_the_region() -> None:
    ways = {"first": [150, 60, 190], "second": [130, 85, 180]}
    text = BY_NAME["toll"]["question"]
    assert all(f"{a}, {b} and {c} HU" in text for a, b, c in ways.values())

    def leaks_at(*open_ways: str) -> int:
        hu = np.full((3, 5), -900)
        hu[:, 0], hu[:, 4] = 160, 200  # aorta and bone, with only the ways between them
        for row, way in zip((0, 2), ways, strict=True):
            if way in open_ways:
                hu[row, 1:4] = ways[way]
        return next(t for t in range(500) if flood(hu, (1, 0), connectivity=1, tolerance=t)[1, 4])

    steps = [int(np.abs(np.diff([160, *way, 200])).max()) for way in ways.values()]
    assert said("toll", leaks_at(*ways))["correct"] is True
    for wrong, words in {
        leaks_at("first"): "opens the first way",
        min(steps): "step between two neighbours",
        200 - 160: "how far the bone differs",
        ways["second"][1]: "value of a pixel",
        leaks_at(*ways) - 1: "keeps out",
        leaks_at(*ways) + 1: "less than the tolerance",
    }.items():
        assert said("toll", wrong)["correct"] is False
        assert words in said("toll", wrong)["feedback"]


def left_over(markers: np.ndarray, touched: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances after the best rigid fits, in mm: at the markers (trials, n) and at the target (trials,)."""
    p0, q0 = markers.mean(axis=-2, keepdims=True), touched.mean(axis=-2, keepdims=True)
    u, _, vt = np.linalg.svd(np.swapaxes(markers - p0, -1, -2) @ (touched - q0))
    u[..., -1] *= np.linalg.det(u @ vt)[..., None]  # a turn, never a mirror
    rotation = u @ vt
    at_markers = np.linalg.norm((markers - p0) @ rotation + q0 - touched, axis=-1)
    return at_markers, np.linalg.norm(((target - p0) @ rotation + q0)[..., 0, :] - target, axis=-1)


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def test_marker_question_by_dropping_the_worst() -> None:
    rng = np.random.default_rng(0)
    of_the_page = np.array([[75, 20, 45], [70, -35, 60], [80, -10, 10], [70, 50, 15], [45, 5, 95.0]])
    others = [rng.uniform([40, -60, 0], [90, 60, 100], (5, 3)) for _ in range(4)]
    for markers in (of_the_page, *others):
        target = np.array([-20.0, 25, -20])
        touched = markers + rng.normal(0, 1.5 / np.sqrt(3), (4000, 5, 3))
        residual, before = left_over(markers, touched, target)
        kept = np.argsort(residual, axis=1)[:, :4]
        four = np.take_along_axis(touched, kept[..., None], axis=1)
        left, after = left_over(markers[kept], four, target)
        assert rms(left) < 0.75 * rms(residual)
        assert rms(after) > 1.04 * rms(before)
        assert after.mean() > 1.04 * before.mean()
        assert rms(after) > 2 * rms(left), "the display does not tell the error at the tumour"
        shown = f"the FRE falls from {rms(residual):.1f} to {rms(left):.1f} mm"
        assert shown in BY_NAME["marker"]["question"]
    assert true_ones("marker") == ["It grows, since four markers together tell less than five"]


def test_address_question_by_tilting_known_forks() -> None:
    centre = 79.5

    def corner(width: float, opening: float, tilt: float) -> np.ndarray:
        """The strongest corner of a vessel that forks at the middle of the picture, turned back by the tilt."""
        at = np.indices((160, 160)).reshape(2, -1).T - centre
        distance = np.full(len(at), np.inf)
        for angle in np.array([np.pi, opening, -opening]) + tilt:
            way = np.array([np.sin(angle), np.cos(angle)])
            along = np.clip(at @ way, 0, None)
            distance = np.minimum(distance, np.linalg.norm(at - along[:, None] * way, axis=1))
        image = ndimage.gaussian_filter(150 - 45 * np.clip(width / 2 - distance + 0.5, 0, 1).reshape(160, 160), 1)
        response = corner_harris(image, sigma=2) * (np.linalg.norm(at, axis=1) < 50).reshape(160, 160)
        row, column = peak_local_max(response, num_peaks=1)[0] - centre
        c, s = np.cos(tilt), np.sin(tilt)
        return np.array([c * row - s * column, s * row + c * column])

    for opening in (0.4, 0.55, 0.7):
        misses = []
        for width in (5, 8, 11):
            upright, tilted = corner(width, opening, 0), corner(width, opening, np.pi / 4)
            assert np.linalg.norm(upright - tilted) <= 1.5, "it comes home"
            misses.append(np.linalg.norm(upright))
        assert misses[0] > 3, "to the wrong address"
        assert misses[0] + 1 < misses[1] < misses[2] - 1, "no fixed shift"
    assert true_ones("address") == ["Nothing: a wrong place, too, can come back each time"]


def test_shuffled_question_by_shuffling() -> None:
    rng = np.random.default_rng(0)
    malignant = np.repeat([0, 1], 40)
    y, x = np.mgrid[:32, :32] - 15.5

    def lesion(radius: float = 10, mean: float = 0, spread: float = 1, grain: Any = 1) -> tuple[np.ndarray, np.ndarray]:
        mask = np.hypot(y, x) < radius
        image = ndimage.gaussian_filter(rng.normal(size=(32, 32)), grain, mode="wrap")
        image[mask] = np.sort(rng.normal(size=mask.sum()))[image[mask].argsort().argsort()]  # one histogram for all
        return mean + spread * image, mask

    def before_and_after(benign: dict[str, Any], ill: dict[str, Any]) -> tuple[float, float]:
        """AUC of the best column, and of the same column once each lesion's pixels are shuffled."""
        images, masks = zip(*(lesion(**(ill if m else benign)) for m in malignant), strict=True)
        mixed = [image.copy() for image in images]
        for image, mask in zip(mixed, masks, strict=True):
            image[mask] = rng.permutation(image[mask])
        options: dict[str, Any] = {"families": ["stat", "cm", "rlm", "wt"], "bin_width": 0.25, "bin_start": -8}
        tables = [extract(pictures, masks, (1.0, 1.0), **options) for pictures in (images, mixed)]
        found = tables[0].apply(lambda column: abs(roc_auc_score(malignant, column) - 0.5))
        sign = np.sign(roc_auc_score(malignant, tables[0][found.idxmax()]) - 0.5)
        first, second = (roc_auc_score(malignant, sign * table[found.idxmax()]) for table in tables)
        return first, second

    causes: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "The size of the lesion": ({"radius": 8}, {"radius": 11}),
        "How bright it is": ({}, {"mean": 1}),
        "How much its pixel values spread": ({}, {"spread": 1.5}),
        "How coarse its pattern is": ({"grain": 0.6}, {"grain": 1.5}),
        "Which way its streaks run": ({"grain": (0.4, 2)}, {"grain": (2, 0.4)}),
    }
    assert set(causes) == {answer["answer"] for answer in BY_NAME["shuffled"]["answers"]}
    for cause, (benign, ill) in causes.items():
        before, after = before_and_after(benign, ill)
        assert before > 0.9
        assert after > 0.9 if cause in true_ones("shuffled") else after < 0.75, cause


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

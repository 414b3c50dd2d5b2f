"""`medcourse.data.splits`: what must hold for every table, and what must be refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from medcourse.data.splits import (
    PatientOverlapError,
    check_disjoint,
    leakage_optimism,
    leave_one_site_out,
    patient_folds,
    split_patients,
)

THIRDS = {"train": 0.6, "validation": 0.2, "test": 0.2}
shares = st.lists(st.integers(1, 9), min_size=2, max_size=4).map(
    lambda parts: {f"part {i}": part / sum(parts) for i, part in enumerate(parts)}
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Rows of patients in any order; a patient may have positive and negative rows."""
    rows = draw(st.lists(st.integers(1, 5), min_size=12, max_size=60))
    patients = np.repeat(np.arange(len(rows)) * 7 - 50, rows)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = random.permutation(len(patients))
    ill = random.random(len(rows)) < draw(st.floats(0.2, 0.8))
    labels = np.repeat(ill, rows) & (random.random(len(patients)) < 0.7)
    return patients[order], labels[order].astype(int)


def patients_per_part(patients: np.ndarray, parts: dict[str, np.ndarray]) -> dict[str, set[int]]:
    return {part: set(patients[rows].tolist()) for part, rows in parts.items()}


@given(table=tables(), fractions=shares, seed=st.integers(0, 1000))
def test_every_row_is_in_one_part_and_every_patient_too(
    table: tuple[np.ndarray, np.ndarray], fractions: dict[str, float], seed: int
) -> None:
    patients, _ = table
    n = len(set(patients.tolist()))
    assume(min(fractions.values()) * n >= 1)
    parts = split_patients(patients, fractions=fractions, seed=seed)
    assert list(parts) == list(fractions)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(patients)))
    groups = patients_per_part(patients, parts)
    assert sum(map(len, groups.values())) == n
    for part, share in fractions.items():
        assert abs(len(groups[part]) - share * n) < 1 + 1e-9
        assert (np.diff(parts[part]) > 0).all()
    again = split_patients(patients, fractions=fractions, seed=seed)
    assert all(np.array_equal(parts[part], again[part]) for part in parts)


@given(table=tables(), seed=st.integers(0, 1000))
def test_strata_are_shared_out(table: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    patients, labels = table
    truth = pd.Series(labels).groupby(patients).max()  # a patient is positive if any row is
    assume(truth.value_counts().reindex([0, 1], fill_value=0).min() >= 6)
    parts = split_patients(patients, labels=labels, seed=seed)
    groups = patients_per_part(patients, parts)
    for label in (0, 1):
        ill = set(truth.index[truth == label])
        for part, share in THIRDS.items():
            assert len(groups[part] & ill) >= 1
            assert abs(len(groups[part] & ill) - share * len(ill)) <= 2
    for part, share in THIRDS.items():
        assert abs(len(groups[part]) - share * len(truth)) < 1 + 1e-9


def test_stratifying_narrows_the_spread_of_prevalence() -> None:
    patients, labels = np.arange(50), np.repeat([0, 1], [40, 10])

    def spread(stratify: bool) -> float:
        given_labels = labels if stratify else None
        tests = [split_patients(patients, labels=given_labels, seed=seed)["test"] for seed in range(50)]
        return float(np.std([labels[rows].mean() for rows in tests]))

    assert spread(stratify=True) < 1e-9  # 2 of 10 in every test part
    assert spread(stratify=False) > 0.05


def test_seeds_and_row_order() -> None:
    patients = np.repeat([f"P{i:02d}" for i in range(30)], 3)
    one, other = split_patients(patients, seed=1), split_patients(patients, seed=2)
    assert not np.array_equal(one["test"], other["test"])
    backwards = split_patients(patients[::-1], seed=1)  # who is in a part does not hang on the order of the rows
    assert set(patients[::-1][backwards["test"]]) == set(patients[one["test"]])


def test_columns_of_a_data_frame_do() -> None:
    table = pd.DataFrame({"patient": ["a", "b", "c", "d", "e"] * 2, "label": [0, 1, 0, 1, 0] + [0] * 5})
    parts = split_patients(table["patient"], labels=table["label"], fractions={"train": 0.6, "test": 0.4}, seed=3)
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 6, "test": 4}


@pytest.mark.parametrize(
    ("patients", "options", "message"),
    [
        ([1, 2], {}, r"2 patients for 3 parts \(train 0.6, validation 0.2, test 0.2\): too few"),
        ([], {}, r"patients has shape \(0,\)"),
        ([[1, 2]], {}, r"patients has shape \(1, 2\): give one value per row"),
        ([1.0, np.nan, 2.0], {}, "patients is missing in row 1"),
        (["a", None], {}, "patients is missing in row 1"),
        (np.array(["a", 1], dtype=object), {}, "patients mixes types"),
        (range(9), {"labels": [0, 1]}, "labels has 2 rows and patients 9"),
        (range(9), {"labels": [0.0] * 8 + [np.nan]}, "labels is missing in row 8"),
        (range(9), {"labels": ["ill"] * 9}, "labels has dtype <U3: give numbers"),
        (range(9), {"labels": [1] * 9}, "all 9 patients have label 1: nothing to stratify by, leave labels out"),
        (range(9), {"labels": [1] + [0] * 8}, "too few patients with label 1 to put one into 'train'"),
        (range(50), {"labels": [1] * 2 + [0] * 48, "fractions": {"test": 0.2, "train": 0.8}}, "label 1 .* into 'test'"),
        (range(12), {"labels": list(range(4)) * 3, "fractions": {"a": 0.8, "b": 0.2}}, "too few patients: parts of"),
        (range(9), {"fractions": {"train": 0.8, "test": 0.1}}, r"sum to 0.9: give two or more positive shares"),
        (range(9), {"fractions": {"train": 1.2, "test": -0.2}}, "positive shares that sum to 1"),
        (range(9), {"fractions": {"train": np.nan, "test": 0.5}}, "positive shares that sum to 1"),
        (range(9), {"fractions": {"all": 1.0}}, "two or more positive shares"),
        (range(9), {"fractions": {}}, "two or more positive shares"),
    ],
)
def test_split_refuses(patients: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        split_patients(patients, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@given(table=tables(), seed=st.integers(0, 100))
def test_one_row_put_into_another_part_is_found(table: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    patients, _ = table
    parts = split_patients(patients, seed=seed)
    check_disjoint(patients, parts)
    parts["test"] = np.append(parts["test"], parts["train"][0])
    with pytest.raises(PatientOverlapError, match="1 patient in both train and test"):
        check_disjoint(patients, parts)


def test_a_split_by_row_is_refused_by_name() -> None:
    patients = np.repeat(["a", "b", "c", "d", "e"], 2)
    with pytest.raises(PatientOverlapError, match=r"5 patients in both one and two \(a, b, c, …\): split with"):
        check_disjoint(patients, {"one": np.arange(0, 10, 2), "two": np.arange(1, 10, 2)})


def test_an_empty_part_overlaps_with_none() -> None:
    check_disjoint([1, 2], {"train": [0, 1], "test": []})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([True, False, True], "dtype bool"),
        ([0.5], "dtype float64"),
        ([[0], [1]], r"shape \(2, 1\)"),
        ([3], r"has rows outside 0 … 2"),
        ([-1], r"has rows outside 0 … 2"),
    ],
)
def test_check_refuses_what_are_no_row_numbers(rows: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_disjoint(["a", "b", "c"], {"train": rows})  # type: ignore[dict-item]


@given(table=tables(), folds=st.integers(2, 6), repeats=st.integers(1, 3), seed=st.integers(0, 1000))
def test_every_row_is_tested_once_per_repeat_and_no_patient_twice(
    table: tuple[np.ndarray, np.ndarray], folds: int, repeats: int, seed: int
) -> None:
    patients, _ = table
    dealt = patient_folds(patients, folds=folds, repeats=repeats, seed=seed)
    assert len(dealt) == folds * repeats
    for k in range(repeats):
        once = dealt[k * folds : (k + 1) * folds]
        np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in once])), np.arange(len(patients)))
        tested = [set(patients[fold.test].tolist()) for fold in once]
        assert sum(map(len, tested)) == len(set(patients.tolist()))
        assert max(map(len, tested)) - min(map(len, tested)) <= 1
        for fold, hers in zip(once, tested, strict=True):
            assert not hers & set(patients[fold.train].tolist())
            np.testing.assert_array_equal(np.union1d(fold.train, fold.test), np.arange(len(patients)))
            assert (np.diff(fold.test) > 0).all()
    if repeats > 1:
        assert any(not np.array_equal(a.test, b.test) for a, b in zip(dealt[:folds], dealt[folds:], strict=False))


@given(table=tables(), folds=st.integers(2, 5), seed=st.integers(0, 1000))
def test_folds_share_out_the_labels_to_within_one_patient(
    table: tuple[np.ndarray, np.ndarray], folds: int, seed: int
) -> None:
    patients, labels = table
    truth = pd.Series(labels).groupby(patients).max()
    assume(truth.value_counts().reindex([0, 1], fill_value=0).min() >= folds)
    for label in (0, 1):
        ill = set(truth.index[truth == label])
        counts = [
            len(ill & set(patients[f.test])) for f in patient_folds(patients, labels=labels, folds=folds, seed=seed)
        ]
        assert sum(counts) == len(ill)
        assert max(counts) - min(counts) <= 1
        assert max(abs(count - len(ill) / folds) for count in counts) < 1


def test_folds_agree_with_scikit_learn() -> None:
    patients, labels = np.arange(60), np.repeat([0, 1], [45, 15])
    ours = patient_folds(patients, labels=labels, folds=5, seed=3)
    theirs = StratifiedGroupKFold(5, shuffle=True, random_state=3).split(patients, labels, patients)
    assert sorted(labels[f.test].sum() for f in ours) == sorted(labels[test].sum() for _, test in theirs) == [3] * 5
    sites = np.array(["a", "b", "c"])[np.arange(60) % 3]
    left_out = leave_one_site_out(patients, sites)
    expected = LeaveOneGroupOut().split(patients, groups=sites)
    for fold, (train, test) in zip(left_out.values(), expected, strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)


def test_folds_are_what_scikit_learn_takes_for_cv() -> None:
    rng = np.random.default_rng(0)
    patients, labels = np.repeat(np.arange(40), 2), np.repeat(np.arange(40) % 2, 2)
    x = rng.normal(size=(80, 2)) + labels[:, None]
    dealt = patient_folds(patients, labels=labels, folds=4)
    scores = cross_val_score(LogisticRegression(), x, labels, cv=dealt)
    by_hand = [LogisticRegression().fit(x[f.train], labels[f.train]).score(x[f.test], labels[f.test]) for f in dealt]
    np.testing.assert_allclose(scores, by_hand)


def test_folds_do_not_hang_on_the_order_of_the_rows_and_seeds_differ() -> None:
    patients = np.repeat([f"P{i:02d}" for i in range(30)], 3)
    one, again, other = (
        patient_folds(p, seed=s)[0].test for p, s in ((patients, 1), (patients[::-1], 1), (patients, 2))
    )
    assert set(patients[one]) == set(patients[::-1][again])
    assert set(patients[one]) != set(patients[other])


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["x", "y", "z"])), min_size=1, max_size=25))
def test_a_site_is_tested_by_models_that_never_saw_it(rows: list[tuple[int, str]]) -> None:
    patients, sites = (np.array(column) for column in zip(*rows, strict=True))
    twice = pd.Series(sites).groupby(patients).nunique().max() > 1
    if len(set(sites)) < 2:
        with pytest.raises(ValueError, match=r"^sites holds '.' only: give rows of at least two sites$"):
            leave_one_site_out(patients, sites)
    elif twice:
        with pytest.raises(PatientOverlapError, match=r"^\d+ patients? at two sites \(\d"):
            leave_one_site_out(patients, sites)
    else:
        left_out = leave_one_site_out(patients, sites)
        assert list(left_out) == sorted(set(sites))
        for site, fold in left_out.items():
            assert set(sites[fold.test]) == {site}
            assert site not in sites[fold.train]
            assert len(fold.train) + len(fold.test) == len(rows)
            check_disjoint(patients, fold._asdict())


def test_a_patient_at_two_sites_is_named() -> None:
    with pytest.raises(
        PatientOverlapError, match=r"^2 patients at two sites \(p2, p7\): leave out all but one"
    ) as caught:
        leave_one_site_out(["p2", "p7", "p2", "p7", "p9"], ["a", "a", "b", "b", "a"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("patients", "options", "message"),
    [
        (range(9), {"folds": 1}, "^folds=1, repeats=1: give at least 2 folds"),
        (range(9), {"repeats": 0}, "^folds=5, repeats=0: give at least 2 folds and 1 repeat"),
        (range(4), {}, "^folds=5 for 4 patients: take at most 4 folds, or add patients"),
        ([3, 3, 3, 3, 3], {}, "^folds=5 for 1 patient: add patients"),
        (range(9), {"labels": [1] + [0] * 8}, "^folds=5 for 1 patient with label 1: take fewer folds"),
        (range(9), {"labels": [1] * 9}, "^all 9 patients have label 1: nothing to stratify by"),
        (range(9), {"labels": [1] * 3}, "^labels has 3 rows and patients 9: give one label to each row"),
        ([1, None], {}, "^patients is missing in row 1"),
    ],
)  # fmt: skip
def test_folds_refuse(patients: object, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        patient_folds(patients, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_sites_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^sites has 2 rows and patients 3: give one site to each row$"):
        leave_one_site_out([1, 2, 3], ["a", "b"])


def faces(*, own: float, signal: float, n: int = 60, each: int = 5, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Features of `each` images of `n` patients: her own face, the disease, and what differs between images."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n), each)
    labels = rng.permutation(np.arange(n) % 2)[patients]
    x = own * rng.normal(size=(n, 4))[patients] + signal * labels[:, None] + rng.normal(size=(n * each, 4))
    return x, labels, patients


def test_a_leaky_split_is_no_better_where_images_of_a_patient_are_strangers() -> None:
    x, labels, patients = faces(own=0, signal=0.7)
    for model in (LogisticRegression(), KNeighborsClassifier(5)):
        found = leakage_optimism(model, x, labels, patients, repeats=10)
        assert found.by_patient > 0.72
        spread = float(np.diff(found.scores, axis=1).std())
        assert abs(found.difference) < 4 * spread / np.sqrt(10) < 0.04


def test_a_leaky_split_shines_where_faces_tell_the_label_and_there_is_nothing_to_learn() -> None:
    drawn = [faces(own=8, signal=0, n=100, seed=seed) for seed in range(3)]
    by_heart, linear = (
        [leakage_optimism(model, *one, repeats=3) for one in drawn]
        for model in (KNeighborsClassifier(1), LogisticRegression())
    )
    assert min(found.by_image for found in by_heart) > 0.93
    by_patient = np.mean([found.by_patient for found in by_heart])
    assert abs(by_patient - 0.5) < 0.12  # 300 coins, of which a nearest neighbour guesses: four standard errors
    assert min(found.difference_interval[0] for found in by_heart) > 0.25
    gained = np.mean([found.difference for found in linear])
    assert gained < np.mean([found.difference for found in by_heart]) / 2, "what cannot learn faces by heart gains less"


def test_optimism_states_means_and_intervals_of_its_scores() -> None:
    x, labels, patients = faces(own=1, signal=0.5, n=30)
    found = leakage_optimism(LogisticRegression(), x, labels, patients, repeats=6, seed=3, score="accuracy")
    assert found.scores.shape == (6, 2)
    assert [found.by_image, found.by_patient] == pytest.approx(found.scores.mean(axis=0))
    assert found.difference == pytest.approx(found.by_image - found.by_patient)
    for column, interval in ((0, found.by_image_interval), (1, found.by_patient_interval)):
        assert found.scores[:, column].min() <= interval[0] < interval[1] <= found.scores[:, column].max()
    again = leakage_optimism(LogisticRegression(), x, labels, patients, repeats=2, seed=4, score="accuracy")
    np.testing.assert_array_equal(again.scores, found.scores[1:3])
    dealt = StratifiedKFold(5, shuffle=True, random_state=3)
    by_image = cross_val_score(LogisticRegression(), x, labels, cv=dealt, scoring="accuracy").mean()
    dealt = patient_folds(patients, labels=labels, seed=3)
    by_patient = cross_val_score(LogisticRegression(), x, labels, cv=dealt, scoring="accuracy").mean()
    np.testing.assert_allclose(found.scores[0], [by_image, by_patient])


def test_optimism_takes_a_score_function_and_patients_with_both_labels() -> None:
    x, _, patients = faces(own=1, signal=0)
    labels = np.arange(len(patients)) % 2

    def brier(model: LogisticRegression, x: np.ndarray, y: np.ndarray) -> float:
        return float(-((model.predict_proba(x)[:, 1] - y) ** 2).mean())

    found = leakage_optimism(LogisticRegression(), x, labels, patients, repeats=2, score=brier)
    assert (found.scores < -0.2).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((3, 2))}, "^x has 3 rows and patients 300: give one row of features"),
        ({"labels": np.zeros(300, int)}, r"^labels has rows of 0: 300: give whole numbers, two classes"),
        ({"labels": np.arange(300) / 7}, "^labels has rows of .*: give whole numbers"),
        ({"labels": np.arange(300) < 3}, r"^labels has rows of False: 297, True: 3: .* and 5 rows \(folds\) of each"),
        ({"labels": np.zeros(2, int)}, "^labels has 2 rows and patients 300"),
        ({"labels": (np.arange(300) >= 295).astype(int)}, "^folds=5 for 1 patient with label 1"),
        ({"score": lambda *_: float("nan")}, "^score is .* over the folds: a fold lacks a class; take fewer folds"),
    ],
)  # fmt: skip
def test_optimism_refuses(change: dict[str, Any], message: str) -> None:
    x, labels, patients = faces(own=0, signal=1)
    settings = {"x": x, "labels": labels, "patients": patients, "repeats": 1, **change}
    with pytest.raises(ValueError, match=message) as caught:
        leakage_optimism(LogisticRegression(), **settings)
    assert "\n" not in str(caught.value)

"""`medcourse.data.splits`: what must hold for every table, and what must be refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medcourse.data.splits import PatientOverlapError, check_disjoint, split_patients

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

"""Tumours obey their growth laws, readers err as stated, and RECIST 1.1 is applied as written."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from medcourse.data.phantoms import FollowUp, Scanner, Site, Subgroup, follow_up, grow, recist

PLAIN: dict[str, Any] = {"flares": 0.0, "reader_sd": 0.0}


@cache
def drawn() -> FollowUp:
    return follow_up(250, seed=5)


def wide(course: FollowUp, column: str) -> np.ndarray:
    return course.visits.pivot_table(index="patient", columns="visit", values=column).to_numpy()


SLOPES = {
    "exponential": lambda v, _t, r, k: r * v,
    "logistic": lambda v, _t, r, k: r * v * (1 - v / k),
    "gompertz": lambda v, _t, r, k: r * v * np.log(k / v),
}


@pytest.mark.parametrize("law", sorted(SLOPES))
@pytest.mark.parametrize(("volume", "rate"), [(100.0, 0.02), (4e4, 0.01), (5e3, -0.01)])
def test_closed_form_agrees_with_the_differential_equation(law: str, volume: float, rate: float) -> None:
    days = np.linspace(0, 200, 41)
    solved = integrate.odeint(SLOPES[law], volume, days, args=(rate, 5e4), rtol=1e-10, atol=1e-10)[:, 0]
    np.testing.assert_allclose(grow(volume, days, law=law, rate=rate, capacity=5e4), solved, rtol=1e-6)


def test_growth_bends_towards_the_capacity() -> None:
    days = np.array([0.0, 1e5])
    for law in ("logistic", "gompertz"):
        assert grow(10.0, days, law=law, rate=0.01, capacity=1e3)[1] == pytest.approx(1e3)
    shape = (3, 4)
    assert grow(np.ones((3, 1)), np.ones(4), law="exponential", rate=0.1).shape == shape


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grow(1.0, 1.0, law="linear", rate=0.1), r"^law='linear'"),
        (lambda: grow(1.0, 1.0, rate=0.1), r"^capacity=inf"),
        (lambda: grow(0.0, 1.0, law="exponential", rate=0.1), r"^volume=0.0"),
        (lambda: recist([5.0]), r"^sums_mm has shape \(1,\)"),
        (lambda: recist([5.0, -1.0]), r"^sums_mm holds"),
        (lambda: recist([5.0, np.nan]), r"^sums_mm holds"),
    ],
)
def test_bad_growth_and_sums_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sums", "expected"),
    [
        ([100, 100, 100], "SD SD"),
        ([100, 70, 71], "PR SD"),  # at least 30 % below the baseline
        ([100, 70.1], "SD"),
        ([100, 120], "PD"),  # at least 20 % above the nadir, which may be the baseline
        ([100, 119.9], "SD"),
        ([100, 50, 60], "PR PD"),  # +20 % from the nadir, though 40 % below the baseline
        ([100, 50, 59], "PR PR"),
        ([20, 24.9], "SD"),  # +24.5 %, but less than 5 mm
        ([20, 25], "PD"),
        ([100, 0, 4], "CR PR"),
        ([100, 0, 5], "CR PD"),
        ([100, 80, 95, 96], "SD SD PD"),  # the nadir is 80
    ],
)
def test_recist_definitions(sums: list[float], expected: str) -> None:
    assert recist(sums).tolist() == ["baseline", *expected.split()]


def test_recist_puts_progression_first_and_counts_new_lesions() -> None:
    assert recist([100, 40], new_lesion=[False, True]).tolist() == ["baseline", "PD"]
    assert recist([[100, 40], [100, 9]], complete=[[False, False], [False, True]])[:, 1].tolist() == ["PR", "CR"]


@given(sums=st.lists(st.floats(0, 300), min_size=2, max_size=12), factor=st.floats(1.0, 20.0))
def test_recist_agrees_with_a_plain_reading_visit_by_visit(sums: list[float], factor: float) -> None:
    expected = ["baseline"]
    for k in range(1, len(sums)):
        nadir = min(sums[:k])
        if sums[k] - nadir >= 0.2 * nadir * (1 - 1e-12) and sums[k] - nadir >= 5:
            expected.append("PD")
        elif sums[k] == 0:
            expected.append("CR")
        else:
            expected.append("PR" if sums[k] <= 0.7 * sums[0] else "SD")
    near = any(abs(s - 1.2 * min(sums[:k])) < 1e-9 for k, s in enumerate(sums) if k)
    if not near:
        assert recist(sums).tolist() == expected


def test_a_stable_lesion_measured_with_ten_per_cent_error_progresses_in_seven_of_ten_patients() -> None:
    """At least once in six visits +20 % of the smallest size before, errors being independent."""
    course = follow_up(2000, visits=7, lesions=(1, 1), prevalence=0.0, responders=0.0, error=0.10, **PLAIN)
    true_sum, seen = wide(course, "true_sum_mm"), wide(course, "sum_mm")
    assert np.ptp(true_sum, axis=1).max() < 1e-9
    nadir = np.minimum.accumulate(seen, axis=1)[:, :-1]
    crossed = (seen[:, 1:] >= 1.2 * nadir).any(axis=1).mean()
    assert crossed == pytest.approx(0.70, abs=0.03)
    assert course.table["progression_day"].isna().all()
    assert 0.3 < course.table["measured_progression_visit"].notna().mean() < crossed  # RECIST asks for 5 mm as well


def test_measurement_error_is_as_stated() -> None:
    course = follow_up(500, error=0.10, **PLAIN).measurements
    large = course[course["true_mm"] > 20]
    relative = large["measured_mm"] / large["true_mm"] - 1
    assert relative.std() == pytest.approx(0.10, rel=0.04)
    assert abs(relative.mean()) < 0.005
    exact = follow_up(60, error=0.0, **PLAIN).measurements
    seen = exact[exact["true_mm"] > 5]
    np.testing.assert_allclose(seen["measured_mm"], np.hypot(seen["true_mm"], 1.0), rtol=1e-12)  # 1 mm of blur


def test_what_is_too_small_is_written_as_five_millimetres_and_what_is_gone_as_zero() -> None:
    course = follow_up(300, prevalence=0.0, responders=1.0, visits=12, lesions=(1, 9))
    rows = course.measurements.merge(course.lesions[["patient", "lesion", "organ"]], on=["patient", "lesion"])
    rows = rows[rows["organ"] != "lymph node"]
    small = rows["true_mm"].between(2.5, 5, inclusive="left")
    assert small.sum() > 20
    assert (rows.loc[small, "measured_mm"] == 5).all()
    assert (rows.loc[rows["true_mm"] == 0, "measured_mm"] == 0).all()
    assert not rows["true_mm"].between(0, 2.5, inclusive="neither").any()


def test_readers_have_their_own_bias_and_mostly_stay_with_a_patient() -> None:
    course = follow_up(600, error=0.0, readers=3, reader_sd=0.08, change_reader=0.3, flares=0.0)
    rows = course.measurements.merge(course.visits[["patient", "visit", "reader"]], on=["patient", "visit"])
    rows = rows[rows["true_mm"] > 5]
    bias = (rows["measured_mm"] / np.hypot(rows["true_mm"], 1.0)).groupby(rows["reader"])
    assert bias.std().max() < 1e-9
    assert bias.mean().std() > 0.02
    usual = course.visits.groupby("patient")["reader"].agg(lambda r: (r == r.mode().iloc[0]).mean())
    assert 0.65 < usual.mean() < 0.85
    assert course.visits["reader"].isin([0, 1, 2]).all()
    assert (follow_up(20, readers=1).visits["reader"] == 0).all()


def test_truth_is_a_clone_that_grows() -> None:
    course = drawn()
    table = course.table
    assert (
        np.isfinite(course.lesions["doubling_days"]).groupby(course.lesions["patient"]).all() == table["truth"]
    ).all()
    assert table.loc[table["truth"] == 0, "progression_day"].isna().all(), "flares stay below progression"
    assert table.loc[table["truth"] == 1, "progression_day"].notna().mean() > 0.75
    assert (
        course.lesions.loc[course.lesions["onset_day"].notna(), "patient"]
        .isin(table.loc[table["truth"] == 1, "patient"])
        .all()
    )


def test_true_sums_follow_log_kill_with_regrowth() -> None:
    """Each lesion's size from its own row of `lesions`, computed here, is the true size of the measurements."""
    course = follow_up(80, law="exponential", responders=1.0, prevalence=1.0, **PLAIN)
    lesions = course.lesions[course.lesions["onset_day"].isna() & (course.lesions["organ"] != "lymph node")]
    rows = course.measurements.merge(lesions, on=["patient", "lesion"])
    rows = rows[rows["true_mm"] > 0]
    f = rows["resistant_share"]
    ratio = (1 - f) * 0.5 ** (rows["day"] / rows["halving_days"]) + f * 2 ** (rows["day"] / rows["doubling_days"])
    np.testing.assert_allclose(rows["true_mm"], rows["baseline_mm"] * ratio ** (1 / 3), rtol=1e-9)


def test_progression_day_is_the_first_day_that_recist_calls_progression() -> None:
    course = drawn()
    for _, row in course.table[course.table["progression_day"].notna()].head(40).iterrows():
        visits = course.visits[course.visits["patient"] == row["patient"]]
        called = visits.loc[visits["true_response"] == "PD", "day"]
        if len(called):  # visits see it later than it comes
            assert row["progression_day"] <= called.iloc[0]
        before = visits[visits["day"] < row["progression_day"]]
        assert not (before["true_response"] == "PD").any()
    judged = recist(
        wide(course, "true_sum_mm"),
        new_lesion=wide(course, "new_lesion") == 1,
        complete=np.array(wide_complete(course)),
    )
    np.testing.assert_array_equal(course.visits["true_response"], judged.ravel())


def wide_complete(course: FollowUp) -> list[np.ndarray]:
    """Whether all lesions of the baseline are gone, and all nodes below 10 mm, patient by patient."""
    rows = course.measurements.merge(course.lesions, on=["patient", "lesion"])
    rows = rows[rows["onset_day"].isna()]
    gone = np.where(rows["organ"] == "lymph node", rows["true_mm"] < 10, rows["true_mm"] == 0)
    return list(
        rows.assign(gone=gone).pivot_table(index="patient", columns="visit", values="gone", aggfunc="min").to_numpy()
    )


def test_best_response_is_the_best_up_to_progression() -> None:
    course, rank = drawn(), ["CR", "PR", "SD", "PD"]
    for column, name in (("true_response", "best_response"), ("response", "measured_best_response")):
        for patient, visits in course.visits.groupby("patient"):
            seen = visits[column].to_list()[1:]
            until = seen[: seen.index("PD") + 1] if "PD" in seen else seen
            assert course.table.set_index("patient").loc[patient, name] == min(until, key=rank.index)
    assert set(course.table["best_response"]) >= {"PR", "SD"}


def test_targets_are_at_most_five_and_two_per_organ_and_the_largest() -> None:
    lesions = follow_up(400, lesions=(5, 9)).lesions
    targets = lesions[lesions["target"] == 1]
    assert targets.groupby("patient").size().between(1, 5).all()
    assert targets.groupby("patient").size().max() == 5
    assert targets.groupby(["patient", "organ"]).size().max() == 2
    least = targets.groupby("organ")["baseline_mm"].min()
    assert least["lymph node"] >= 15
    assert (least >= 10).all()
    others = lesions[(lesions["target"] == 0) & lesions["onset_day"].isna()]
    for (patient, organ), rest in others.groupby(["patient", "organ"]):
        mine = targets[targets["patient"] == patient]
        same = mine[mine["organ"] == organ]
        limit = 15 if organ == "lymph node" else 10
        if len(same) < 2 and len(mine) < 5:
            assert (rest["baseline_mm"] < limit).all()
        elif len(same) == 2:
            assert rest["baseline_mm"].max() <= same["baseline_mm"].min()


def test_dates_are_irregular_and_increase() -> None:
    days = wide(follow_up(500, interval_days=60, irregularity=0.15), "day")
    gaps = np.diff(days, axis=1)
    assert (gaps > 0).all()
    assert gaps.mean() == pytest.approx(60, rel=0.02)
    assert gaps.std() == pytest.approx(9, rel=0.06)
    assert (days[:, 0] == 0).all()
    regular = np.diff(wide(follow_up(5, irregularity=0.0, interval_days=56), "day"), axis=1)
    assert (regular == 56).all()


def test_more_error_calls_more_progression_in_controlled_patients() -> None:
    called = [
        follow_up(300, prevalence=0.0, error=error).table["measured_progression_visit"].notna().mean()
        for error in (0.0, 0.1, 0.2)
    ]
    assert called[0] < called[1] - 0.05 < called[2] - 0.2


def test_difficulty_scales_growth_and_zero_leaves_nothing_to_see() -> None:
    days = [
        follow_up(200, prevalence=1.0, difficulty=d, visits=20).table["progression_day"].median()
        for d in ("hard", "medium", "easy")
    ]
    assert days[0] > days[1] > days[2]
    ill, calm = (follow_up(200, prevalence=p, difficulty=0) for p in (1.0, 0.0))
    pd.testing.assert_frame_equal(ill.measurements, calm.measurements, check_exact=True)
    assert not np.isfinite(ill.lesions["doubling_days"]).any()
    easy, hard = (follow_up(50, difficulty=d) for d in ("easy", "hard"))
    rows = [c.measurements[(c.measurements["visit"] == 0) & (c.measurements["lesion"] == 0)] for c in (easy, hard)]
    pd.testing.assert_frame_equal(*(part.reset_index(drop=True) for part in rows), check_exact=True)


def test_scanner_changes_sizes_only() -> None:
    plain = follow_up(50, error=0.0, **PLAIN)
    scanner = Scanner(gain=1.1, offset=2.0, blur=3.0)
    changed = follow_up(50, error=0.0, sites=(Site(scanner=scanner),), **PLAIN)
    assert plain.measurements["true_mm"].equals(changed.measurements["true_mm"])
    large = plain.measurements["true_mm"] > 5
    expected = 2 + 1.1 * np.hypot(plain.measurements["true_mm"][large], 3.0)
    np.testing.assert_allclose(changed.measurements["measured_mm"][large], expected)
    noisy = follow_up(300, sites=(Site(scanner=Scanner(noise=2.0)),), **PLAIN).measurements
    rows = noisy[noisy["true_mm"] > 20]
    assert (rows["measured_mm"] / rows["true_mm"]).std() == pytest.approx(0.2, rel=0.06)


def test_sites_subgroups_and_label_noise_are_as_requested() -> None:
    sites = (Site(name="north", prevalence=0.2), Site(name="south", prevalence=0.8))
    groups = (Subgroup(name="a"), Subgroup(name="b", contrast=0.0))
    table = follow_up(1000, sites=sites, subgroups=groups, label_noise=(0.3, 0.1), visits=2).table
    share = table.groupby("site")["truth"].mean()
    assert share["north"] == pytest.approx(0.2, abs=0.05)
    assert share["south"] == pytest.approx(0.8, abs=0.05)
    wrong = (table["label"] != table["truth"]).groupby(table["truth"]).mean()
    assert wrong[1] == pytest.approx(0.3, abs=0.06)
    assert wrong[0] == pytest.approx(0.1, abs=0.04)
    assert set(table.loc[table["subgroup"] == "b", "amplitude"]) == {0.0}


@given(
    seed=st.integers(0, 2**32 - 1),
    law=st.sampled_from(["exponential", "logistic", "gompertz"]),
    visits=st.integers(2, 20),
    interval=st.floats(10, 150),
    high=st.integers(1, 9),
    error=st.floats(0, 0.5),
    difficulty=st.sampled_from(["easy", "hard", 0.0, 3.0]),
)
@settings(max_examples=25)
def test_no_impossible_course(
    seed: int, law: str, visits: int, interval: float, high: int, error: float, difficulty: str | float
) -> None:
    course = follow_up(
        4, seed=seed, law=law, visits=visits, interval_days=interval, lesions=(1, high), error=error,
        difficulty=difficulty, prevalence=0.7,
    )  # fmt: skip
    sizes = course.measurements
    assert (sizes[["measured_mm", "true_mm"]] >= 0).all(axis=None)
    assert np.isfinite(sizes[["measured_mm", "true_mm"]]).all(axis=None)
    if law != "exponential":
        assert sizes["true_mm"].max() < 98.5 * 1.4 * 1.16  # the capacity's sphere, the longest ellipse, a flare
    old = course.lesions["onset_day"].isna()
    assert course.lesions.loc[old, "baseline_mm"].between(5, 90).all()
    assert course.lesions["resistant_share"].between(0, 1, inclusive="neither").eq(old).all()
    assert (course.table["n_targets"] >= 1).all()
    later = course.table["progression_day"].dropna()
    assert (later > 0).all()
    assert (later <= course.table.loc[later.index, "last_day"]).all()
    assert course.visits.groupby("patient")["day"].is_monotonic_increasing.all()


def test_a_patient_does_not_depend_on_who_else_is_drawn() -> None:
    whole, part = follow_up(12, seed=3, label_noise=0.3), follow_up(4, first=5, seed=3, label_noise=0.3, jobs=2)
    for a, b in zip(whole, part, strict=True):
        rows = a["patient"].between(5, 8)
        pd.testing.assert_frame_equal(a[rows].reset_index(drop=True), b, check_exact=True)
    longer = follow_up(12, seed=3, visits=12).visits
    shorter = whole.visits
    pd.testing.assert_frame_equal(longer[longer["visit"] < 8].reset_index(drop=True), shorter, check_exact=True)
    assert not follow_up(3, seed=4).visits["sum_mm"].equals(follow_up(3, seed=5).visits["sum_mm"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 0), ("first", -1), ("seed", -1), ("visits", 1), ("interval_days", 1.0), ("irregularity", 0.9),
        ("law", "linear"), ("lesions", (0, 3)), ("lesions", (3, 2)), ("lesions", (1, 20)), ("responders", 2.0),
        ("flares", -1.0), ("error", 2.0), ("readers", 0), ("reader_sd", 1.0), ("change_reader", 2.0),
        ("prevalence", 2.0), ("difficulty", "x"), ("sites", ()), ("subgroups", ()), ("label_noise", 2.0), ("jobs", 0),
    ],
)  # fmt: skip
def test_bad_argument_is_one_clear_line(name: str, value: Any) -> None:
    settings = {"n": 2, name: value}
    with pytest.raises(ValueError, match=rf"^{name}") as caught:
        follow_up(settings.pop("n"), **settings)
    assert "\n" not in str(caught.value)


def test_other_processors_draw_the_same(tmp_path: Path) -> None:
    script = (
        "import sys, pickle; from medcourse.data.phantoms import follow_up\n"
        "pickle.dump(tuple(follow_up(40, seed=4)), open(sys.argv[1], 'wb'))\n"
    )
    disabled = ("AVX2", "FMA3", "AVX512F", "AVX512_SKX", "AVX512CD")
    known = [feature for feature in disabled if np._core._multiarray_umath.__cpu_features__.get(feature)]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "poor")],
        check=True,
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(known)},
    )
    for here, there in zip(follow_up(40, seed=4), pd.read_pickle(tmp_path / "poor"), strict=True):
        pd.testing.assert_frame_equal(here, there, rtol=1e-9)


def test_sum_of_lesions_errs_less_than_one_lesion() -> None:
    """Independent errors average out: the error of a sum of five equal lesions is less than half of one's."""
    found = {}
    for count in (1, 5):
        course = follow_up(300, lesions=(count, count), **PLAIN, prevalence=0.0, responders=0.0)
        visits = course.visits[
            course.visits["patient"].isin(course.table.loc[course.table["n_targets"] == count, "patient"])
        ]
        found[count] = (visits["sum_mm"] / visits["true_sum_mm"]).std()
    assert found[5] < 0.6 * found[1]
    assert found[1] == pytest.approx(0.1, rel=0.1)

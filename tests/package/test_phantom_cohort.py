"""The law that all phantoms share: who is seen where, who is ill, what is recorded, and drawing in parallel."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, pearsonr

from medcourse.data.phantoms import DIFFICULTY, Scanner, Site, Subgroup
from medcourse.data.phantoms._cohort import (
    ONE_GROUP,
    ONE_SITE,
    amplitude_of,
    check_range,
    draw_all,
    draw_patients,
    patient_rng,
    record_labels,
)

SITES = (
    Site(name="north", share=3, prevalence=0.1),
    Site(name="south", share=1, prevalence=0.6, scanner=Scanner(name="new", noise=2)),
    Site(name="west", share=2),
)
GROUPS = (Subgroup(name="one", share=1), Subgroup(name="two", share=4, prevalence=3.0, contrast=0.5))
MANY = 20_000


def cohort(n: int = MANY, **settings: Any) -> pd.DataFrame:
    base: dict[str, Any] = {"first": 0, "seed": 7, "difficulty": "medium", "prevalence": 0.3}
    return draw_patients(n, **{**base, "sites": SITES, "subgroups": GROUPS, **settings}).table


def likely(count: float, n: int, share: float) -> bool:
    """Whether a count is one that a share gives in all but one of 100,000 draws."""
    return binomtest(int(count), n, share).pvalue > 1e-5


def test_shares_of_sites_and_subgroups_are_the_requested_ones() -> None:
    table = cohort()
    for column, strata in (("site", SITES), ("subgroup", GROUPS)):
        total = sum(item.share for item in strata)
        for item in strata:
            assert likely((table[column] == item.name).sum(), MANY, item.share / total), item.name


def test_prevalence_is_the_sites_own_with_the_subgroups_odds() -> None:
    table = cohort()
    for site, base in (("north", 0.1), ("south", 0.6), ("west", 0.3)):
        for group, factor in (("one", 1.0), ("two", 3.0)):
            rows = table[(table["site"] == site) & (table["subgroup"] == group)]
            odds = factor * base / (1 - base)
            assert likely(rows["diseased"].sum(), len(rows), odds / (1 + odds)), (site, group)


def test_site_subgroup_and_disease_are_drawn_independently_of_each_other() -> None:
    table = cohort(sites=(Site(name="a"), Site(name="b")), subgroups=(Subgroup(name="1"), Subgroup(name="2")))
    columns = [table["site"] == "a", table["subgroup"] == "1", table["diseased"]]
    for k, first in enumerate(columns):
        for second in columns[k + 1 :]:
            assert pearsonr(first.astype(float), second.astype(float)).pvalue > 1e-4


@pytest.mark.parametrize("prevalence", [0.0, 1.0])
def test_prevalence_of_none_and_all_is_exact(prevalence: float) -> None:
    table = cohort(500, prevalence=prevalence, sites=ONE_SITE)
    assert (table["diseased"] == (prevalence == 1)).all()


@given(
    first=st.integers(0, 300), n=st.integers(1, 40), more=st.integers(0, 40), seed=st.integers(0, 2**32 - 1),
    prevalence=st.floats(0, 1), difficulty=st.sampled_from(["easy", "hard", 0.0, 2.5]),
)  # fmt: skip
def test_a_patient_is_the_same_whoever_else_is_drawn(
    first: int, n: int, more: int, seed: int, prevalence: float, difficulty: str | float
) -> None:
    settings = {"seed": seed, "prevalence": prevalence, "difficulty": difficulty}
    part, whole = cohort(n, first=first, **settings), cohort(first + n + more, first=0, **settings)
    pd.testing.assert_frame_equal(part, whole.iloc[first : first + n].reset_index(drop=True))
    other = cohort(n, first=first, **{**settings, "difficulty": "medium"})
    assert part.drop(columns="amplitude").equals(other.drop(columns="amplitude"))


def test_each_patient_has_her_sites_scanner() -> None:
    drawn = draw_patients(50, first=5, seed=1, difficulty=1.0, prevalence=0.5, sites=SITES, subgroups=GROUPS)
    by_name = {site.name: site.scanner for site in SITES}
    assert [by_name[site] for site in drawn.table["site"]] == drawn.scanners
    assert [scanner.name for scanner in drawn.scanners] == drawn.table["scanner"].tolist()
    assert drawn.table["patient"].tolist() == list(range(5, 55))


def test_amplitude_is_the_difficultys_times_the_subgroups() -> None:
    assert DIFFICULTY["easy"] > DIFFICULTY["medium"] == 1.0 > DIFFICULTY["hard"] > 0
    assert [amplitude_of(value) for value in ("easy", "hard", 0, 0.25)] == [
        DIFFICULTY["easy"],
        DIFFICULTY["hard"],
        0,
        0.25,
    ]
    table = cohort(500, difficulty="hard")
    assert (table["amplitude"] == DIFFICULTY["hard"] * table["subgroup"].map({"one": 1.0, "two": 0.5})).all()


def rows(n: int, *, each: int = 1, truth: float = 0.5) -> pd.DataFrame:
    """Rows of `n` patients, as a generator hands them over."""
    ill = np.repeat(np.random.default_rng(5).random(n) < truth, each).astype(int)
    return pd.DataFrame({"patient": np.repeat(np.arange(n), each), "truth": ill, "rest": np.arange(n * each)})


@pytest.mark.parametrize(
    ("noise", "missed", "called"), [(0.2, 0.2, 0.2), ((0.3, 0.05), 0.3, 0.05), ((0.0, 0.5), 0, 0.5)]
)
def test_labels_are_wrong_as_often_as_requested(noise: Any, missed: float, called: float) -> None:
    table = record_labels(rows(10_000), label_noise=noise, seed=1)
    assert list(table.columns) == ["patient", "truth", "label", "rest"]
    for truth, share in ((1, missed), (0, called)):
        chosen = table[table["truth"] == truth]
        assert likely((chosen["label"] != truth).sum(), len(chosen), share)


def test_labels_of_one_patient_are_recorded_independently() -> None:
    table = record_labels(rows(5_000, each=2), label_noise=0.3, seed=2)
    wrong = (table["label"] != table["truth"]).to_numpy().reshape(-1, 2).astype(float)
    assert pearsonr(wrong[:, 0], wrong[:, 1]).pvalue > 1e-4


@given(start=st.integers(0, 30), each=st.integers(1, 4), noise=st.floats(0, 1), seed=st.integers(0, 1000))
def test_a_label_does_not_depend_on_other_patients(start: int, each: int, noise: float, seed: int) -> None:
    whole = rows(40, each=each)
    part = whole[whole["patient"] >= start]
    expected = record_labels(whole, label_noise=noise, seed=seed)
    got = record_labels(part, label_noise=noise, seed=seed)
    assert got["label"].tolist() == expected["label"][part.index].tolist()
    assert "label" not in whole.columns


def test_patients_have_generators_of_their_own() -> None:
    first = [patient_rng(seed, patient).random(4).tolist() for seed in (0, 1) for patient in range(50)]
    assert len({tuple(numbers) for numbers in first}) == 100
    assert patient_rng(0, 3).random() == patient_rng(0, 3).random()


def _slow_square(k: int, wait: float) -> int:
    time.sleep(wait)
    return k * k


@pytest.mark.parametrize("jobs", [1, 2, -1])
def test_results_come_in_the_order_of_the_calls(jobs: int) -> None:
    calls = [(k, 0.02 * (k % 3 == 0)) for k in range(9)]
    assert draw_all(_slow_square, calls, jobs=jobs, progress=None) == [k * k for k in range(9)]


def test_a_bar_is_shown_when_asked_for_and_not_else(capsys: pytest.CaptureFixture[str]) -> None:
    draw_all(_slow_square, [(k, 0.0) for k in range(3)], jobs=1, progress=False)
    assert capsys.readouterr().err == ""
    draw_all(_slow_square, [(k, 0.06) for k in range(3)], jobs=1, progress=True)
    shown = capsys.readouterr()
    assert "patient" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("jobs", [0, -2])
def test_no_jobs_are_refused(jobs: int) -> None:
    with pytest.raises(ValueError, match=rf"^jobs={jobs}: give the number of processes, or -1 for all cores$"):
        draw_all(_slow_square, [(1, 0.0)], jobs=jobs, progress=None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, "^n=0 is out of range: give a value from 1 to"),
        ({"first": -1}, "^first=-1 is out of range"),
        ({"seed": -1}, "^seed=-1 is out of range"),
        ({"prevalence": 1.5}, "^prevalence=1.5 is out of range: give a value from 0 to 1"),
        ({"prevalence": float("nan")}, "^prevalence=nan is out of range"),
        ({"difficulty": "brutal"}, "^difficulty='brutal': give easy, medium, hard, or an amplitude"),
        ({"difficulty": -0.1}, "^difficulty=-0.1 is out of range"),
        ({"sites": ()}, r"^sites=\(\) is empty: give at least one Site"),
        ({"subgroups": []}, r"^subgroups=\(\) is empty: give at least one Subgroup"),
        ({"sites": (Site(), Site())}, r"^sites holds a name twice \(A, A\): give each its own"),
        ({"sites": (Site(share=0),)}, "^sites holds a share that is not above 0"),
        ({"subgroups": (Subgroup(share=float("inf")),)}, "^subgroups holds a share that is not above 0"),
        ({"sites": (Site(prevalence=2),)}, "^prevalence of site A=2 is out of range"),
        ({"subgroups": (Subgroup(prevalence=-1),)}, "^prevalence of subgroup all=-1 is out of range"),
        ({"subgroups": (Subgroup(contrast=-1),)}, "^contrast of subgroup all=-1 is out of range"),
        ({"sites": (Site(scanner=Scanner(blur=0)),)}, "^blur of scanner reference=0 is out of range"),
        ({"sites": (Site(scanner=Scanner(noise=-1)),)}, "^noise of scanner reference=-1 is out of range"),
        ({"sites": (Site(scanner=Scanner(gain=0)),)}, "^gain of scanner reference=0 is out of range"),
        ({"sites": (Site(scanner=Scanner(offset=1e9)),)}, "^offset of scanner reference"),
    ],
)
def test_bad_cohort_is_one_clear_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        cohort(**{"n": 3, "subgroups": ONE_GROUP, "sites": ONE_SITE, **settings})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("noise", [2, -0.1, (0.5, 1.5), (-1.0, 0.0)])
def test_label_noise_outside_0_to_1_is_refused(noise: Any) -> None:
    with pytest.raises(ValueError, match=r"^label_noise=.* is out of range: give a value from 0 to 1$"):
        record_labels(rows(3), label_noise=noise, seed=0)


def test_range_names_the_first_offender() -> None:
    check_range(a=(1, 0, 2), b=(2, 0, 2))
    with pytest.raises(ValueError, match=r"^b=3 is out of range: give a value from 0 to 2$"):
        check_range(a=(1, 0, 2), b=(3, 0, 2), c=(9, 0, 2))

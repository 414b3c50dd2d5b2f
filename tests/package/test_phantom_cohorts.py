"""The cohort obeys its graph: coefficients, independences, confounding, censoring, missingness, all measured here."""

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
from scipy import optimize, stats

from medcourse.data.phantoms import COHORT_GRAPH, Cohort, Scanner, Site, Subgroup, cohorts

N = 6000


@cache
def large() -> Cohort:
    return cohorts(N, seed=11)


def cox(x: np.ndarray, time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximise the partial likelihood (no ties): log hazard ratios and their standard errors."""
    order = np.argsort(-time)
    x, event = x[order], event[order].astype(bool)

    def minus(beta: np.ndarray) -> tuple[float, np.ndarray]:
        eta = x @ beta
        weight = np.exp(eta - eta.max())
        total = np.cumsum(weight)
        mean = np.cumsum(weight[:, None] * x, axis=0) / total[:, None]
        value = (eta - eta.max() - np.log(total))[event].sum()
        return -value / len(x), -(x - mean)[event].sum(axis=0) / len(x)

    beta = optimize.minimize(minus, np.zeros(x.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-7}).x
    weight = np.exp(x @ beta)
    total = np.cumsum(weight)
    mean = np.cumsum(weight[:, None] * x, axis=0) / total[:, None]
    second = np.cumsum(weight[:, None, None] * x[:, :, None] * x[:, None, :], axis=0) / total[:, None, None]
    information = (second - mean[:, :, None] * mean[:, None, :])[event].sum(axis=0)
    return beta, np.sqrt(np.diag(np.linalg.inv(information)))


def design(cohort: Cohort) -> pd.DataFrame:
    """The covariates in the units in which the coefficients are stated."""
    t = cohort.table
    return pd.DataFrame(
        {
            "age": t["age"] / 10, "sex": t["sex"], "stage": t["stage"], "pack_years": t["pack_years"] / 18,
            "haemoglobin": t["haemoglobin"] / 15, **cohort.genes[["G001", "G002", "G021", "G022"]],
            "treatment": t["treatment"],
        }
    ).astype(float)  # fmt: skip


def residual(y: np.ndarray, given_these: list[np.ndarray]) -> np.ndarray:
    x = np.column_stack([np.ones(len(y)), *given_these])
    return y - x @ np.linalg.lstsq(x, y, rcond=None)[0]


def dummies(stage: pd.Series) -> list[np.ndarray]:
    return [(stage == k).to_numpy(float) for k in (2, 3, 4)]


def test_cox_regression_on_all_causes_finds_the_stated_coefficients() -> None:
    cohort = large()
    x = design(cohort)
    beta, error = cox(x.to_numpy(), cohort.table["time_years"].to_numpy(), cohort.table["event"].to_numpy())
    stated = cohort.coefficients.loc[x.columns, "log_hazard_ratio"].to_numpy()
    assert (np.abs(beta - stated) < 3.3 * error).all()
    assert np.abs(beta - stated).max() < 0.12
    assert beta[-1] == pytest.approx(np.log(0.6), abs=3 * error[-1])


def test_the_naive_effect_of_treatment_is_biased_and_adjustment_mends_it() -> None:
    cohort = large()
    time, event = (cohort.table[name].to_numpy() for name in ("time_years", "event"))
    naive, error = cox(design(cohort)[["treatment"]].to_numpy(), time, event)
    assert naive[0] > np.log(0.6) + 8 * error[0], "the sicker are treated, so the treatment looks worse than it is"
    # Standardisation: survival at three years within stage and age, averaged over all, against the potential outcomes.
    truth, t = cohort.truth, cohort.table
    effect = (truth["survival_treated"] > 3).mean() - (truth["survival_untreated"] > 3).mean()
    crude = (t["truth"] == 0).groupby(t["treatment"]).mean().diff().iloc[-1]
    stratum = t["stage"].astype(str) + pd.cut(t["age"], [0, 55, 60, 65, 70, 75, 100]).astype(str)
    frame = pd.DataFrame({"alive": t["truth"] == 0, "stratum": stratum, "treatment": t["treatment"]})
    alive = frame.pivot_table(index="stratum", columns="treatment", values="alive")
    share = stratum.value_counts(normalize=True)
    adjusted = ((alive[1] - alive[0]) * share).sum()
    assert effect == pytest.approx(adjusted, abs=0.035)
    assert crude < effect - 0.08


def test_potential_outcomes_are_consistent_and_differ_by_the_hazard_ratio() -> None:
    truth, table = large().truth, large().table
    received = np.where(table["treatment"] == 1, truth["survival_treated"], truth["survival_untreated"])
    np.testing.assert_array_equal(truth["survival"], received)
    ratio = truth["survival_treated"] / truth["survival_untreated"]
    np.testing.assert_allclose(ratio, 0.6 ** (-1 / 1.5), rtol=1e-9)  # Weibull: time scales with HR^(-1/shape)
    assert ((truth["survival"] <= 3) == (table["truth"] == 1)).all()


def test_survival_follows_the_stated_weibull_law() -> None:
    truth = large().truth
    log_hazard = truth["log_hazard"] + np.log(0.6) * large().table["treatment"]
    # Cumulative hazards at the event times of the right model are exponential: λ t^1.5 exp(η), up to one constant λ.
    hazard = truth["survival"] ** 1.5 * np.exp(log_hazard)
    assert stats.kstest(hazard / hazard.mean(), "expon").pvalue > 0.01
    wrong = truth["survival"] ** 0.9 * np.exp(log_hazard)
    assert stats.kstest(wrong / wrong.mean(), "expon").pvalue < 1e-6


@pytest.mark.parametrize(
    ("a", "b", "given_these"),
    [
        ("image_score", "age", ["stage", "G021"]),
        ("image_score", "pack_years", ["stage", "G021"]),
        ("image_score", "treatment", ["stage", "age", "G021"]),
        ("haemoglobin", "pack_years", ["stage", "sex", "age"]),
        ("haemoglobin", "crp", ["stage", "sex", "age", "pack_years"]),
        ("treatment", "G001", ["stage", "age"]),
        ("treatment", "haemoglobin", ["stage", "age", "sex"]),
        ("G021", "pack_years", []),
        ("G001", "G021", []),
        ("age", "sex", []),
    ],
)
def test_variables_that_the_graph_separates_are_independent(a: str, b: str, given_these: list[str]) -> None:
    frame = large().table.join(large().genes)
    frame["crp"] = np.log(frame["crp"])
    # Logit and square terms: where the equations are not linear, the conditioning set must not be either.
    columns = [c for name in given_these for c in ([*dummies(frame["stage"])] if name == "stage" else [frame[name]])]
    columns += (
        [frame["age"] ** 2, *(d * frame["age"] for d in dummies(frame["stage"]))] if "treatment" in (a, b) else []
    )
    rho = np.corrcoef(*(residual(frame[name].to_numpy(float), columns) for name in (a, b)))[0, 1]
    assert abs(rho) < 3.3 / np.sqrt(N)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("stage", "treatment"), ("age", "treatment"), ("G001", "stage"), ("pack_years", "G001"), ("stage", "crp"),
        ("image_score", "G021"), ("sex", "haemoglobin"), ("age", "pack_years"), ("image_score", "truth"),
    ],
)  # fmt: skip
def test_variables_that_the_graph_connects_are_dependent(a: str, b: str) -> None:
    frame = large().table.join(large().genes)
    assert abs(np.corrcoef(frame[a], frame[b])[0, 1]) > 3.5 / np.sqrt(N)


def test_the_image_score_predicts_death_but_adds_nothing_to_its_causes() -> None:
    cohort = large()
    time, event = (cohort.table[name].to_numpy() for name in ("time_years", "event"))
    score = cohort.table["image_score"].to_numpy()
    alone, error = cox(score[:, None], time, event)
    assert alone[0] > 10 * error[0]
    both, error = cox(np.column_stack([design(cohort), score]), time, event)
    assert abs(both[-1]) < 3.3 * error[-1]


def test_genes_correlate_within_blocks_only_and_few_of_them_cause_anything() -> None:
    genes = large().genes.to_numpy(np.float64)
    r = np.corrcoef(genes.T)
    block = np.arange(200) // 20
    same = (block[:, None] == block) & ~np.eye(200, dtype=bool)
    assert r[same].mean() == pytest.approx(0.5, abs=0.02)
    assert r[same].std() < 0.02
    other = block[:, None] != block
    assert abs(r[other].mean()) < 0.005
    assert r[other].std() == pytest.approx(1 / np.sqrt(N), rel=0.25)
    np.testing.assert_allclose(genes.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(genes.std(axis=0), 1, atol=0.05)
    causes = {cause for cause, effect in COHORT_GRAPH if effect == "survival" and cause.startswith("G")}
    assert causes == {"G001", "G002", "G021", "G022"}
    gene = large().genes[["G003", "G023", "G050"]]  # correlated bystanders, and one of another block
    time, event = (large().table[name].to_numpy() for name in ("time_years", "event"))
    alone = [cox(gene[[name]].to_numpy(float), time, event) for name in gene]
    assert all(abs(b[0]) > 4 * e[0] for b, e in alone[:2])
    beta, error = cox(np.column_stack([design(large()), gene]), time, event)
    assert (np.abs(beta[-3:]) < 3.3 * error[-3:]).all()


def test_the_graph_has_no_cycle_and_names_only_columns() -> None:
    known = {*large().table.columns, *large().genes.columns, "programme_1", "programme_2", "survival"}
    assert {name for edge in COHORT_GRAPH for name in edge} <= known
    left = set(COHORT_GRAPH)
    while left:
        sinks = {effect for _, effect in left} - {cause for cause, _ in left}
        assert sinks, "a cycle"
        left = {edge for edge in left if edge[1] not in sinks}
    assert large().graph == COHORT_GRAPH
    assert ("stage", "dropout") in cohorts(5, informative=1.0).graph


@pytest.mark.parametrize(
    ("censoring", "dropout", "informative"), [(0.0, 0.5, 0.0), (0.2, 0.0, 0.0), (0.6, 0.5, 0.0), (0.5, 1.0, 1.0)]
)
def test_censoring_is_as_requested(censoring: float, dropout: float, informative: float) -> None:
    table = cohorts(4000, censoring=censoring, dropout=dropout, informative=informative, genes=22).table
    reason = table["reason"].value_counts(normalize=True).reindex(["dropout", "end of study"], fill_value=0.0)
    assert reason["dropout"] == pytest.approx(censoring * dropout, abs=0.03)
    assert reason["end of study"] == pytest.approx(censoring * (1 - dropout), abs=0.03)
    assert ((table["event"] == 1) == (table["reason"] == "death")).all()


def kaplan_meier(time: np.ndarray, event: np.ndarray, at: float) -> float:
    order = np.argsort(time)
    time, event = time[order], event[order]
    alive = np.where((time <= at) & (event == 1), 1 - 1 / np.arange(len(time), 0, -1), 1.0)
    return float(alive.prod())


def test_informative_dropout_biases_kaplan_meier_and_chance_does_not() -> None:
    found = {}
    for informative in (0.0, 1.0):
        cohort = cohorts(4000, censoring=0.5, dropout=1.0, informative=informative, genes=22, seed=2)
        seen = kaplan_meier(cohort.table["time_years"].to_numpy(), cohort.table["event"].to_numpy(), 3.0)
        found[informative] = seen - (cohort.truth["survival"] > 3).mean()
    assert abs(found[0.0]) < 0.03
    assert found[1.0] > 0.03, "the sicker leave, so those who stay live longer"


def test_missing_values_are_as_many_and_as_biased_as_requested() -> None:
    for mechanism in ("completely at random", "at random", "not at random"):
        cohort = cohorts(5000, missing=0.3, mechanism=mechanism, genes=22)
        table, truth = cohort.table, cohort.truth
        lost = table["crp"].isna()
        assert table[["haemoglobin", "crp", "image_score"]].isna().mean().to_numpy() == pytest.approx(0.3, abs=0.03)
        np.testing.assert_array_equal(table["crp"][~lost], truth["crp"][~lost])
        shift = np.log(truth["crp"][lost]).mean() - np.log(truth["crp"]).mean()
        within = [
            np.log(truth["crp"][lost & (table["stage"] == k)]).mean() - np.log(truth["crp"][table["stage"] == k]).mean()
            for k in (1, 2, 3, 4)
        ]
        assert (shift > 0.1) == (mechanism != "completely at random")
        assert (np.mean(within) > 0.2) == (mechanism == "not at random")
    assert not cohorts(100, genes=22).table.isna().any(axis=None)


def test_prevalence_follows_sites_and_subgroups() -> None:
    sites = (Site(name="north", prevalence=0.2, share=2), Site(name="south", prevalence=0.7))
    groups = (Subgroup(name="a"), Subgroup(name="b", prevalence=3.0))
    table = cohorts(8000, sites=sites, subgroups=groups, genes=22).table
    found = table.groupby(["site", "subgroup"])["truth"].mean()
    assert found["north", "a"] == pytest.approx(0.2, abs=0.03)
    assert found["south", "a"] == pytest.approx(0.7, abs=0.035)
    assert found["north", "b"] == pytest.approx(0.6 / 1.4, abs=0.04)
    assert (table["site"] == "north").mean() == pytest.approx(2 / 3, abs=0.02)


def test_at_amplitude_zero_nothing_tells_who_dies() -> None:
    cohort = cohorts(4000, difficulty=0, genes=22)
    table = cohort.table.drop(columns=["patient", "site", "scanner", "subgroup", "label", "amplitude", "reason"])
    for name in table.columns.drop(["truth", "time_years", "event"]):
        assert stats.ks_2samp(*(table.loc[table["truth"] == k, name] for k in (0, 1))).pvalue > 0.005, name
    assert (cohort.truth["survival_treated"] == cohort.truth["survival_untreated"]).all()


def test_a_subgroup_of_no_contrast_is_harder() -> None:
    groups = (Subgroup(name="a"), Subgroup(name="b", contrast=0.0))
    cohort = cohorts(3000, subgroups=groups, genes=22)
    spread = cohort.truth.groupby(cohort.table["subgroup"])["log_hazard"].std()
    assert spread["b"] == 0
    assert spread["a"] > 0.8


def test_a_scanner_changes_the_image_score_and_nothing_else() -> None:
    plain = cohorts(400, genes=22)
    changed = cohorts(400, genes=22, sites=(Site(scanner=Scanner(noise=2.0, gain=1.5, offset=0.3)),))
    for name in plain.table.columns.drop("image_score"):
        assert plain.table[name].equals(changed.table[name]), name
    quiet = cohorts(400, genes=22, sites=(Site(scanner=Scanner(noise=0.0)),)).table["image_score"]
    explained = 0.5 * (plain.table["stage"] - 2.5) + 0.5 * plain.genes["G021"]
    np.testing.assert_allclose(quiet, explained, atol=1e-6)
    noise = plain.table["image_score"] - quiet
    np.testing.assert_allclose(changed.table["image_score"], 1.5 * (quiet + 2 * noise) + 0.3, atol=1e-6)


def test_label_noise_is_as_requested() -> None:
    table = cohorts(3000, label_noise=(0.3, 0.1), genes=22).table
    wrong = (table["label"] != table["truth"]).groupby(table["truth"]).mean()
    assert wrong[1] == pytest.approx(0.3, abs=0.035)
    assert wrong[0] == pytest.approx(0.1, abs=0.025)


@given(
    seed=st.integers(0, 2**32 - 1),
    prevalence=st.floats(0.02, 0.98),
    censoring=st.floats(0, 0.9),
    dropout=st.floats(0, 1),
    difficulty=st.sampled_from(["easy", "medium", "hard", 0.0, 3.0]),
    ratio=st.floats(0.2, 3.0),
)
@settings(max_examples=15)
def test_no_impossible_patient(
    seed: int, prevalence: float, censoring: float, dropout: float, difficulty: str | float, ratio: float
) -> None:
    cohort = cohorts(
        60, seed=seed, prevalence=prevalence, censoring=censoring, dropout=dropout, difficulty=difficulty,
        hazard_ratio=ratio, genes=22,
    )  # fmt: skip
    table, truth = cohort.table, cohort.truth
    assert table["age"].between(30, 90).all()
    assert table["stage"].isin([1, 2, 3, 4]).all()
    assert table["pack_years"].between(0, 90).all()
    assert table["haemoglobin"].between(60, 185).all()
    assert table["crp"].between(0.2, 300).all()
    assert (table["time_years"] > 0).all()
    assert np.isfinite(table["time_years"]).all()
    assert (table["time_years"] <= truth["survival"]).all()
    assert ((table["time_years"] == truth["survival"]) == (table["event"] == 1)).all()
    assert truth["propensity"].between(0.001, 0.999).all()
    assert (cohort.genes.abs() < 8).all(axis=None)


def test_a_patient_does_not_depend_on_who_else_is_drawn() -> None:
    kwargs: dict[str, Any] = {"seed": 5, "missing": 0.2, "label_noise": 0.2, "censoring": 0.5}
    whole, part = cohorts(50, **kwargs), cohorts(20, first=17, **kwargs)
    for a, b in ((whole.table, part.table), (whole.truth, part.truth), (whole.genes, part.genes)):
        pd.testing.assert_frame_equal(a.iloc[17:37].reset_index(drop=True), b, check_exact=True)
    fewer = cohorts(50, genes=40, **kwargs)
    pd.testing.assert_frame_equal(fewer.genes, whole.genes.iloc[:, :40], check_exact=True)
    assert not cohorts(20, seed=6).table["age"].equals(cohorts(20, seed=7).table["age"])


def test_difficulty_leaves_the_patients_as_they_are() -> None:
    a, b = cohorts(100, genes=22), cohorts(100, genes=22, difficulty="hard")
    for name in ("age", "sex", "stage", "crp", "treatment"):
        assert a.table[name].equals(b.table[name])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 0), ("first", -1), ("seed", -1), ("genes", 5), ("horizon_years", 0.0), ("hazard_ratio", 0.0),
        ("censoring", 1.0), ("dropout", 2.0), ("informative", 9.0), ("missing", 1.0), ("mechanism", "luck"),
        ("prevalence", 0.0), ("difficulty", "x"), ("sites", ()), ("subgroups", ()), ("label_noise", 2.0),
        ("sites", (Site(prevalence=1.0),)),
    ],
)  # fmt: skip
def test_bad_argument_is_one_clear_line(name: str, value: Any) -> None:
    settings = {"n": 3, name: value}
    with pytest.raises(ValueError, match=rf"^({name}|prevalence)\b") as caught:
        cohorts(settings.pop("n"), **settings)
    assert "\n" not in str(caught.value)


def test_other_processors_draw_the_same(tmp_path: Path) -> None:
    script = (
        "import sys; from medcourse.data.phantoms import cohorts\n"
        "c = cohorts(300, seed=4, missing=0.2)\n"
        "c.table.to_pickle(sys.argv[1] + '/table'); c.truth.to_pickle(sys.argv[1] + '/truth')\n"
        "c.genes.to_pickle(sys.argv[1] + '/genes')\n"
    )
    disabled = ("AVX2", "FMA3", "AVX512F", "AVX512_SKX", "AVX512CD")
    known = [feature for feature in disabled if np._core._multiarray_umath.__cpu_features__.get(feature)]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)],
        check=True,
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(known)},
    )
    here = cohorts(300, seed=4, missing=0.2)
    for name in ("table", "truth", "genes"):
        there = pd.read_pickle(tmp_path / name)
        pd.testing.assert_frame_equal(getattr(here, name), there, rtol=1e-9 if name != "genes" else 1e-5)

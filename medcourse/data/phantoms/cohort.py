"""A synthetic cohort with known causes: clinical and genomic columns, treatment and survival from a stated graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from medcourse.data.phantoms import _cohort_graph as graph
from medcourse.data.phantoms._cohort import (
    ONE_GROUP,
    ONE_SITE,
    Patients,
    Site,
    Subgroup,
    check_range,
    draw_patients,
    record_labels,
)

__all__ = ["COHORT_GRAPH", "Cohort", "cohorts"]

COHORT_GRAPH: tuple[tuple[str, str], ...] = graph.EDGES
_MECHANISMS = ("completely at random", "at random", "not at random")
_LABS = ("haemoglobin", "crp", "image_score")


class Cohort(NamedTuple):
    """Patients and the truth about them: `table`, `genes`, `graph`, `truth`, `coefficients`.

    `table` has one row per patient, as a registry would hold it; `genes` float32, one column per gene, standardised
    expression; `graph` the edges (cause, effect) from which all was drawn; `truth` one row per patient: what nobody
    can see (both potential survival times, the propensity, the values that are missing in `table`); `coefficients`
    the log hazard ratios that were used at amplitude 1, with the unit of each covariate.
    """

    table: pd.DataFrame
    genes: pd.DataFrame
    graph: tuple[tuple[str, str], ...]
    truth: pd.DataFrame
    coefficients: pd.DataFrame


def cohorts(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    genes: int = 200,
    horizon_years: float = 3.0,
    hazard_ratio: float = 0.6,
    censoring: float = 0.4,
    dropout: float = 0.5,
    informative: float = 0.0,
    missing: float = 0.0,
    mechanism: str = "at random",
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
) -> Cohort:
    """Draw a cohort of cancer patients, with treatment, survival and censoring, from a stated causal graph.

    Parameters
    ----------
    n
        Number of patients.
    seed, first
        Patient `first` + k is the same for every `n` and `first`.
    genes
        Number of genes, at least 22; each 20 share a programme. The causal ones are G001, G002, G021 and G022.
    horizon_years
        `truth` in the table is whether death came before this time.
    hazard_ratio
        Of the treatment, above 0; below 1 it prolongs life.
    censoring
        Share of the patients whose death is not seen, 0 to 0.95.
    dropout
        Share of the censored who left early, 0 to 1; for the others the study ended.
    informative
        Log of the factor on the rate of dropout for one standard deviation of the patient's log hazard. 0: who
        leaves is left to chance. Otherwise the edges into survival lead into dropout as well.
    missing
        Share of the values of haemoglobin, CRP and the image score that are missing, 0 to 0.9.
    mechanism
        Why values are missing: "completely at random", "at random" (older patients and higher stages more often),
        or "not at random" (low haemoglobin, high CRP and high scores more often).
    difficulty
        "easy", "medium", "hard", or a factor on all log hazard ratios, the treatment's included; at 0 survival
        depends on nothing. A subgroup's `contrast` multiplies it.
    prevalence
        Share of patients who die of the disease before `horizon_years`, 0.01 to 0.99, on average over the cohort.
    sites, subgroups
        Who is seen where. A scanner changes the image score: its noise, gain and offset.
    label_noise
        Share of labels recorded wrongly, or the shares of deaths missed and of survivors recorded as dead.

    Returns
    -------
    Cohort
        Columns of its table: `patient`, `site`, `scanner`, `subgroup`, `truth`, `label`, `amplitude`, `age` (years),
        `sex` (0 female, 1 male), `pack_years`, `stage` (1 to 4), `haemoglobin` (g/L), `crp` (mg/L), `image_score`,
        `treatment` (0, 1), `time_years` and `event` (1 death, 0 censored), and `reason` (death, end of study,
        dropout). Of `truth`: `survival_untreated`, `survival_treated`, `survival` (years), `propensity`,
        `log_hazard` (of her covariates, without treatment), `haemoglobin`, `crp`, `image_score` (complete).

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    **Edges** (`COHORT_GRAPH`). Age and sex → smoking; smoking → programme 1 → genes G001–G020; programme b →
    genes of block b; G001 and smoking → stage; sex, age, stage → haemoglobin; stage and smoking → CRP; stage and
    G021 → image score; stage and age → treatment; age, sex, stage, smoking, haemoglobin, treatment, G001, G002, G021,
    G022 → survival. So stage and age confound the treatment, the image score predicts death but causes nothing, and
    19 genes follow each causal one.

    **Structural equations**, z a fresh standard normal deviate, b = pack-years standardised: age = 64 + 10 z;
    P(smoked) = 0.55 + 0.20 male; pack-years = 26 + 0.35 (age − 64) + 6 male + 12 z; programme 1 = 0.4 b + 0.92 z;
    gene = √0.5 programme + √0.5 z; severity = 0.5 G001 + 0.2 b + 0.8 z, cut at −0.75, 0.1 and 0.95 to stages 1 to 4;
    haemoglobin = 134 + 12 (male − ½) − 0.25 (age − 64) − 5 (stage − 2.5) + 11 z;
    log CRP = 1.4 + 0.45 (stage − 2.5) + 0.2 b + 0.7 z; image score = 0.5 (stage − 2.5) + 0.5 G021 + 0.7 z;
    logit P(treatment) = −0.1 + 0.9 (stage − 2.5) − 0.06 (age − 64). Survival has the hazard λ 1.5 √t exp(η) of a
    Weibull law, drawn by its inverse (Bender, Augustin and Blettner 2005, doi:10.1002/sim.2059), λ such that the
    prevalence is as requested. Both potential times of a patient share her uniform number; consistency holds:
    `survival` is the one under the treatment she received (Hernán and Robins 2006, doi:10.1136/jech.2004.029496).
    The three ways to be missing are Rubin's (1976, doi:10.1093/biomet/63.3.581). All numbers are invented; only
    their order of magnitude is that of a lung cancer registry. Nobody dies of anything else: a survival time of 60
    years says that the disease would not have killed her sooner.

    Taught in: 2.4 Probability and statistics, 4.1.5 Time to event, 5.7b Multimodal fusion.

    Examples
    --------
    >>> cohort = cohorts(500)
    >>> cohort.genes.shape
    (500, 200)
    >>> ("stage", "treatment") in cohort.graph and ("stage", "survival") in cohort.graph
    True
    >>> bool((cohort.truth["survival_treated"] > cohort.truth["survival_untreated"]).all())
    True
    """
    people = _people(n, first, seed, difficulty, prevalence, sites, subgroups)
    check_range(
        genes=(genes, 22, 20_000), horizon_years=(horizon_years, 0.01, 100), hazard_ratio=(hazard_ratio, 1e-3, 1e3),
        censoring=(censoring, 0, 0.95), dropout=(dropout, 0, 1), informative=(informative, -3, 3),
        missing=(missing, 0, 0.9),
    )  # fmt: skip
    if mechanism not in _MECHANISMS:
        raise ValueError(f"mechanism={mechanism!r}: give one of {', '.join(map(repr, _MECHANISMS))}")
    shares = _shares(people.table, prevalence, sites, subgroups)
    noise = graph.draw_noise(seed, first, n, genes)
    u = dict(zip(graph.CLINICAL, noise.clinical.T, strict=True))
    columns, expression = graph.solve(noise, genes)
    noisy, gain, offset = (
        np.array([getattr(scanner, name) for scanner in people.scanners]) for name in ("noise", "gain", "offset")
    )
    extra = 0.7 * (noisy - 1) * special.ndtri(u["image_score"])
    columns["image_score"] = offset + gain * (columns["image_score"] + extra)

    log_ratio, amplitude = float(np.log(hazard_ratio)), people.table["amplitude"].to_numpy()
    eta = graph.linear_predictor(columns, expression)
    log_rate, limit, rate = np.empty(n), np.empty(n), np.empty(n)
    for pair in sorted(set(zip(amplitude.tolist(), shares.tolist(), strict=True))):
        rows = (amplitude == pair[0]) & (shares == pair[1])
        base = graph.log_baseline(genes, pair[0], log_ratio, pair[1], float(horizon_years))
        log_rate[rows] = base
        law = graph.calibrate_censoring(genes, pair[0], log_ratio, base, censoring, dropout, informative)
        limit[rows], rate[rows] = law
    untreated = graph.event_times(u["survival"], log_rate + amplitude * eta)
    treated = graph.event_times(u["survival"], log_rate + amplitude * (eta + log_ratio))
    survival = np.where(columns["treatment"] == 1, treated, untreated)
    ended = limit * (0.6 + 0.8 * u["entry"])
    spread = graph.reference(genes).eta.std()
    with np.errstate(divide="ignore"):
        left = -np.log(u["dropout"]) / (rate * np.exp(informative * eta / spread))
    time = np.minimum(survival, np.minimum(ended, left))
    reason = np.select([survival <= time, ended <= time], ["death", "end of study"], "dropout")

    table = people.table.drop(columns="diseased")
    table.insert(4, "truth", (survival <= horizon_years).astype(np.int64))
    for name in ("age", "sex", "pack_years", "stage", *_LABS, "treatment"):
        whole = name in ("sex", "stage", "treatment")
        table[name] = columns[name].astype(np.int64) if whole else columns[name]
    for name in _LABS:
        if missing > 0:
            drive = graph.missing_drive(mechanism, name, columns)
            lost = special.expit(graph.missing_intercept(genes, mechanism, name, missing) + drive)
            table.loc[u[f"missing_{name}"] < lost, name] = np.nan
    table["time_years"], table["event"], table["reason"] = time, (reason == "death").astype(np.int64), reason
    truth = pd.DataFrame(
        {
            "patient": table["patient"], "survival_untreated": untreated, "survival_treated": treated,
            "survival": survival, "propensity": columns["propensity"], "log_hazard": amplitude * eta,
            **{name: columns[name] for name in _LABS},
        }
    )  # fmt: skip
    names = [f"G{k + 1:03d}" for k in range(genes)]
    edges = COHORT_GRAPH + (graph.INFORMATIVE_EDGES if informative else ())
    return Cohort(
        record_labels(table, label_noise=label_noise, seed=seed),
        pd.DataFrame(expression.astype(np.float32), columns=names),
        edges,
        truth,
        _coefficients(log_ratio),
    )


def _people(
    n: int,
    first: int,
    seed: int,
    difficulty: str | float,
    prevalence: float,
    sites: Sequence[Site],
    subgroups: Sequence[Subgroup],
) -> Patients:
    people = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    check_range(prevalence=(prevalence, 0.01, 0.99))
    for site in sites:
        if site.prevalence is not None:
            check_range(**{f"prevalence of site {site.name}": (site.prevalence, 0.01, 0.99)})
    return people


def _shares(
    table: pd.DataFrame, prevalence: float, sites: Sequence[Site], subgroups: Sequence[Subgroup]
) -> graph.Float:
    """Share of each patient's stratum who die before the horizon."""
    base = {site.name: prevalence if site.prevalence is None else site.prevalence for site in sites}
    odds = {group.name: group.prevalence for group in subgroups}
    p = table["site"].map(base).to_numpy(np.float64)
    ratio = table["subgroup"].map(odds).to_numpy(np.float64)
    share: graph.Float = np.clip(p * ratio / (1 - p + p * ratio), 1e-4, 1 - 1e-4)
    return share


def _coefficients(log_ratio: float) -> pd.DataFrame:
    units = {"age": "10 years", "pack_years": "18 pack-years", "haemoglobin": "15 g/L", "stage": "1 stage"}
    rows = [
        {"covariate": name, "log_hazard_ratio": beta, "per": units.get(name, "male" if name == "sex" else "1 SD")}
        for name, beta in graph.LOG_HAZARD.items()
    ]
    rows.append({"covariate": "treatment", "log_hazard_ratio": log_ratio, "per": "treated"})
    return pd.DataFrame(rows).set_index("covariate")

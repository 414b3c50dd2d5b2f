"""Synthetic radiology reports with known truth: what is found, denied, doubted, and where in the text it says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medcourse.data.phantoms import _report_text as text
from medcourse.data.phantoms._cohort import (
    ONE_GROUP,
    ONE_SITE,
    Site,
    Subgroup,
    check_range,
    draw_all,
    draw_patients,
    record_labels,
)
from medcourse.data.phantoms._report_grammar import FINDINGS

__all__ = ["REPORT_FINDINGS", "Reports", "reports"]

REPORT_FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {f.name: tuple(word for pair in f.terms for word in pair if word) for f in FINDINGS}
)


class Reports(NamedTuple):
    """Reports with their truth: `table`, `sentences`, `mentions`.

    `table` has one row per report, with its `text`; `sentences` one row per sentence, `mentions` one per mention of a
    finding. `start` and `end` are character positions in the report's text, `report` is its row in `table`.
    """

    table: pd.DataFrame
    sentences: pd.DataFrame
    mentions: pd.DataFrame


class _Plan(NamedTuple):
    seed: int
    reports: int
    sentences: int
    target: str
    negation: float
    tricky: float
    others: float


def reports(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    reports_per_patient: int = 1,
    sentences: int = 6,
    target: str = "pleural effusion",
    negation: float = 0.6,
    tricky: float = 0.5,
    others: float = 0.15,
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    jobs: int = 1,
    progress: bool | None = None,
) -> Reports:
    """Write short reports of chest films from a small grammar, with every finding, cue and status known.

    Parameters
    ----------
    n
        Number of patients.
    seed, first
        Patient `first` + k is the same for every `n`, `first` and `jobs`.
    reports_per_patient
        Reports of each patient: the same disease, written anew.
    sentences
        Sentences in a report, 1 to 12.
    target
        The finding that `truth` is about, one of `REPORT_FINDINGS`.
    negation
        Share of absent findings that are denied in so many words; the others are not mentioned.
    tricky
        Share of sentences worded in a way that simple rules get wrong or do not cover: "has resolved", "no change
        in", "cannot be excluded", "no …, but …".
    others
        Share of patients who have each of the other findings.
    difficulty
        "easy", "medium", "hard", or how far the reports of the ill differ from those of the healthy: at medium 86 %
        of the ill have the target called present, at 0 as few as of the healthy.
    prevalence
        Share of patients who have the target.
    sites, subgroups
        Who is seen where. A scanner leaves no trace in a report.
    label_noise
        Share of labels recorded wrongly, or the shares of ill patients missed and of healthy ones called.
    jobs, progress
        Processes (-1: all cores), and whether to show a bar (None: on a terminal).

    Returns
    -------
    Reports
        `table`: `patient`, `site`, `scanner`, `subgroup`, `report` (its number within the patient), `truth` (she has
        the target, whatever the report says), `label`, `amplitude`, `text`, and one column per finding: "present",
        "absent", "uncertain" or "not mentioned". `sentences`: `report`, `sentence`, `start`, `end`, `rule`.
        `mentions`: `report`, `sentence`, `finding`, `status` (present, absent, uncertain, asked, history), `term`,
        `start`, `end`, `cue`, `cue_start`, `cue_end` (−1 without a cue), `cue_kind` (negation, pseudo-negation,
        uncertainty, question, history), `side`, `severity`, `size_mm`, `place`, `distance_mm`, `prior`, `rule`.

    Raises
    ------
    ValueError
        If an argument is outside its range, or the target is unknown.

    Notes
    -----
    A finding that is only asked about, or only part of the history, counts as not mentioned. Denied findings often
    share a sentence and its cue, whose scope ends at "but". The problem, and the rules that a first solution uses:
    Chapman et al. 2001, doi:10.1006/jbin.2001.1029; uncertain mentions as labels of their own: Irvin et al. 2019,
    doi:10.1609/aaai.v33i01.3301590. Vocabulary and rules are the course's own; no report of a patient was used.
    Taught in: 2.1 Basic concepts, 5.7a Cross-modal learning.

    Examples
    --------
    >>> drawn = reports(2)
    >>> mention = drawn.mentions.iloc[0]
    >>> said = drawn.table["text"][mention["report"]][mention["start"] : mention["end"]]
    >>> said.lower() == mention["term"]
    True
    """
    check_range(
        reports_per_patient=(reports_per_patient, 1, 1000), sentences=(sentences, 1, 12), negation=(negation, 0, 1),
        tricky=(tricky, 0, 1), others=(others, 0, 1),
    )  # fmt: skip
    if target not in REPORT_FINDINGS:
        raise ValueError(f"target={target!r}: give one of {', '.join(REPORT_FINDINGS)}")
    table, _ = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    plan = _Plan(seed, reports_per_patient, sentences, target, negation, tricky, others)
    drawn = draw_all(_patient, [(row, plan) for row in table.to_dict("records")], jobs=jobs, progress=progress)
    done = [report for part in drawn for report in part]
    rows = record_labels(pd.DataFrame([report[0] for report in done]), label_noise=label_noise, seed=seed)
    lines = [{"report": k, **row} for k, (_, rows_of, _) in enumerate(done) for row in rows_of]
    mentions = [{"report": k, **row} for k, (_, _, rows_of) in enumerate(done) for row in rows_of]
    return Reports(rows, pd.DataFrame(lines), pd.DataFrame(mentions, columns=_MENTION))


_MENTION = [
    "report", "sentence", "finding", "status", "term", "start", "end", "cue", "cue_start", "cue_end", "cue_kind",
    "side", "severity", "size_mm", "place", "distance_mm", "prior", "rule",
]  # fmt: skip


def _patient(row: dict[str, Any], plan: _Plan) -> list[tuple[dict[str, Any], list[Any], list[Any]]]:
    done = []
    for number in range(plan.reports):
        said_rng, word_rng = (np.random.default_rng([plan.seed, 3, row["patient"], number, k]) for k in (1, 2))
        said = text.draw_statuses(
            said_rng, plan.target, bool(row["diseased"]), float(row["amplitude"]), plan.negation, plan.others
        )
        words, lines, mentions = text.compose(word_rng, said, plan.target, plan.sentences, plan.tricky)
        stated: dict[str, Any] = {m["finding"]: m["status"] for m in mentions if m["status"] in text.STATED}
        summary = {name: row[name] for name in ("patient", "site", "scanner", "subgroup")}
        summary |= {"report": number, "truth": int(row["diseased"]), "amplitude": row["amplitude"], "text": words}
        summary |= {name: stated.get(name, "not mentioned") for name in REPORT_FINDINGS}
        done.append((summary, lines, mentions))
    return done

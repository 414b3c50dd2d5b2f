"""Synthetic courses of disease: tumours that grow, respond and escape, measured visit by visit with error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

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
from medcourse.data.phantoms._growth_course import LAWS, MAX_LESIONS, MAX_VISITS, Settings, follow, grown
from medcourse.data.phantoms._recist import respond

__all__ = ["FollowUp", "follow_up", "grow", "recist"]


class FollowUp(NamedTuple):
    """Courses of disease with their truth: `visits`, `measurements`, `lesions`, `table`.

    `visits` has one row per patient and visit, `measurements` one per patient, lesion and visit, `lesions` one per
    lesion, `table` one per patient. All sizes are in millimetres, all times in days from the baseline.
    """

    visits: pd.DataFrame
    measurements: pd.DataFrame
    lesions: pd.DataFrame
    table: pd.DataFrame


def grow(
    volume: ArrayLike, days: ArrayLike, *, law: str = "gompertz", rate: ArrayLike, capacity: float = np.inf
) -> NDArray[np.float64]:
    """Grow a volume by a law of tumour growth, in closed form.

    Parameters
    ----------
    volume
        Volume at day 0, above 0, for example in cubic millimetres.
    days
        Times, in days; broadcast against `volume` and `rate`.
    law
        "exponential" (V' = rV), "logistic" (V' = rV(1 − V/K)) or "gompertz" (V' = rV log(K/V)).
    rate
        r, per day; below 0 the volume shrinks.
    capacity
        K, in the unit of `volume`, above 0; must be finite for all but the exponential law.

    Returns
    -------
    ndarray of float64
        The volume at each time.

    Raises
    ------
    ValueError
        If the law is unknown, a volume is not above 0, or the law needs a capacity and has none.

    Notes
    -----
    Which law fits which tumour: Benzekry et al. 2014, doi:10.1371/journal.pcbi.1003800.
    Taught in: 5.2.5 Following disease.

    Examples
    --------
    >>> grow(100.0, [0, 30, 60], law="exponential", rate=np.log(2) / 30).round(6).tolist()
    [100.0, 200.0, 400.0]
    >>> bool(grow(100.0, 1e4, law="gompertz", rate=0.01, capacity=5e4).round() == 5e4)
    True
    """
    if law not in LAWS:
        raise ValueError(f"law={law!r}: give one of {', '.join(LAWS)}")
    if law != "exponential" and not (np.isfinite(capacity) and capacity > 0):
        raise ValueError(f"capacity={capacity!r}: the {law} law needs a finite one above 0")
    start, time, pace = (np.asarray(value, np.float64) for value in (volume, days, rate))
    if not (start > 0).all():
        raise ValueError(f"volume={volume!r} is out of range: give volumes above 0")
    return grown(start, time, law, pace, capacity)


def recist(
    sums_mm: ArrayLike, *, new_lesion: ArrayLike | None = None, complete: ArrayLike | None = None
) -> NDArray[np.str_]:
    """Judge visits by RECIST 1.1.

    Parameters
    ----------
    sums_mm
        Sums of the target lesions' diameters, shape (..., visits), in mm; the first visit is the baseline.
    new_lesion
        Whether a new lesion is seen at the visit, same shape; None for never.
    complete
        Whether all lesions are gone and all nodes below 10 mm, same shape; None takes a sum of 0.

    Returns
    -------
    ndarray of str, shape (..., visits)
        "baseline", then "CR", "PR", "SD" or "PD".

    Raises
    ------
    ValueError
        If there are fewer than two visits, or a sum is negative.

    Notes
    -----
    Eisenhauer et al. 2009, doi:10.1016/j.ejca.2008.10.026. Progression (PD): the sum is at least 20 % and 5 mm above
    the smallest one before (the baseline counts), or a new lesion; complete response (CR): all gone; partial
    response (PR): at least 30 % below the baseline; else stable disease (SD). Progression of non-target lesions,
    confirmation, and the least duration of stable disease are left out.
    Taught in: 5.2.5 Following disease.

    Examples
    --------
    >>> recist([50, 34, 30, 35, 41]).tolist()
    ['baseline', 'PR', 'PR', 'PR', 'PD']
    >>> recist([10, 12.5]).tolist()
    ['baseline', 'SD']
    """
    sums = np.asarray(sums_mm, np.float64)
    if sums.ndim == 0 or sums.shape[-1] < 2:
        raise ValueError(f"sums_mm has shape {sums.shape}: give a baseline and at least one visit, on the last axis")
    if not (sums >= 0).all():
        raise ValueError("sums_mm holds a value that is negative or missing: give sums of diameters in mm")
    new = np.zeros(sums.shape, bool) if new_lesion is None else np.broadcast_to(new_lesion, sums.shape).astype(bool)
    gone = sums == 0 if complete is None else np.broadcast_to(complete, sums.shape).astype(bool)
    return respond(sums, new, gone)


def follow_up(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    visits: int = 8,
    interval_days: float = 56.0,
    irregularity: float = 0.12,
    law: str = "gompertz",
    lesions: tuple[int, int] = (1, 7),
    responders: float = 0.5,
    flares: float = 0.2,
    error: float = 0.10,
    readers: int = 3,
    reader_sd: float = 0.05,
    change_reader: float = 0.3,
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    jobs: int = 1,
    progress: bool | None = None,
) -> FollowUp:
    """Follow patients under treatment: some are controlled, in others a resistant clone grows.

    Parameters
    ----------
    n
        Number of patients.
    seed, first
        Patient `first` + k is the same for every `n`, `first` and `jobs`.
    visits
        Number of visits, the baseline (day 0, start of treatment) included, 2 to 60; her first visits do
        not depend on it.
    interval_days
        Planned days between two visits.
    irregularity
        Standard deviation of an interval relative to the plan, 0 to 0.5.
    law
        Growth law of the resistant clone: "exponential", "logistic" or "gompertz".
    lesions
        Smallest and largest number of lesions at the baseline, 1 to 9.
    responders
        Share of patients whose sensitive cells die; in the others they neither grow nor shrink.
    flares
        Share of patients whose lesions swell for some weeks without growing, by less than progression asks for.
    error
        Standard deviation of one measurement, relative to the size.
    readers, reader_sd
        Number of readers, and the standard deviation of their relative biases.
    change_reader
        Share of visits that another than her usual reader measures.
    difficulty
        "easy", "medium", "hard", or a factor on the growth rate of the resistant clone; at 0 it does not grow.
    prevalence
        Share of patients with a clone that grows: `truth` 1.
    sites, subgroups
        Who is seen where. Scanner: noise is a factor on `error`; blur (1 mm, in quadrature), gain and offset act
        on every measured size.
    label_noise
        Share of labels recorded wrongly, or the shares of escapes missed and of controlled patients called.
    jobs, progress
        Processes (-1: all cores), and whether to show a bar (None: on a terminal).

    Returns
    -------
    FollowUp
        `table`: `patient`, `site`, `scanner`, `subgroup`, `truth`, `label`, `amplitude`, `responder`, `n_lesions`,
        `n_targets`, `last_day`, and of the sizes without error `progression_day` (to the day; missing where she does
        not progress while followed), `progression_visit` and `best_response`; the same two of the measured sizes.
        `visits`: `day`, `reader`, `sum_mm` and `true_sum_mm` of the target lesions, `new_lesion`, `response` and
        `true_response`. `measurements`: `measured_mm` and `true_mm` of each lesion. `lesions`: `organ`, `target`,
        `baseline_mm`, `onset_day` (new ones only), `elongation`, `resistant_share`, `halving_days` and
        `doubling_days` (infinite where nothing dies or grows).

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    A lesion of volume V is V(t) = (1 − f) V exp(−kt) + G(fV, t): sensitive cells die by a constant share per time
    (log kill), the resistant share f grows by the law G with capacity 5e5 mm³; with exponential growth it is the
    two-phase equation of Stein et al. 2008, doi:10.1634/theoncologist.2008-0016. Controlled patients carry the same
    resistant share, which sleeps. Diameter: that of the sphere, times the elongation; lymph nodes are measured on
    their short axis and keep 6 mm of normal tissue. Five target lesions at most and two per organ, at least 10 mm
    (nodes 15 mm), the largest first. Below 2.5 mm nothing is seen; from there to 5 mm a reader writes 5 mm.
    `truth` and what is judged from sizes follow RECIST 1.1: see `recist`. How much readers differ was pooled by Yoon
    et al. 2016, doi:10.1016/j.ejca.2015.10.014.
    Taught in: 5.2.5 Following disease.

    Examples
    --------
    >>> course = follow_up(3)
    >>> len(course.visits), len(course.table)
    (24, 3)
    >>> bool((course.visits["true_sum_mm"] > 0).all())
    True
    """
    low, high = lesions
    check_range(
        visits=(visits, 2, MAX_VISITS), interval_days=(interval_days, 7, 1000), irregularity=(irregularity, 0, 0.5),
        lesions=(low, 1, MAX_LESIONS - 1), responders=(responders, 0, 1), flares=(flares, 0, 1), error=(error, 0, 0.5),
        readers=(readers, 1, 100), reader_sd=(reader_sd, 0, 0.3), change_reader=(change_reader, 0, 1),
    )  # fmt: skip
    check_range(lesions=(high, low, MAX_LESIONS - 1))
    if law not in LAWS:
        raise ValueError(f"law={law!r}: give one of {', '.join(LAWS)}")
    table, scanners = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    bias = np.clip(reader_sd * np.random.default_rng([seed, 6]).standard_normal(readers), -0.5, 0.5)
    settings = Settings(
        seed, visits, interval_days, irregularity, law, (low, high), responders, flares, error,
        tuple(bias.tolist()), change_reader,
    )  # fmt: skip
    calls = [(row, scanner, settings) for row, scanner in zip(table.to_dict("records"), scanners, strict=True)]
    drawn = draw_all(follow, calls, jobs=jobs, progress=progress)
    rows = record_labels(pd.DataFrame([part[0] for part in drawn]), label_noise=label_noise, seed=seed)
    seen, sizes, tumours = (_stack([part[k] for part in drawn]) for k in (1, 2, 3))
    return FollowUp(seen, sizes, tumours, rows)


def _stack(parts: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

"""What every phantom shares: who is imaged where, how hard it is, what was recorded, and drawing in parallel."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medcourse.data._progress import bar

Result = TypeVar("Result")

DIFFICULTY: Mapping[str, float] = MappingProxyType({"easy": 1.6, "medium": 1.0, "hard": 0.6})


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """How a machine differs from the phantom's reference machine.

    Parameters
    ----------
    name
        Goes into the table's column `scanner`.
    blur
        Factor on the width of the point spread, above 0.
    noise
        Factor on the standard deviation of the noise, at least 0.
    gain
        Factor on the grey levels, above 0. Not applied to Hounsfield units, which are calibrated.
    offset
        Added to the grey levels, in the units of the images.
    """

    name: str = "reference"
    blur: float = 1.0
    noise: float = 1.0
    gain: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """A hospital: how many of the patients it sees, how many of them are ill, and its scanner.

    Parameters
    ----------
    name
        Goes into the table's column `site`.
    share
        Relative number of patients.
    prevalence
        Share of its patients who have the disease; None takes the generator's `prevalence`.
    scanner
        Its machine.
    """

    name: str = "A"
    share: float = 1.0
    prevalence: float | None = None
    scanner: Scanner = field(default_factory=Scanner)


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """A group of patients in which the disease may be more frequent, or harder to see.

    Parameters
    ----------
    name
        Goes into the table's column `subgroup`.
    share
        Relative number of patients.
    prevalence
        Factor on the odds of the disease.
    contrast
        Factor on the amplitude of the lesions.
    """

    name: str = "all"
    share: float = 1.0
    prevalence: float = 1.0
    contrast: float = 1.0


ONE_SITE: tuple[Site, ...] = (Site(),)
ONE_GROUP: tuple[Subgroup, ...] = (Subgroup(),)


class Phantoms(NamedTuple):
    """Images with their whole truth: `images`, `masks`, `table`, `spacing_mm`, `lesions`, `anatomy`.

    `images` is float32, (n, rows, columns, channels) or (n, z, y, x, channels); `masks` is uint8 of the same shape
    without channels, 0 where there is no lesion; `table` has one row per image (`patient`, `site`, `scanner`,
    `subgroup`, `truth`, the recorded `label`, and what the generator says); `spacing_mm` is the pixel's (row, column)
    or the voxel's (z, y, x) size; `lesions` has one row per lesion, its `image` being the row in `table`;
    `anatomy` is a uint8 map of tissues, or None.
    """

    images: NDArray[np.float32]
    masks: NDArray[np.uint8]
    table: pd.DataFrame
    spacing_mm: tuple[float, ...]
    lesions: pd.DataFrame
    anatomy: NDArray[np.uint8] | None = None


class Patients(NamedTuple):
    """Patients before they are imaged: `table` (one row each) and the `scanner` of each."""

    table: pd.DataFrame
    scanners: list[Scanner]


def draw_patients(
    n: int,
    *,
    first: int,
    seed: int,
    difficulty: str | float,
    prevalence: float,
    sites: Sequence[Site],
    subgroups: Sequence[Subgroup],
) -> Patients:
    """Draw patients `first` to ``first + n - 1``: `patient`, `site`, `scanner`, `subgroup`, `diseased`, `amplitude`.

    Patient k is the same for every `n` and `first`. `amplitude` is the lesion's size relative to the medium
    difficulty, with the subgroup's factor; `diseased` is bool.
    """
    check_range(
        n=(n, 1, 10**7), first=(first, 0, 10**8), seed=(seed, 0, 2**32 - 1), prevalence=(prevalence, 0, 1),
    )  # fmt: skip
    amplitude = amplitude_of(difficulty)
    _check_strata(sites, subgroups)
    u = [np.random.default_rng([seed, 1, k]).random(first + n)[first:] for k in range(3)]
    at = np.searchsorted(_cumulative([s.share for s in sites]), u[0], side="right")
    group = np.searchsorted(_cumulative([g.share for g in subgroups]), u[1], side="right")
    base = np.array([prevalence if s.prevalence is None else s.prevalence for s in sites])[at]
    odds = np.array([g.prevalence for g in subgroups])[group]
    share = base * odds / (1 - base + base * odds)
    table = pd.DataFrame(
        {
            "patient": np.arange(first, first + n),
            "site": [sites[k].name for k in at],
            "scanner": [sites[k].scanner.name for k in at],
            "subgroup": [subgroups[k].name for k in group],
            "diseased": u[2] < share,
            "amplitude": amplitude * np.array([g.contrast for g in subgroups])[group],
        }
    )
    return Patients(table, [sites[k].scanner for k in at])


def amplitude_of(difficulty: str | float) -> float:
    """Amplitude of the lesions relative to the medium difficulty; 0 leaves nothing to see."""
    if isinstance(difficulty, str):
        if difficulty not in DIFFICULTY:
            names = ", ".join(DIFFICULTY)
            raise ValueError(f"difficulty={difficulty!r}: give {names}, or an amplitude relative to medium")
        return DIFFICULTY[difficulty]
    check_range(difficulty=(difficulty, 0, 100))
    return float(difficulty)


def record_labels(table: pd.DataFrame, *, label_noise: float | tuple[float, float], seed: int) -> pd.DataFrame:
    """Put `label` after `truth`: what was recorded, wrong for some rows (one draw for each patient and row).

    `label_noise` is the share of rows recorded wrongly, or a pair: the share of the positives that are missed, and
    of the negatives that are called. `table` needs `patient` and `truth`, its rows in the order of the patients.
    """
    missed, called = label_noise if isinstance(label_noise, tuple) else (label_noise, label_noise)
    check_range(label_noise=(missed, 0, 1))
    check_range(label_noise=(called, 0, 1))
    truth = table["truth"].to_numpy()
    u = np.empty(len(table))
    patients, starts, counts = np.unique(table["patient"].to_numpy(), return_index=True, return_counts=True)
    for patient, start, count in zip(patients.tolist(), starts.tolist(), counts.tolist(), strict=True):
        u[start : start + count] = np.random.default_rng([seed, 2, patient]).random(count)
    wrong = u < np.where(truth == 1, missed, called)
    out = table.copy()
    out.insert(list(out.columns).index("truth") + 1, "label", np.where(wrong, 1 - truth, truth).astype(np.int64))
    return out


def patient_rng(seed: int, patient: int) -> np.random.Generator:
    """The patient's own generator: her pictures do not depend on who else is drawn."""
    return np.random.default_rng([seed, 3, patient])


def draw_all(
    draw: Callable[..., Result], calls: Sequence[tuple[Any, ...]], *, jobs: int, progress: bool | None
) -> list[Result]:
    """Call ``draw(*arguments)`` for each of `calls`, in order, in `jobs` processes (-1: all cores), with a bar."""
    if jobs == 0 or jobs < -1:
        raise ValueError(f"jobs={jobs}: give the number of processes, or -1 for all cores")
    count = min(len(calls), os.cpu_count() or 1 if jobs == -1 else jobs)
    if count <= 1:
        return list(bar((draw(*arguments) for arguments in calls), total=len(calls), unit="patient", progress=progress))
    parallel = joblib.Parallel(n_jobs=count, return_as="generator", batch_size="auto")
    work = parallel(joblib.delayed(draw)(*arguments) for arguments in calls)
    return list(bar(work, total=len(calls), unit="patient", progress=progress))


def check_range(**limits: tuple[float, float, float]) -> None:
    """Refuse the first argument that is outside its range; give ``name=(value, low, high)``."""
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise ValueError(f"{name}={value!r} is out of range: give a value from {low:g} to {high:g}")


def _cumulative(shares: Sequence[float]) -> NDArray[np.float64]:
    total = np.cumsum(np.asarray(shares, np.float64))
    limits: NDArray[np.float64] = total[:-1] / total[-1]
    return limits


def _check_strata(sites: Sequence[Site], subgroups: Sequence[Subgroup]) -> None:
    for name, strata in (("sites", sites), ("subgroups", subgroups)):
        if not strata:
            raise ValueError(f"{name}=() is empty: give at least one {'Site' if name == 'sites' else 'Subgroup'}")
        names = [item.name for item in strata]
        if len(set(names)) < len(names):
            raise ValueError(f"{name} holds a name twice ({', '.join(names)}): give each its own")
        if not all(math.isfinite(item.share) and item.share > 0 for item in strata):
            raise ValueError(f"{name} holds a share that is not above 0: leave that one out instead")
    for site in sites:
        scanner = site.scanner
        if site.prevalence is not None:
            check_range(**{f"prevalence of site {site.name}": (site.prevalence, 0, 1)})
        check_range(
            **{
                f"blur of scanner {scanner.name}": (scanner.blur, 0.05, 20),
                f"noise of scanner {scanner.name}": (scanner.noise, 0, 100),
                f"gain of scanner {scanner.name}": (scanner.gain, 0.01, 100),
                f"offset of scanner {scanner.name}": (scanner.offset, -1e6, 1e6),
            }
        )
    for group in subgroups:
        check_range(
            **{
                f"prevalence of subgroup {group.name}": (group.prevalence, 0, 1e6),
                f"contrast of subgroup {group.name}": (group.contrast, 0, 100),
            }
        )

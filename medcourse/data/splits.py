"""Split rows into parts by patient, so that no patient is in two of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["PatientOverlapError", "check_disjoint", "split_patients"]

_FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.6, "validation": 0.2, "test": 0.2})


class PatientOverlapError(ValueError):
    """A patient is in two parts of a split, so a score on one part is no evidence about new patients.

    Notes
    -----
    Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> issubclass(PatientOverlapError, ValueError)
    True
    """


def split_patients(
    patients: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    fractions: Mapping[str, float] = _FRACTIONS,
    seed: int = 0,
) -> dict[str, NDArray[np.intp]]:
    """Deal patients, with all their rows, into parts of given sizes.

    Parameters
    ----------
    patients
        One patient identifier per row, shape (n,): numbers or strings.
    labels
        One number per row, shape (n,). If given, patients are stratified by their label, which is the
        largest of their rows': with 0 and 1, a patient with any positive row is positive.
    fractions
        Share of the *patients* in each part, by name; they sum to 1.
    seed
        Of the shuffle. The same seed gives the same parts.

    Returns
    -------
    dict of str to numpy.ndarray
        Ascending row numbers of each part. Every row is in exactly one part; the number of patients in a
        part is within one of its share, and stratified, each label's number is within two of its share.

    Raises
    ------
    ValueError
        If lengths differ, an identifier or label is missing, the fractions do not sum to 1, there are too
        few patients (of a label) to put one into each part, or all patients have one label.

    Notes
    -----
    Taught in: 5.1.2 Classification. The dealing is scikit-learn's ``train_test_split`` over patients, once
    per part; its group splitters either do not stratify or give folds instead of shares.

    Examples
    --------
    >>> parts = split_patients(["a", "a", "b", "c", "d", "e"], fractions={"train": 0.6, "test": 0.4})
    >>> sum(len(rows) for rows in parts.values())
    6
    >>> split_patients(["a", "a"], fractions={"train": 0.5, "test": 0.5})
    Traceback (most recent call last):
    ...
    ValueError: 1 patient for 2 parts (train 0.5, test 0.5): too few to put one into each; add patients or merge parts
    """
    identifiers = _column(patients, "patients")
    shares = _checked_fractions(fractions)
    names, rows = np.unique(identifiers, return_inverse=True)
    sizes = _sizes(len(names), shares)
    strata = None if labels is None else _patient_labels(_column(labels, "labels"), rows, len(names), sizes)
    rest = np.arange(len(names))
    parts: dict[str, NDArray[np.intp]] = {}
    for left, (part, size) in zip(range(len(sizes), 0, -1), sizes.items(), strict=True):
        if strata is not None:
            _require_labels(strata, rest, n_each=left, part=part)
        if left == 1:
            chosen = rest
        else:
            stratify = None if strata is None else strata[rest]
            chosen, rest = train_test_split(rest, train_size=size, stratify=stratify, random_state=seed)
        if strata is not None:
            _require_labels(strata, chosen, n_each=1, part=part)
        parts[part] = np.flatnonzero(np.isin(rows, chosen))
    check_disjoint(identifiers, parts)
    return parts


def check_disjoint(patients: ArrayLike, parts: Mapping[str, ArrayLike]) -> None:
    """Refuse a split in which a patient is in two parts.

    Parameters
    ----------
    patients
        One patient identifier per row, shape (n,).
    parts
        Row numbers of each part, by name: integers from 0 to n - 1.

    Raises
    ------
    PatientOverlapError
        If a patient has rows in two parts.
    ValueError
        If row numbers are not integers or lie outside the table.

    Notes
    -----
    Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> check_disjoint(["a", "a", "b"], {"train": [0, 1], "test": [2]})
    >>> check_disjoint(["a", "a", "b"], {"train": [0], "test": [1, 2]})
    Traceback (most recent call last):
    ...
    medcourse.data.splits.PatientOverlapError: 1 patient in both train and test (a): split with split_patients
    """
    identifiers = _column(patients, "patients")
    seen: dict[Any, str] = {}
    for part, numbers in parts.items():
        rows = np.asarray(numbers)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ValueError(f"part {part!r} has dtype {rows.dtype}, shape {rows.shape}: give row numbers, shape (n,)")
        if rows.size and (rows.min() < 0 or rows.max() >= len(identifiers)):
            raise ValueError(f"part {part!r} has rows outside 0 … {len(identifiers) - 1}: use this table's row numbers")
        own = np.unique(identifiers[rows.astype(np.intp)]).tolist()
        for other in dict.fromkeys(seen.values()):
            shared = [patient for patient in own if seen.get(patient) == other]
            if shared:
                plural = "s" if len(shared) > 1 else ""
                listed = ", ".join(map(str, shared[:3])) + (", …" if len(shared) > 3 else "")
                raise PatientOverlapError(
                    f"{len(shared)} patient{plural} in both {other} and {part} ({listed}): split with split_patients"
                )
        seen.update(dict.fromkeys(own, part))


def _column(values: ArrayLike, name: str) -> NDArray[Any]:
    column = np.asarray(values)
    if column.ndim != 1 or len(column) == 0:
        raise ValueError(f"{name} has shape {column.shape}: give one value per row, shape (n,)")
    missing = np.array([value is None or value != value for value in column.tolist()])  # NaN differs from itself
    if missing.any():
        raise ValueError(f"{name} is missing in row {int(missing.argmax())}: drop such rows, or name them")
    if column.dtype.kind == "O" and len({type(value) for value in column.tolist()}) > 1:
        raise ValueError(f"{name} mixes types: make them all strings or all numbers")
    return column


def _checked_fractions(fractions: Mapping[str, float]) -> dict[str, float]:
    shares = {str(part): float(share) for part, share in fractions.items()}
    total = sum(shares.values())
    if len(shares) < 2 or not all(share > 0 for share in shares.values()) or not math.isclose(total, 1, abs_tol=1e-6):
        raise ValueError(f"fractions={shares} sum to {total:.6g}: give two or more positive shares that sum to 1")
    return shares


def _sizes(n_patients: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Patients per part, by largest remainder."""
    exact = {part: share * n_patients for part, share in shares.items()}
    sizes = {part: math.floor(value + 1e-9) for part, value in exact.items()}
    for part in sorted(exact, key=lambda part: sizes[part] - exact[part])[: n_patients - sum(sizes.values())]:
        sizes[part] += 1
    if min(sizes.values()) == 0:
        listed = ", ".join(f"{part} {share:g}" for part, share in shares.items())
        plural = "s" if n_patients > 1 else ""
        raise ValueError(
            f"{n_patients} patient{plural} for {len(shares)} parts ({listed}): "
            "too few to put one into each; add patients or merge parts"
        )
    return sizes


def _patient_labels(
    labels: NDArray[Any], rows: NDArray[np.intp], n_patients: int, sizes: Mapping[str, int]
) -> NDArray[Any]:
    if len(labels) != len(rows):
        raise ValueError(f"labels has {len(labels)} rows and patients {len(rows)}: give one label to each row")
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"labels has dtype {labels.dtype}: give numbers, the larger the worse, for example 0 and 1")
    values = labels.astype(np.float64)
    strata = np.full(n_patients, -np.inf)
    np.maximum.at(strata, rows, values)
    kinds = len(np.unique(strata))
    if kinds == 1:
        raise ValueError(
            f"all {n_patients} patients have label {strata[0]:g}: nothing to stratify by, leave labels out"
        )
    if min(sizes.values()) < kinds:
        raise ValueError(
            f"too few patients: parts of {dict(sizes)} cannot hold one of each of {kinds} labels; "
            "add patients, merge parts or leave labels out"
        )
    return strata


def _require_labels(strata: NDArray[Any], patients: NDArray[np.intp], *, n_each: int, part: str) -> None:
    """Refuse where fewer than `n_each` of the patients have some label."""
    for label in np.unique(strata):
        count = int((strata[patients] == label).sum())
        if count < n_each:
            raise ValueError(
                f"too few patients with label {label:g} to put one into {part!r} and each part after it; "
                "add patients, merge parts or leave labels out"
            )

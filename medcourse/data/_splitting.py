"""What the splitting functions check and count: columns, shares, labels of patients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def column(values: ArrayLike, name: str, *, like: NDArray[Any] | None = None) -> NDArray[Any]:
    """One value per row, none missing; of as many rows as the patients in `like`."""
    found = np.asarray(values)
    if found.ndim != 1 or len(found) == 0:
        raise ValueError(f"{name} has shape {found.shape}: give one value per row, shape (n,)")
    missing = np.array([value is None or value != value for value in found.tolist()])  # NaN differs from itself
    if missing.any():
        raise ValueError(f"{name} is missing in row {int(missing.argmax())}: drop such rows, or name them")
    if found.dtype.kind == "O" and len({type(value) for value in found.tolist()}) > 1:
        raise ValueError(f"{name} mixes types: make them all strings or all numbers")
    if like is not None and len(found) != len(like):
        one = name.removesuffix("s")
        raise ValueError(f"{name} has {len(found)} rows and patients {len(like)}: give one {one} to each row")
    return found


def checked_fractions(fractions: Mapping[str, float]) -> dict[str, float]:
    shares = {str(part): float(share) for part, share in fractions.items()}
    total = sum(shares.values())
    if len(shares) < 2 or not all(share > 0 for share in shares.values()) or not math.isclose(total, 1, abs_tol=1e-6):
        raise ValueError(f"fractions={shares} sum to {total:.6g}: give two or more positive shares that sum to 1")
    return shares


def part_sizes(n_patients: int, shares: Mapping[str, float]) -> dict[str, int]:
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


def patient_labels(labels: NDArray[Any], rows: NDArray[np.intp], n_patients: int) -> NDArray[np.float64]:
    """Each patient's label, where they differ."""
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"labels has dtype {labels.dtype}: give numbers, the larger the worse, for example 0 and 1")
    strata = largest_label(labels, rows, n_patients)
    if len(np.unique(strata)) == 1:
        raise ValueError(
            f"all {n_patients} patients have label {strata[0]:g}: nothing to stratify by, leave labels out"
        )
    return strata


def largest_label(labels: NDArray[Any], rows: NDArray[np.intp], n_patients: int) -> NDArray[np.float64]:
    largest = np.full(n_patients, -np.inf)
    np.maximum.at(largest, rows, labels.astype(np.float64))
    return largest


def require_enough(strata: NDArray[np.float64], folds: int) -> None:
    """Refuse where some label has fewer patients than there are folds."""
    for label, found in zip(*np.unique(strata, return_counts=True), strict=True):
        if found < folds:
            raise ValueError(
                f"folds={folds} for {found} patient{'s' if found > 1 else ''} with label {label:g}: "
                "take fewer folds, add patients or leave labels out"
            )


def require_classes(classes: NDArray[Any], folds: int) -> None:
    """Refuse where there are no two classes, or one has too few rows to put one into each fold."""
    kinds, found = np.unique(classes, return_counts=True)
    if classes.dtype.kind not in "biu" or len(kinds) < 2 or found.min() < folds:
        counts = ", ".join(f"{kind}: {n}" for kind, n in zip(kinds[:9].tolist(), found[:9].tolist(), strict=True))
        raise ValueError(
            f"labels has rows of {counts}: give whole numbers, two classes or more, and {folds} rows (folds) of each"
        )


def require_room(strata: NDArray[np.float64], sizes: Mapping[str, int]) -> None:
    """Refuse parts that are too small for one patient of each label."""
    kinds = len(np.unique(strata))
    if min(sizes.values()) < kinds:
        raise ValueError(
            f"too few patients: parts of {dict(sizes)} cannot hold one of each of {kinds} labels; "
            "add patients, merge parts or leave labels out"
        )


def require_labels(strata: NDArray[Any], patients: NDArray[np.intp], *, n_each: int, part: str) -> None:
    """Refuse where fewer than `n_each` of the patients have some label."""
    for label in np.unique(strata):
        count = int((strata[patients] == label).sum())
        if count < n_each:
            raise ValueError(
                f"too few patients with label {label:g} to put one into {part!r} and each part after it; "
                "add patients, merge parts or leave labels out"
            )


def count(items: Sequence[Any] | NDArray[Any], noun: str) -> str:
    return f"{len(items)} {noun}{'s' if len(items) > 1 else ''}"


def listed(items: Sequence[Any]) -> str:
    return ", ".join(map(str, items[:3])) + (", …" if len(items) > 3 else "")


def cross_validated(
    model: Any,
    x: NDArray[Any],
    labels: NDArray[Any],
    folds: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]],
    scorer: Callable[[Any, Any, Any], float],
) -> float:
    """Mean score over the folds."""
    scores = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Only one class")  # said below, as an error
        for train, test in folds:
            fitted = clone(model).fit(x[train], labels[train])
            scores.append(float(scorer(fitted, x[test], labels[test])))
    if not np.isfinite(scores).all():
        raise ValueError(f"score is {scores} over the folds: a fold lacks a class; take fewer folds or add patients")
    return float(np.mean(scores))

"""Split rows into parts by patient, so that no patient is in two of them; and measure what it costs not to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from medcourse.data._progress import bar
from medcourse.data._splitting import (
    checked_fractions,
    column,
    count,
    cross_validated,
    largest_label,
    listed,
    part_sizes,
    patient_labels,
    require_classes,
    require_enough,
    require_labels,
    require_room,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Fold",
    "Optimism",
    "PatientOverlapError",
    "check_disjoint",
    "leakage_optimism",
    "leave_one_site_out",
    "patient_folds",
    "split_patients",
]

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


class Fold(NamedTuple):
    """Row numbers to train on and to test on, both ascending; unpacks as scikit-learn's ``cv=`` expects it."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


class Optimism(NamedTuple):
    """Mean scores of a split by image and of one by patient, and their difference.

    Each comes with the interval that holds the middle 95 % of the seeds; `scores` has one row per seed.
    """

    by_image: float
    by_image_interval: tuple[float, float]
    by_patient: float
    by_patient_interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    scores: NDArray[np.float64]


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
    identifiers = column(patients, "patients")
    shares = checked_fractions(fractions)
    names, rows = np.unique(identifiers, return_inverse=True)
    sizes = part_sizes(len(names), shares)
    strata = None
    if labels is not None:
        strata = patient_labels(column(labels, "labels", like=identifiers), rows, len(names))
        require_room(strata, sizes)
    rest = np.arange(len(names))
    parts: dict[str, NDArray[np.intp]] = {}
    for left, (part, size) in zip(range(len(sizes), 0, -1), sizes.items(), strict=True):
        if strata is not None:
            require_labels(strata, rest, n_each=left, part=part)
        if left == 1:
            chosen = rest
        else:
            stratify = None if strata is None else strata[rest]
            chosen, rest = train_test_split(rest, train_size=size, stratify=stratify, random_state=seed)
        if strata is not None:
            require_labels(strata, chosen, n_each=1, part=part)
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
    identifiers = column(patients, "patients")
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
                counted = count(shared, "patient")
                raise PatientOverlapError(
                    f"{counted} in both {other} and {part} ({listed(shared)}): split with split_patients"
                )
        seen.update(dict.fromkeys(own, part))


def patient_folds(
    patients: ArrayLike, *, labels: ArrayLike | None = None, folds: int = 5, repeats: int = 1, seed: int = 0
) -> list[Fold]:
    """Folds for cross-validation by patient: all rows of a patient are tested together, once per repeat.

    Parameters
    ----------
    patients
        One patient identifier per row, shape (n,): numbers or strings.
    labels
        One number per row, shape (n,). If given, patients are stratified by the largest of their rows', as in
        `split_patients`.
    folds
        Number of parts that are tested in turn, at least 2.
    repeats
        How often all patients are dealt anew, each time with a seed of its own.
    seed
        Of the shuffle. The same seed gives the same folds.

    Returns
    -------
    list of Fold
        ``folds * repeats`` pairs `train`, `test` of ascending row numbers. Within a repeat every row is tested
        exactly once; the folds' numbers of patients, and of patients with each label, differ by at most one.

    Raises
    ------
    ValueError
        If lengths differ, an identifier or label is missing, there are fewer patients (with some label) than
        folds, or all patients have one label.

    Notes
    -----
    Folds are balanced in *patients*; scikit-learn's ``StratifiedGroupKFold`` balances rows instead, as far as
    whole patients allow. Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> for fold in patient_folds(["a", "a", "b", "c"], folds=3, seed=1):
    ...     print(fold.train, fold.test)
    [2 3] [0 1]
    [0 1 2] [3]
    [0 1 3] [2]
    >>> patient_folds(["a", "a", "b"], folds=3)
    Traceback (most recent call last):
    ...
    ValueError: folds=3 for 2 patients: take at most 2 folds, or add patients
    """
    identifiers = column(patients, "patients")
    names, rows = np.unique(identifiers, return_inverse=True)
    if folds < 2 or repeats < 1:
        raise ValueError(f"folds={folds}, repeats={repeats}: give at least 2 folds and 1 repeat")
    if folds > len(names):
        remedy = f"take at most {len(names)} folds, or add patients" if len(names) > 1 else "add patients"
        raise ValueError(f"folds={folds} for {count(names, 'patient')}: {remedy}")
    strata = None
    if labels is not None:
        strata = patient_labels(column(labels, "labels", like=identifiers), rows, len(names))
        require_enough(strata, folds)
    kind = KFold if strata is None else StratifiedKFold
    dealt = []
    for repeat in range(repeats):
        for _, chosen in kind(folds, shuffle=True, random_state=seed + repeat).split(names, strata):
            tested = np.isin(rows, chosen)
            dealt.append(Fold(np.flatnonzero(~tested), np.flatnonzero(tested)))
            check_disjoint(identifiers, dealt[-1]._asdict())
    return dealt


def leave_one_site_out(patients: ArrayLike, sites: ArrayLike) -> dict[Any, Fold]:
    """Test on each site in turn, trained on all the others: how a model fares in a hospital it has never seen.

    Parameters
    ----------
    patients
        One patient identifier per row, shape (n,): numbers or strings.
    sites
        The site of each row, shape (n,): numbers or strings.

    Returns
    -------
    dict of Fold
        By site, in ascending order: `train`, the rows of all other sites, and `test`, its own.

    Raises
    ------
    PatientOverlapError
        If a patient has rows at two sites: the tested hospital is then not unseen. Nothing is dropped silently.
    ValueError
        If lengths differ, an identifier or site is missing, or there is one site only.

    Notes
    -----
    Taught in: 2.3 Data science basics.

    Examples
    --------
    >>> leave_one_site_out(["a", "a", "b", "c"], ["north", "north", "south", "north"])["south"]
    Fold(train=array([0, 1, 3]), test=array([2]))
    """
    identifiers = column(patients, "patients")
    places = column(sites, "sites", like=identifiers)
    names, rows = np.unique(identifiers, return_inverse=True)
    kinds, at = np.unique(places, return_inverse=True)
    if len(kinds) < 2:
        raise ValueError(f"sites holds {kinds.tolist()[0]!r} only: give rows of at least two sites")
    seen = np.zeros((len(names), len(kinds)), bool)
    seen[rows, at] = True
    twice = names[seen.sum(axis=1) > 1].tolist()
    if twice:
        raise PatientOverlapError(
            f"{count(twice, 'patient')} at two sites ({listed(twice)}): leave out all but one site of each, "
            "or number patients apart if two people share a number"
        )
    return {site: Fold(np.flatnonzero(at != k), np.flatnonzero(at == k)) for k, site in enumerate(kinds.tolist())}


def leakage_optimism(
    model: Any,
    x: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike,
    *,
    score: str | Callable[[Any, Any, Any], float] = "roc_auc",
    folds: int = 5,
    repeats: int = 10,
    seed: int = 0,
    progress: bool | None = None,
) -> Optimism:
    """Measure how much better a model seems when images, not patients, are dealt into training and test set.

    Parameters
    ----------
    model
        Any scikit-learn classifier or pipeline; it is cloned, never fitted itself.
    x
        Features, shape (n, k).
    labels
        One class per row, shape (n,), numbers.
    patients
        One patient identifier per row, shape (n,).
    score
        Name of a scikit-learn score, or a function ``score(model, x, labels)``.
    folds
        Of each cross-validation.
    repeats
        Cross-validations by image and by patient, with seeds ``seed`` to ``seed + repeats - 1``.
    seed
        Of the first.
    progress
        A bar on stderr; None shows it to people, never in a stored notebook.

    Returns
    -------
    Optimism
        Both mean scores and their difference, with intervals over the seeds: what the luck of the split does on
        *these* patients, not how others would differ. `scores` has shape (repeats, 2): by image, by patient.

    Raises
    ------
    ValueError
        If lengths differ, there are too few patients or rows of a class for the folds, or a score is not
        finite (a test fold with one class has no AUC).

    Notes
    -----
    In both, every image is tested once by a model trained on the same share of the data. On randomly labelled
    brain scans Yagis et al. 2021 measured 96 % accuracy by slice, 50 % by subject: doi:10.1038/s41598-021-01681-w.
    Taught in: 2.3 Data science basics, 4.1.4 Comparing classifiers honestly and 5.1.2 Classification.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> patients = np.repeat(np.arange(20), 4)  # twenty faces, four pictures each, labels by chance
    >>> x = np.random.default_rng(0).normal(size=(20, 3))[patients]
    >>> found = leakage_optimism(KNeighborsClassifier(1), x, patients % 2, patients, repeats=3)
    >>> print(found.by_image, found.difference > 0.3)
    1.0 True
    """
    identifiers = column(patients, "patients")
    classes = column(labels, "labels", like=identifiers)
    features = np.asarray(x)
    if len(features) != len(classes):
        raise ValueError(f"x has {len(features)} rows and patients {len(classes)}: give one row of features to each")
    require_classes(classes, folds)
    scorer = check_scoring(model, scoring=score)
    names, rows = np.unique(identifiers, return_inverse=True)
    strata = classes if len(np.unique(largest_label(classes, rows, len(names)))) > 1 else None
    scores = np.empty((repeats, 2))
    for k in bar(range(repeats), total=repeats, unit="repeat", progress=progress):
        by_image = StratifiedKFold(folds, shuffle=True, random_state=seed + k).split(features, classes)
        by_patient = patient_folds(identifiers, labels=strata, folds=folds, seed=seed + k)
        for at, dealt in enumerate((by_image, by_patient)):
            scores[k, at] = cross_validated(model, features, classes, dealt, scorer)
    columns = np.column_stack([scores, scores[:, 0] - scores[:, 1]])
    low, high = np.quantile(columns, [0.025, 0.975], axis=0).tolist()
    image, patient, difference = columns.mean(axis=0).tolist()
    return Optimism(image, (low[0], high[0]), patient, (low[1], high[1]), difference, (low[2], high[2]), scores)

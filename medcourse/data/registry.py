"""Public sets of real patients: found in your folder or the cache, else downloaded; always verified.

`load` looks in the folder that ``$MEDCOURSE_DATA`` names, which is never changed, then in the user's cache, then at the
set's home. A file that is not what data/registry.toml lists is refused, wherever it lies.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from medcourse.data._fetch import ChecksumError, DataUnavailable
from medcourse.data._readers import (
    CellImages,
    Cells,
    Ecg,
    ImageSet,
    LabelledVolume,
    Loaded,
    Nuclei,
    NucleiImages,
    Patches,
    PatchSet,
    Split,
    Volumes,
    read_set,
)
from medcourse.data._schema import SetInfo, parse
from medcourse.data._store import (
    LARGE,
    cache_folder,
    cached,
    data_folder,
    identify,
    obtain,
    own_copies,
    present,
    remedy,
)
from medcourse.data.catalogue import facts, read_catalogue

__all__ = [
    "CellImages",
    "Cells",
    "ChecksumError",
    "DataUnavailable",
    "Ecg",
    "ImageSet",
    "LabelledVolume",
    "Loaded",
    "Nuclei",
    "NucleiImages",
    "PatchSet",
    "Patches",
    "SetInfo",
    "Split",
    "UnknownSetError",
    "Verdict",
    "Volumes",
    "at_hand",
    "available",
    "cache_folder",
    "data_folder",
    "describe",
    "facts",
    "fetch",
    "load",
    "place",
    "verify",
]


class UnknownSetError(ValueError):
    """No set has this name; the message lists near ones."""


class Verdict(NamedTuple):
    """What `verify` found: the set's `name`, the `path`, what it is (`source`), and whether it is registered."""

    name: str
    path: Path
    source: str
    ok: bool


def available() -> list[str]:
    """List the names of all registered sets, whether they are on this machine or not.

    Returns
    -------
    list of str
        Names in the order of data/registry.toml.

    Notes
    -----
    Taught in: A.2 Data sets.

    Examples
    --------
    >>> "pneumoniamnist" in available()
    True
    """
    return list(read_catalogue())


def describe(name: str) -> SetInfo:
    """Tell all that the registry says of a set: classes, splits, the positive class, licence, consent, flaws, access.

    Parameters
    ----------
    name
        One of `available`.

    Returns
    -------
    SetInfo
        The entry, with types.

    Raises
    ------
    UnknownSetError
        If there is no such set.

    Notes
    -----
    Taught in: A.2 Data sets. The set's card, ``data/<name>.md``, says it in words.

    Examples
    --------
    >>> describe("breastmnist").positive
    '0 is malignant, 1 is normal or benign: a high label is good news'
    """
    catalogue = read_catalogue()
    if name not in catalogue:
        import difflib

        near = difflib.get_close_matches(str(name), catalogue, n=3) or list(catalogue)[:3]
        raise UnknownSetError(f"name={name!r}: no such set; near: {', '.join(near)}; `medcourse-data list` shows all")
    return parse(name, catalogue[name])


def at_hand(name: str) -> bool:
    """Whether all files of a set are on this machine; they are not hashed here, but whenever they are loaded.

    Parameters
    ----------
    name
        One of `available`.

    Returns
    -------
    bool
        False, too, where ``$MEDCOURSE_DATA`` names no folder.

    Raises
    ------
    UnknownSetError
        If there is no such set.

    Notes
    -----
    Taught in: A.2 Data sets.

    Examples
    --------
    >>> at_hand("camelyon")
    False
    """
    return place(name) != "absent"


def place(name: str) -> str:
    """Tell where the files of a set would be loaded from.

    Parameters
    ----------
    name
        One of `available`.

    Returns
    -------
    str
        ``"here"`` (in ``$MEDCOURSE_DATA``), ``"cache"``, or ``"absent"``.

    Raises
    ------
    UnknownSetError
        If there is no such set.

    Notes
    -----
    Taught in: A.2 Data sets.

    Examples
    --------
    >>> place("camelyon")
    'absent'
    """
    info = describe(name)
    if not info.files or any(present(info, file) is None for file in info.files):
        return "absent"
    return "here" if all(own_copies(info, file) for file in info.files) else "cache"


def fetch(name: str, *, download: bool = True, progress: bool | None = None) -> list[Path]:
    """Make sure that a set's files are on this machine and are what they should be.

    Parameters
    ----------
    name
        One of `available`.
    download
        Whether to go to the set's home for what is missing.
    progress
        Whether a bar is shown; None shows one where a person looks.

    Returns
    -------
    list of pathlib.Path
        The verified files, or the folder that stands in for an archive, in the order of the registry.

    Raises
    ------
    UnknownSetError
        If there is no such set.
    ChecksumError
        If a file is not the registered one. In ``$MEDCOURSE_DATA`` it stays as it is; in the cache it is replaced.
    DataUnavailable
        If it cannot be had; the message says why and what to do.

    Notes
    -----
    Taught in: A.2 Data sets. A broken download is continued next time; several programs may fetch at once.

    Examples
    --------
    >>> fetch("drive")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    medcourse.data._fetch.DataUnavailable: drive: access by registration: join ...
    """
    info = describe(name)
    if not info.files:
        how = {"manual": "by hand", "registration": "by registration"}.get(info.access, info.access)
        raise DataUnavailable(f"{name}: access {how}: {remedy(info)}")
    return [obtain(info, file, may_download=download, progress=progress).path for file in info.files]


def load(name: str, *, download: bool = True, progress: bool | None = None) -> Loaded:
    """Load a public set, verified, as arrays or as a sequence that reads its items when they are asked for.

    Parameters
    ----------
    name
        One of `available`.
    download
        Whether to fetch what is missing; sets above 1 GiB are never fetched in passing, only by `fetch`.
    progress
        Whether a bar is shown; None shows one where a person looks.

    Returns
    -------
    ImageSet, Volumes, PatchSet, CellImages, NucleiImages or Ecg
        By the set; each says in `source` which registered bytes it was read from.

    Raises
    ------
    UnknownSetError
        If there is no such set.
    ChecksumError
        If a file is not the registered one.
    DataUnavailable
        If it is not here and cannot be had; the message says why and what to do.

    Notes
    -----
    Taught in: A.2 Data sets. Every call hashes the files again: at more than 300 MB/s this costs less than reading
    them, and no stamp can be out of date.

    Examples
    --------
    >>> load("brats")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    medcourse.data._fetch.DataUnavailable: brats: access by registration: ...
    """
    info = describe(name)
    if not info.files:
        fetch(name)
    found = []
    for file in info.files:
        large = any((state.bytes or 0) > LARGE for state in file.accept)
        if large and download and present(info, file) is None:
            size = max(state.bytes or 0 for state in file.accept) / 1e9
            raise DataUnavailable(f"{name}: {size:.1f} GB are not fetched in passing; run `medcourse-data get {name}`")
        found.append(obtain(info, file, may_download=download, progress=progress))
    return read_set(info, found)


def verify(name: str | None = None) -> list[Verdict]:
    """Hash every registered file on this machine again, in ``$MEDCOURSE_DATA`` and in the cache; change nothing.

    Parameters
    ----------
    name
        One of `available`; None verifies all.

    Returns
    -------
    list of Verdict
        One for each file or folder that is there; none for what is absent.

    Raises
    ------
    UnknownSetError
        If there is no such set.

    Notes
    -----
    Taught in: A.2 Data sets.

    Examples
    --------
    >>> verify("camelyon")
    []
    """
    verdicts = []
    for one in available() if name is None else [name]:
        info = describe(one)
        for file in info.files:
            copy = cached(info, file)
            for path in [*own_copies(info, file), *([copy] if copy.exists() else [])]:
                try:
                    state = identify(path, file)
                except OSError as error:
                    verdicts.append(Verdict(one, path, f"cannot be read ({error.strerror})", ok=False))
                    continue
                source = (
                    state.provenance if state else "not the registered file: altered, cut short, or another version"
                )
                verdicts.append(Verdict(one, path, source, ok=state is not None))
    return verdicts

"""Where the files of public sets lie, whether they are what they should be, and how they come here."""

from __future__ import annotations

import os
import shutil
import warnings
import zipfile
from pathlib import Path
from tarfile import TarError
from typing import NamedTuple

from medcourse.data import _members
from medcourse.data._fetch import ChecksumError, DataUnavailable, FetchError, digests, download, locked
from medcourse.data._schema import Accepted, RegisteredFile, SetInfo

VARIABLE = "MEDCOURSE_DATA"
LARGE = 1 << 30  # bytes: a set above this is downloaded when asked for by name, never in passing


class Found(NamedTuple):
    """A verified file or folder: its `path`, and the registered state that it is in."""

    path: Path
    state: Accepted


def data_folder() -> Path | None:
    """The folder that ``$MEDCOURSE_DATA`` names, never written to; None where there is none."""
    named = os.environ.get(VARIABLE)
    folder = Path(named).expanduser() if named else None
    return folder if folder and folder.is_dir() else None


def cache_folder() -> Path:
    """The user's cache of this package; its sets are ours to replace."""
    import pooch

    return Path(pooch.os_cache("medcourse"))


def cached(info: SetInfo, file: RegisteredFile) -> Path:
    """Where the cache keeps a file."""
    return cache_folder() / info.name / file.name


def own_copies(info: SetInfo, file: RegisteredFile) -> list[Path]:
    """Where a file, or a folder in its stead, lies in ``$MEDCOURSE_DATA``."""
    folder = data_folder()
    if folder is None:
        return []
    places = [*file.places, f"{info.name}/{file.name}", file.name]
    return [folder / place for place in dict.fromkeys(places) if (folder / place).exists()]


def present(info: SetInfo, file: RegisteredFile) -> Path | None:
    """The copy that would be loaded, not verified; None where there is none."""
    mine = own_copies(info, file)
    if mine:
        return mine[0]
    path = cached(info, file)
    return path if path.exists() else None


def identify(
    path: Path, file: RegisteredFile, *, known: dict[str, str] | None = None, progress: bool | None = None
) -> Accepted | None:
    """Which registered state a file or folder is in; None if it is in none. Hashes it, unless digests are `known`."""
    if path.is_file():
        wanted = [name for name in ("sha256", "md5") if any(getattr(state, name) for state in file.accept)]
        found = known if known is not None else digests(path, wanted, progress=progress)
        for state in file.accept:
            sums = {name: getattr(state, name) for name in ("sha256", "md5") if getattr(state, name)}
            right_size = state.bytes is None or state.bytes == path.stat().st_size
            if sums and right_size and all(found[name] == value for name, value in sums.items()):
                return state
    by_members = [state for state in file.accept if state.members]
    if by_members and file.select:
        try:
            found_members = _members.digest(path, file.select)
        except (_members.MembersError, zipfile.BadZipFile, TarError, EOFError, OSError):
            return None
        for state in by_members:
            if found_members == (state.members, state.count):
                return state
    return None


def obtain(info: SetInfo, file: RegisteredFile, *, may_download: bool, progress: bool | None) -> Found:
    """Find a file verified: in ``$MEDCOURSE_DATA``, then in the cache, then from its home."""
    for path in own_copies(info, file):
        try:
            state = identify(path, file, progress=progress)
        except OSError as error:
            raise DataUnavailable(f"{info.name}: {path} cannot be read ({error.strerror}); check it") from None
        if state is None:
            raise ChecksumError(
                f"{info.name}: {path} is not the registered file (altered, cut short or another version); "
                f"it was left as it is; replace it: {remedy(info, file)}"
            )
        return Found(path, state)
    target = cached(info, file)
    if target.exists():
        state = identify(target, file, progress=progress)
        if state is not None:
            return Found(target, state)
    if not may_download or not file.urls:
        raise DataUnavailable(
            f"{info.name}: {_discard(target)}{file.name} is not here{_no_folder()}; {remedy(info, file)}"
        )
    return _fetch(info, file, target, progress=progress)


def remedy(info: SetInfo, file: RegisteredFile | None = None) -> str:
    """What a reader can do to get a set, in one line."""
    if file is None or not file.urls:
        place = f"$MEDCOURSE_DATA/{(file.places or (f'{info.name}/{file.name}',))[0]}" if file else ""
        steps = "; ".join(info.steps) or f"see {info.home}"
        return f"{steps}{f'; put it at {place}' if place else ''}{f' ({_sums(file)})' if file else ''}"
    return f"download {file.urls[0]} yourself and put it at {cached(info, file)} ({_sums(file)})"


def _sums(file: RegisteredFile) -> str:
    """The checksum of a file's first registered state, with the name of its kind."""
    state = file.accept[0]
    for name in ("sha256", "md5"):
        if getattr(state, name):
            return f"{name} {getattr(state, name)}"
    return f"checksum of its {state.count} members {state.members}"


def _no_folder() -> str:
    named = os.environ.get(VARIABLE)
    return f" ({VARIABLE}={named} is not a folder)" if named and data_folder() is None else ""


def _discard(target: Path) -> str:
    """Take a refused file out of the cache, and say so."""
    if not target.exists():
        return ""
    try:
        target.unlink() if target.is_file() else shutil.rmtree(target)
    except OSError as error:
        return f"{target} is not the registered file and cannot be removed ({error.strerror}); "
    return f"{target} was not the registered file and was removed; "


def _fetch(info: SetInfo, file: RegisteredFile, target: Path, *, progress: bool | None) -> Found:
    state: Accepted | None = None

    def accept(path: Path, known: dict[str, str]) -> bool:
        nonlocal state
        state = identify(path, file, known=known)
        return state is not None

    official = file.accept[0]
    wanted = [name for name in ("sha256", "md5") if any(getattr(one, name) for one in file.accept)]
    try:
        with locked(target.with_name(f".{file.name}.lock")):
            if target.exists():
                state = identify(target, file)
                if state is not None:  # another loader has just brought it
                    return Found(target, state)
                warnings.warn(f"{info.name}: {_discard(target)}it is downloaded again", stacklevel=4)
            download(
                file.urls, target, algorithms=wanted, accept=accept, size=official.bytes, limit=file.limit,
                progress=progress,
            )  # fmt: skip
    except ChecksumError as error:
        raise ChecksumError(f"{info.name}: {error}; {remedy(info, file)}") from None
    except FetchError as error:
        raise DataUnavailable(f"{info.name}: {error}; or {remedy(info, file)}") from None
    except OSError as error:
        raise DataUnavailable(
            f"{info.name}: {target.parent} may not be written to ({error.strerror}); change its permissions, set "
            f"XDG_CACHE_HOME to another folder, or {remedy(info, file)}"
        ) from None
    assert state is not None  # accept said so
    return Found(target, state)

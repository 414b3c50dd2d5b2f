"""Write phantoms to disk chunk by chunk, in memory that does not grow with their number, and open them again."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcourse.data._fetch import FetchError, digests, locked
from medcourse.data._progress import bar
from medcourse.data.phantoms._cohort import Phantoms, check_range
from medcourse.data.phantoms._growing import Growing, read_table

__all__ = ["open_written", "write"]

_DTYPES = ("float32", "float16", "int16")
_VERSIONS = ("medcourse", "numpy", "scipy", "opencv-python-headless")


def write(
    generator: Callable[..., Phantoms],
    folder: str | Path,
    *,
    n: int,
    first: int = 0,
    chunk: int = 32,
    dtype: str = "float32",
    jobs: int = 1,
    progress: bool | None = None,
    **settings: Any,
) -> Path:
    """Draw any phantom into a folder, chunk by chunk: twenty thousand images in the memory of some dozens.

    The folder is written aside, as ``<folder>.part``, and gets its name when it is whole. After an interruption
    the same call goes on behind the last whole chunk; where the folder is complete, it is left as it is.

    Parameters
    ----------
    generator
        A function of `medcourse.data.phantoms` that takes `n`, `first` and `jobs`, and returns `Phantoms`.
    folder
        Where to; new, empty, or written by the same call.
    n, first
        Number of patients, and the index of the first.
    chunk
        Patients drawn at a time. Memory grows with it, the files do not depend on it.
    dtype
        How images are stored: float32 as drawn; float16, half the size, three digits; int16, rounded, for HU.
    jobs
        Processes that draw.
    progress
        A bar on stderr; None shows it to people, never in a stored notebook.
    **settings
        For the generator: `seed`, `difficulty`, `size`, …

    Returns
    -------
    Path
        The folder. It holds ``images.npy``, ``masks.npy``, ``anatomy.npy`` where there is one, ``table.csv``,
        ``lesions.csv``, byte for byte what one big call gives, and ``meta.json``: the request with all defaults,
        versions, spacing, bytes and SHA-256 of each file.

    Raises
    ------
    ValueError
        If an argument is out of range or unknown to the generator, or the dtype cannot hold the images.
    FileExistsError
        If the folder, or its unfinished ``.part``, holds something else.
    OSError
        If the disk is full or cannot be written to; then nothing is left behind.

    Notes
    -----
    Taught in: A.2 Data sets.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from medcourse.data.phantoms import mammograms
    >>> with TemporaryDirectory() as place:
    ...     folder = write(mammograms, f"{place}/breasts", n=2, size=64, dtype="float16")
    ...     print(open_written(folder).images.shape)
    (8, 64, 64, 1)
    """
    check_range(n=(n, 1, 10**7), first=(first, 0, 10**8), chunk=(chunk, 1, 10**7))
    request = _request(generator, n=n, first=first, dtype=dtype, settings=settings)
    target = Path(folder)
    part, lock = (target.with_name(f"{target.name}.{end}") for end in ("part", "lock"))
    with ExitStack() as stack:
        with _nothing_half_made(part):
            stack.enter_context(_only_writer(lock))
        if not _stands(target, request):
            _fill(part, request, generator, chunk=chunk, jobs=jobs, progress=progress, settings=settings)
            with _nothing_half_made(part):
                if target.exists():
                    target.rmdir()
                part.rename(target)
    return target


def open_written(folder: str | Path, *, verify: bool = False) -> Phantoms:
    """Open what `write` has written: images, masks and anatomy stay on disk until they are used.

    Parameters
    ----------
    folder
        As given to `write`.
    verify
        Compare every file with its SHA-256 first, at the speed of the disk. The sizes are always compared.

    Returns
    -------
    Phantoms
        As the generator returns, with memory-mapped, read-only arrays; images in the stored dtype.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or it is not whole.
    ValueError
        If a file is not as it was written.

    Notes
    -----
    Taught in: A.2 Data sets.

    Examples
    --------
    >>> open_written("nowhere")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere holds no meta.json: write phantoms there first, with stream.write
    """
    place = Path(folder)
    meta = _meta(place)
    if meta is None:
        raise FileNotFoundError(f"{place} holds no meta.json: write phantoms there first, with stream.write")
    for name, about in meta["files"].items():
        path = place / name
        if not path.exists() or path.stat().st_size != about["bytes"]:
            found = f"{path.stat().st_size} bytes" if path.exists() else "missing"
            raise ValueError(f"{path} is {found}, not {about['bytes']} bytes as written: delete {place}, write anew")
        if verify and digests(path, ["sha256"])["sha256"] != about["sha256"]:
            raise ValueError(f"{path} is not what was written (SHA-256 differs): delete {place}, write anew")
    arrays = {path.stem: np.load(path, mmap_mode="r") for path in sorted(place.glob("*.npy"))}
    tables = {
        name: read_table(place / f"{name}.csv", kinds, meta["blanks"][name]) for name, kinds in meta["columns"].items()
    }
    spacing = tuple(meta["spacing_mm"])
    return Phantoms(
        arrays["images"], arrays["masks"], tables["table"], spacing, tables["lesions"], arrays.get("anatomy")
    )


def _fill(
    part: Path,
    request: Mapping[str, Any],
    generator: Callable[..., Phantoms],
    *,
    chunk: int,
    jobs: int,
    progress: bool | None,
    settings: Mapping[str, Any],
) -> None:
    """Draw what is still missing in `part`, and state what it holds."""
    n, first = request["n"], request["first"]
    with _nothing_half_made(part):
        growing, done, spacing = _resumed(part, request)
    starts = range(done, n, chunk)
    for start in bar(starts, total=len(starts), unit="chunk", progress=progress):
        count = min(chunk, n - start)
        try:
            drawn = generator(count, first=first + start, jobs=jobs, progress=False, **settings)
            arrays = {"images": _stored(drawn.images, request["dtype"]), "masks": drawn.masks}
        except Exception:
            if growing.rows == 0:
                shutil.rmtree(part, ignore_errors=True)  # a bad setting leaves nothing behind
            raise
        if drawn.anatomy is not None:
            arrays["anatomy"] = drawn.anatomy
        lesions = drawn.lesions.assign(image=drawn.lesions["image"] + growing.rows)
        spacing = list(drawn.spacing_mm)
        with _nothing_half_made(part):
            if start == 0:
                _require_room(part, arrays, n / count)
            growing.append(arrays, {"table": drawn.table, "lesions": lesions})
            state = {"request": request, "versions": _versions(), "patients": start + count, "spacing_mm": spacing}
            _put(part / "state.json", state | {"counts": growing.counts()})
        del drawn, arrays, lesions  # before the next chunk is drawn: the peak is one chunk, not two
    with _nothing_half_made(part):
        growing.finish()
        files = {
            path.name: {"bytes": path.stat().st_size, **digests(path, ["sha256"], progress=progress)}
            for path in sorted([*part.glob("*.npy"), *part.glob("*.csv")])
        }
        meta = {"request": request, "versions": _versions(), "images": growing.rows, "spacing_mm": spacing}
        _put(part / "meta.json", meta | {"columns": growing.columns, "blanks": growing.blanks, "files": files})
        (part / "state.json").unlink()


def _resumed(part: Path, request: Mapping[str, Any]) -> tuple[Growing, int, list[float]]:
    """What an interrupted call has left: its files, how many patients they hold, and the spacing."""
    if part.exists() and any(part.iterdir()):
        try:
            state = json.loads((part / "state.json").read_text("utf-8"))
        except FileNotFoundError:  # interrupted before its first chunk was whole, or after its last
            state = None
        if state is not None and (state["request"] != request or state["versions"] != _versions()):
            raise FileExistsError(f"{part} is left from another call or other versions: delete it, or give another")
        if state is not None:
            return Growing(part, **state["counts"]), state["patients"], state["spacing_mm"]
        if not {path.name for path in part.iterdir()} <= _OURS:
            raise FileExistsError(f"{part} holds files that are not ours: move them away, or give another folder")
        shutil.rmtree(part)
    part.mkdir(parents=True, exist_ok=True)
    return Growing(part), 0, []


_OURS = {
    "images.npy", "masks.npy", "anatomy.npy", "table.csv", "lesions.csv",
    "state.json", "state.json.new", "meta.json", "meta.json.new",
}  # fmt: skip


def _stands(target: Path, request: Mapping[str, Any]) -> bool:
    """Whether the folder holds what is asked for; False where it is to be written, an error where it is not ours."""
    if not target.exists():
        return False
    if not target.is_dir():
        raise FileExistsError(f"{target} is a file: give a folder")
    if not any(target.iterdir()):
        return False
    meta = _meta(target)
    if meta is None:
        raise FileExistsError(f"{target} is not empty: give a new folder")
    package = meta["versions"]["medcourse"]
    if meta["request"] != request or package != version("medcourse"):
        raise FileExistsError(f"{target} holds other phantoms (medcourse {package}): delete it, or give another")
    open_written(target)
    return True


def _request(
    generator: Callable[..., Phantoms], *, n: int, first: int, dtype: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What is asked for, defaults included, as JSON keeps it."""
    name = f"{generator.__module__}.{generator.__qualname__}"
    if dtype not in _DTYPES:
        raise ValueError(f"dtype={dtype!r}: give {', '.join(_DTYPES)}")
    try:
        bound = inspect.signature(generator).bind(n, first=first, jobs=1, progress=False, **settings)
    except TypeError as error:
        raise ValueError(f"generator {name} does not take these settings: {error}") from None
    bound.apply_defaults()
    given = {key: value for key, value in bound.arguments.items() if key not in ("n", "first", "jobs", "progress")}
    plain = {key: _plain(key, value) for key, value in given.items()}
    request = {"generator": name, "n": int(n), "first": int(first), "dtype": dtype, "settings": plain}
    kept: dict[str, Any] = json.loads(json.dumps(request))
    return kept


def _plain(name: str, value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(name, getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(name, item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(name, item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{name} is a {type(value).__name__}, which meta.json cannot keep: give numbers and text")


def _stored(images: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    if dtype == "float32":
        return images
    limit = 65504 if dtype == "float16" else 32767
    low, high = float(images.min()), float(images.max())
    if max(-low, high) > limit:
        raise ValueError(f"dtype={dtype!r} cannot hold images from {low:g} to {high:g}: take float32")
    if dtype == "float16":
        return images.astype(np.float16)
    if high - low < 100:
        raise ValueError(f"dtype='int16' would leave whole numbers from {low:.3g} to {high:.3g}: take float16")
    return np.rint(images).astype(np.int16)


def _require_room(part: Path, arrays: Mapping[str, NDArray[Any]], times: float) -> None:
    """Refuse at once what the disk cannot hold."""
    needed = math.ceil(times * sum(array.nbytes for array in arrays.values()))
    if shutil.disk_usage(part).free < needed:
        raise OSError(28, f"{needed / 1e9:.1f} GB are needed, {shutil.disk_usage(part).free / 1e9:.1f} GB free")


@contextmanager
def _nothing_half_made(part: Path) -> Iterator[None]:
    """Take away what was written when the disk is full or refuses, and say in one line what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not the system's: one of the lines above
            raise
        shutil.rmtree(part, ignore_errors=True)
        raise OSError(
            f"{part.with_suffix('')} could not be written ({error.strerror or error}), nothing was left there: "
            "free some disk space, give another folder, or take a smaller n or dtype='float16'"
        ) from error


@contextmanager
def _only_writer(lock: Path) -> Iterator[None]:
    try:
        with locked(lock, wait=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except FetchError:
        raise FileExistsError(f"{lock.with_suffix('')} is being written by another program: wait for it") from None


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _VERSIONS}}


def _put(path: Path, value: Mapping[str, Any]) -> None:
    aside = path.with_name(f"{path.name}.new")
    aside.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    aside.replace(path)


def _meta(folder: Path) -> dict[str, Any] | None:
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return meta

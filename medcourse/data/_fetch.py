"""A download that ends well or leaves nothing: time-outs, resume, limits, checksums, one writer at a time."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from medcourse.data._progress import bar

BLOCK = 1 << 22  # bytes read at once for hashing; small blocks halve the speed
MIB = 1 << 20
# Zenodo turns away the bare name of a browser; an honest name is let in.
USER_AGENT = "medcourse/0.1 (teaching package; loads registered public data sets)"


class DataUnavailable(RuntimeError):  # noqa: N818 - named for what a reader meets
    """A set is not here and cannot be fetched; the message says why and exactly what to do."""


class ChecksumError(DataUnavailable):
    """A file is not what the registry lists: altered, cut short, or another version."""


class FetchError(DataUnavailable):
    """A download failed; the message is the cause alone, and whoever asked for the file adds the remedy."""


@dataclass(frozen=True)
class Settings:
    """How patient a download is: seconds to connect, to wait for a byte, and for every 64 kB; attempts; pause."""

    connect: float = 10.0
    read: float = 30.0
    patience: float = 60.0
    attempts: int = 3
    pause: float = 1.0
    redirects: int = 5


SETTINGS = Settings()


class _Again(Exception):  # noqa: N818 - not an error yet
    """The attempt broke off, and another may go on where it ended."""


def digests(path: Path, algorithms: Sequence[str], *, progress: bool | None = None) -> dict[str, str]:
    """Hash a file by each of `algorithms` in one pass, as hexadecimal digits; a bar for what takes long."""
    hashers = [hashlib.new(name, usedforsecurity=False) for name in algorithms]

    def blocks(handle: IO[bytes]) -> Iterator[None]:
        buffer = bytearray(BLOCK)
        view = memoryview(buffer)
        while count := handle.readinto(buffer):  # type: ignore[attr-defined]  # a raw file has it
            for hasher in hashers:
                hasher.update(view[:count])
            for _ in range(math.ceil(count / MIB)):
                yield

    with path.open("rb", buffering=0) as handle:
        total = math.ceil(path.stat().st_size / MIB)
        for _ in bar(blocks(handle), total=total, unit="MiB", progress=progress):
            pass
    return {name: hasher.hexdigest() for name, hasher in zip(algorithms, hashers, strict=True)}


@contextmanager
def locked(path: Path, *, wait: float = 3600.0) -> Iterator[None]:
    """Hold a lock that threads and processes respect; the system lets go of it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        end = time.monotonic() + wait
        while not _try_lock(handle):
            if time.monotonic() > end:
                raise FetchError(f"another program has been loading this file for {wait:.0f} s; end it, or try later")
            time.sleep(0.05)
        try:
            yield
        finally:
            _unlock(handle)


def download(
    urls: Sequence[str],
    target: Path,
    *,
    algorithms: Sequence[str],
    accept: Callable[[Path, dict[str, str]], bool],
    size: int | None = None,
    limit: int | None = None,
    progress: bool | None = None,
    settings: Settings = SETTINGS,
) -> None:
    """Bring a file to `target`, verified, or raise one clear error and leave nothing under that name.

    What arrives goes to ``target.part``; a broken download stays there and is continued by the next attempt or the
    next call. `accept` is given the whole file and its digests; only what it accepts is renamed to `target`.

    Parameters
    ----------
    urls
        Addresses to try in order.
    target
        Where the file goes; its folder is made.
    algorithms
        Names of the digests that `accept` wants.
    accept
        Whether this is the file.
    size
        Its exact number of bytes, where known: another number is refused before anything is downloaded.
    limit
        The most bytes to take where the size is not known.
    progress
        Whether a bar is shown; None leaves it to the package's rule.
    settings
        Times and attempts.

    Raises
    ------
    FetchError
        If no address gives the file; the cause for each.
    ChecksumError
        If one gives another file.
    """
    part = target.with_name(f"{target.name}.part")
    causes, another = [], False
    for url in urls:
        host = urlsplit(url).hostname
        try:
            for resumed in (True, False):
                if not resumed:
                    part.unlink(missing_ok=True)
                begun = part.exists() and part.stat().st_size > 0
                found = _attempts(url, part, algorithms, size=size, limit=limit, progress=progress, settings=settings)
                if accept(part, found):
                    _publish(part, target)
                    return
                part.unlink(missing_ok=True)
                if not begun:  # what was there before may have been of another version: once more from the start
                    break
        except FetchError as error:
            causes.append(f"{host} {error}")
        except OSError as error:
            raise FetchError(_disk(error, part)) from None
        else:
            another = True
            causes.append(f"{host} sent another file than the one registered (its checksum is wrong)")
    raise (ChecksumError if another else FetchError)("; ".join(causes))


def _attempts(
    url: str,
    part: Path,
    algorithms: Sequence[str],
    *,
    size: int | None,
    limit: int | None,
    progress: bool | None,
    settings: Settings,
) -> dict[str, str]:
    """Fill `part` from one address, again and again where it breaks off, and return its digests."""
    cause = ""
    for attempt in range(settings.attempts):
        if attempt:
            time.sleep(settings.pause * attempt)
        try:
            return _fill(url, part, algorithms, size=size, limit=limit, progress=progress, settings=settings)
        except _Again as broken:
            cause = str(broken)
    raise FetchError(f"{cause} ({settings.attempts} attempts)")


def _fill(
    url: str,
    part: Path,
    algorithms: Sequence[str],
    *,
    size: int | None,
    limit: int | None,
    progress: bool | None,
    settings: Settings,
) -> dict[str, str]:
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.Session() as session:
        session.max_redirects = settings.redirects
        try:
            answer = session.get(url, headers=headers, stream=True, timeout=(settings.connect, settings.read))
        except requests.TooManyRedirects:
            raise FetchError(f"redirects more than {settings.redirects} times") from None
        except requests.Timeout:
            raise _Again(f"did not answer within {settings.read:g} s") from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise _Again(_no_connection(error)) from None
        except requests.RequestException as error:
            raise FetchError(f"cannot be asked ({type(error).__name__})") from None
        with answer:
            start, total = _check_answer(answer, url, part, have, size=size, limit=limit)
            _check_room(part, (total or limit or 0) - start)
            hashers = [hashlib.new(name, usedforsecurity=False) for name in algorithms]
            if start:  # what is already there belongs to the digest
                with part.open("rb") as handle:
                    while block := handle.read(BLOCK):
                        for hasher in hashers:
                            hasher.update(block)
            pump = _pump(answer, part, start, total, hashers, most=total or limit, settings=settings)
            for _ in bar(pump, total=max(0, math.ceil(((total or 0) - start) / MIB)), unit="MiB", progress=progress):
                pass
    return {name: hasher.hexdigest() for name, hasher in zip(algorithms, hashers, strict=True)}


def _check_answer(
    answer: Any, url: str, part: Path, have: int, *, size: int | None, limit: int | None
) -> tuple[int, int | None]:
    """Where the body starts in the file, and how long the file will be; refuse what cannot be the file."""
    status = answer.status_code
    if urlsplit(url).scheme == "https" and urlsplit(answer.url).scheme != "https":
        raise FetchError("redirects to an unencrypted address")
    if status == 416:  # nothing after what we have: whole already, or not of this file
        whole = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", "").strip())
        if have == (size or (int(whole[1]) if whole else 0)):
            return have, have
        part.unlink(missing_ok=True)
        raise _Again("refused to continue the download")
    if status in (408, 425, 429) or status >= 500:
        raise _Again(f"answered with HTTP error {status}")
    if status not in (200, 206):
        raise FetchError(f"answered with HTTP error {status}")
    if answer.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise FetchError("answered with a web page instead of the file (a log-in page of the network?)")
    start, length = 0, answer.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
        if not have or match is None or int(match[1]) != have:
            part.unlink(missing_ok=True)
            raise _Again("continued the download in the wrong place")
        start = have
        total = int(match[2]) if match[2] != "*" else None if total is None else total + have
    if total is not None and size is not None and total != size:
        raise FetchError(f"offers {total} bytes where the registry lists {size}")
    if total is not None and limit is not None and total > limit:
        raise FetchError(f"offers {total} bytes, far more than the {limit} that this file can have")
    return start, total or size


def _pump(
    answer: Any, part: Path, start: int, total: int | None, hashers: Sequence[Any], *, most: int | None,
    settings: Settings,
) -> Iterator[None]:  # fmt: skip
    """Write the body to `part`, once for every yielded MiB; break off what stalls, ends early or never ends."""
    from urllib3.exceptions import HTTPError

    done, marked, mark, shown = start, start, time.monotonic(), start
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("r+b" if start else "wb") as handle:
        handle.seek(start)
        while total is None or done < total:
            try:
                block = answer.raw.read1(65536)
            except HTTPError as error:
                slow = "Timeout" in type(error).__name__
                raise _Again(f"sent nothing for {settings.read:g} s" if slow else "broke the connection off") from None
            except OSError:
                raise _Again("broke the connection off") from None
            if not block:
                break
            if done == 0 and re.match(rb"\s*<(!doctype html|html)", block, re.I):
                handle.truncate(0)
                raise FetchError("answered with a web page instead of the file (a log-in page of the network?)")
            if most is not None and done + len(block) > most:
                handle.truncate(0)
                raise FetchError(f"sends more than the {most} bytes that this file can have")
            handle.write(block)
            for hasher in hashers:
                hasher.update(block)
            done += len(block)
            if done - marked >= 65536:
                marked, mark = done, time.monotonic()
            elif time.monotonic() - mark > settings.patience:
                raise _Again(f"sent less than 64 kB in {settings.patience:g} s")
            if done - shown >= MIB:
                shown = done
                yield
        handle.truncate(done)
        handle.flush()
        os.fsync(handle.fileno())
    if total is not None and done < total:
        raise _Again(f"ended after {done} of {total} bytes")


def _check_room(part: Path, needed: int) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _publish(part: Path, target: Path) -> None:
    part.replace(target)
    if os.name == "posix":  # the new name, too, survives a power cut
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _disk(error: OSError, part: Path) -> str:
    """What a failing disk means, in words; a full one is not left fuller."""
    folder = part.parent
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        part.unlink(missing_ok=True)
        return f"the disk of {folder} is full; free some space"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{folder} may not be written to; change its permissions, or set XDG_CACHE_HOME to another folder"
    return f"{folder} cannot be used ({error.strerror or error})"


def _no_connection(error: Exception) -> str:
    text = str(error)
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return "cannot be found: no network?"
    return "broke the connection off" if "Connection aborted" in text or "reset" in text else "cannot be reached"


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: IO[str]) -> bool:
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: IO[str]) -> None:
        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: IO[str]) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(handle: IO[str]) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)

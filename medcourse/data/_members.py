"""The files of a set, whether a folder or an archive holds them; nothing is ever unpacked to disk."""

from __future__ import annotations

import hashlib
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

MAX_MEMBER = 1 << 30  # bytes: the largest volume of a registered set has a third of this
MAX_COUNT = 200_000
MAX_TOTAL = 16 << 30


class MembersError(ValueError):
    """A folder or an archive holds something that a set never holds."""


def stream(path: Path, select: str) -> Iterator[tuple[str, bytes]]:
    """Yield (key, bytes) of the selected members in one pass, an archive's in its own order.

    Keys are the groups of `select`, joined by slashes: they name members and never become paths, so that an archive
    cannot write anywhere. Too many, too large or repeated members are refused.
    """
    pattern = re.compile(select)
    guard = _Guard(path)
    if path.is_dir():
        for key, file in sorted(_keys(pattern, ((p.relative_to(path).as_posix(), p) for p in path.rglob("*")))):
            if file.is_file():
                guard.admit(key, file.stat().st_size)
                yield key, file.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for key, info in _keys(pattern, ((i.filename, i) for i in archive.infolist() if not i.is_dir())):
                guard.admit(key, info.file_size)
                yield key, archive.read(info)
    else:
        with tarfile.open(path, "r|*") as archive_tar:
            for key, member in _keys(pattern, ((m.name, m) for m in archive_tar)):
                if member.isreg():
                    guard.admit(key, member.size)
                    content = archive_tar.extractfile(member)
                    assert content is not None  # a regular file
                    yield key, content.read()


class Members:
    """The selected members by key, each read when asked for: from a folder, a zip or an uncompressed tar."""

    def __init__(self, path: Path, select: str) -> None:
        self.path = path
        pattern = re.compile(select)
        self._files: dict[str, Path] = {}
        self._zip: dict[str, zipfile.ZipInfo] = {}
        self._tar: dict[str, tarfile.TarInfo] = {}
        if path.is_dir():
            self._files = dict(_keys(pattern, ((p.relative_to(path).as_posix(), p) for p in path.rglob("*"))))
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                self._zip = dict(_keys(pattern, ((i.filename, i) for i in archive.infolist() if not i.is_dir())))
        else:
            with tarfile.open(path) as archive_tar:
                self._tar = dict(_keys(pattern, ((m.name, m) for m in archive_tar if m.isreg())))
        self.keys = tuple(sorted({**self._files, **self._zip, **self._tar}))

    def read(self, key: str) -> bytes:
        """Read one member."""
        if key in self._files:
            return self._files[key].read_bytes()
        if key in self._zip:
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self._zip[key])
        if key in self._tar:
            with tarfile.open(self.path, "r:") as archive_tar:
                content = archive_tar.extractfile(self._tar[key])
                assert content is not None  # a regular file
                return content.read()
        raise MembersError(f"{self.path.name} has no member {key}")


def digest(path: Path, select: str) -> tuple[str, int]:
    """SHA-256 of the sorted lines ``"sha256  key"`` of the selected members, and their number."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {key}\n" for key, content in stream(path, select)]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest(), len(lines)


def _keys(pattern: re.Pattern[str], items: Iterable[tuple[str, Item]]) -> Iterator[tuple[str, Item]]:
    for name, item in items:
        found = pattern.search(name)
        if found:
            yield "/".join(found.groups()), item


class _Guard:
    """Refuses what no registered set holds: a decompression bomb, the same member twice."""

    def __init__(self, path: Path) -> None:
        self.path, self.seen, self.total = path, set[str](), 0

    def admit(self, key: str, size: int) -> None:
        if key in self.seen:
            raise MembersError(f"{self.path.name} holds {key} twice")
        self.seen.add(key)
        self.total += size
        if size > MAX_MEMBER or self.total > MAX_TOTAL or len(self.seen) > MAX_COUNT:
            raise MembersError(f"{self.path.name} is far larger inside than any registered set")

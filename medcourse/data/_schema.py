"""What an entry of data/registry.toml may say, read into types; standard library only, for the site's tools too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ACCESS = ("open", "registration", "manual")
READERS = ("medmnist", "volumes", "patches", "voc", "nuclei", "wfdb")
TASKS = ("classification", "ordinal classification", "segmentation", "detection", "beat annotation")

_DOI = re.compile(r"10\.\d{4,9}/\S+")
_PATTERNS = {"md5": r"[0-9a-f]{32}", "sha256": r"[0-9a-f]{64}", "members": r"[0-9a-f]{64}"}
_REQUIRED: dict[str, type] = {
    "title": str, "title_zh": str, "task": str, "modality": str, "home": str, "access": str, "licence": str,
    "citation": list, "patients": str, "consent": str, "flaws": list,
}  # fmt: skip
_OPTIONAL: dict[str, type] = {
    "reader": str, "shape": list, "spacing_mm": list, "splits": dict, "classes": list, "counts": dict, "positive": str,
    "files": list, "steps": list, "unverified": list, "variant_of": str,
}  # fmt: skip
_MEDMNIST = {"train", "val", "test"}
_TEXTS = ("flaws", "classes", "steps", "unverified")  # lists of text


class RegistryError(ValueError):
    """data/registry.toml breaks its own rules; the message names the set, the key and the remedy."""


@dataclass(frozen=True)
class Accepted:
    """One state of a file that the loader takes, and what that state is (`provenance`).

    Either the file's own checksum (`sha256` or `md5`, with `bytes` where they are known), or `members`: the SHA-256
    of the sorted lines ``"sha256  key"`` of the `count` files in a folder or an archive, whose own bytes may vary.
    """

    provenance: str
    sha256: str | None = None
    md5: str | None = None
    members: str | None = None
    count: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class RegisteredFile:
    """A file or a folder of a set: its `name` in the cache, its `urls`, its `places` in ``$MEDCOURSE_DATA``.

    `limit` is the most bytes that a download may bring where no exact size is known. `select` is the pattern of the
    members that belong to the set; its groups, joined by slashes, are their keys.
    """

    name: str
    accept: tuple[Accepted, ...]
    urls: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    limit: int | None = None
    select: str | None = None


@dataclass(frozen=True)
class SetInfo:
    """All that data/registry.toml says of a set; see the set's card for the words."""

    name: str
    title: str
    title_zh: str
    task: str
    modality: str
    home: str
    access: str
    licence: str
    citation: tuple[tuple[str, str | None], ...]
    patients: str
    consent: str
    flaws: tuple[str, ...]
    reader: str | None = None
    shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    splits: Mapping[str, int] | None = None
    classes: tuple[str, ...] = ()
    counts: Mapping[str, tuple[int, ...]] | None = None
    positive: str | None = None
    files: tuple[RegisteredFile, ...] = ()
    steps: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    variant_of: str | None = None


def resolve(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Fill in what a variant (another size of a set) shares with the set that it names."""
    resolved = {}
    for name, entry in table.items():
        base = table.get(entry["variant_of"], {}) if isinstance(entry, dict) and "variant_of" in entry else {}
        resolved[name] = {**base, **entry} if isinstance(entry, dict) else entry
    return resolved


def parse(name: str, entry: Mapping[str, Any]) -> SetInfo:
    """Check an entry, and give it types; a fault is one line."""
    if not isinstance(entry, Mapping):
        raise RegistryError(f"{name}: not a table; write [{name}] above its keys")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise RegistryError(f"{name}: a set's name has small letters, digits and underscores only")
    known = {**_REQUIRED, **_OPTIONAL}
    for key, value in entry.items():
        if key not in known:
            raise RegistryError(f"{name}: key {key!r} is unknown; the keys are {', '.join(known)}")
        if not isinstance(value, known[key]) or value in ("", [], {}):
            raise RegistryError(f"{name}: {key} = {value!r} is empty or not a {known[key].__name__}")
    missing = [key for key in _REQUIRED if key not in entry]
    if missing:
        raise RegistryError(f"{name}: {', '.join(missing)} missing; say it, or that it is unknown")
    for key, allowed in (("access", ACCESS), ("task", TASKS), ("reader", READERS)):
        if key in entry and entry[key] not in allowed:
            raise RegistryError(f"{name}: {key} = {entry[key]!r} is none of {', '.join(allowed)}")
    for key in _TEXTS:
        if any(not isinstance(text, str) or not text.strip() for text in entry.get(key, [])):
            raise RegistryError(f"{name}: {key} is a list of texts, none of them empty")
    _check_url(name, entry["home"])
    _check_numbers(name, entry)
    files = tuple(_file(name, item) for item in entry.get("files", []))
    _check_access(name, entry, files)
    given: dict[str, Any] = {key: tuple(entry[key]) for key in (*_TEXTS, "shape", "spacing_mm") if key in entry}
    given |= {key: entry[key] for key in ("reader", "splits", "positive", "variant_of") if key in entry}
    if "counts" in entry:
        given["counts"] = {split: tuple(row) for split, row in entry["counts"].items()}
    plain = {key: entry[key] for key in _REQUIRED if key not in ("citation", "flaws")}
    return SetInfo(name=name, citation=_citation(name, entry["citation"]), files=files, **plain, **given)


def _check_numbers(name: str, entry: Mapping[str, Any]) -> None:
    splits, classes, counts = entry.get("splits", {}), entry.get("classes", []), entry.get("counts", {})
    for key in ("shape", "spacing_mm"):
        if any(not isinstance(n, int | float) or n <= 0 for n in entry.get(key, [])):
            raise RegistryError(f"{name}: {key} = {entry[key]!r} is not a list of positive numbers")
    if any(not isinstance(n, int) or n <= 0 for n in splits.values()):
        raise RegistryError(f"{name}: splits = {splits!r} must give the number of items of each split")
    for split, row in counts.items():
        if split not in splits or len(row) != len(classes):
            raise RegistryError(f"{name}: counts.{split} needs a split of that name and one number for each class")
        if entry["task"].endswith("classification") and sum(row) != splits[split]:
            raise RegistryError(f"{name}: counts.{split} sums to {sum(row)}, but the split has {splits[split]} items")


def _check_access(name: str, entry: Mapping[str, Any], files: tuple[RegisteredFile, ...]) -> None:
    fetchable = bool(files) and all(file.urls for file in files)
    if entry["access"] == "open" and not fetchable:
        raise RegistryError(f"{name}: access = 'open' needs urls for every file; write 'manual' and its steps")
    if not fetchable and not entry.get("steps"):
        raise RegistryError(f"{name}: without urls it needs steps: what a reader must do to get it")
    if files and "reader" not in entry:
        raise RegistryError(f"{name}: files need a reader, one of {', '.join(READERS)}")
    needed = {"shape", "splits", "classes"}
    if entry.get("reader") == "medmnist" and not (needed <= set(entry) and set(entry["splits"]) == _MEDMNIST):
        raise RegistryError(f"{name}: the medmnist reader needs shape, classes, and splits train, val and test")


def _check_url(name: str, url: Any) -> None:
    if not isinstance(url, str) or not re.fullmatch(r"https?://[^\s|]+", url):
        raise RegistryError(f"{name}: {url!r} is not a web address")


def _citation(name: str, items: list[Any]) -> tuple[tuple[str, str | None], ...]:
    cited = []
    for item in items:
        if not isinstance(item, dict) or not set(item) <= {"key", "doi"} or "key" not in item:
            raise RegistryError(
                f"{name}: citation {item!r} must be {{key = '…', doi = '…'}}, the key of references.bib"
            )
        doi = item.get("doi")
        if doi is not None and not _DOI.fullmatch(doi):
            raise RegistryError(f"{name}: {doi!r} is not a DOI; write 10.…/… without https://doi.org/")
        cited.append((str(item["key"]), doi))
    return tuple(cited)


def _file(name: str, item: Any) -> RegisteredFile:
    allowed = {"name", "urls", "places", "limit", "select", "accept"}
    if not isinstance(item, dict) or not {"name", "accept"} <= set(item) <= allowed:
        raise RegistryError(f"{name}: a file has name and accept, and may have urls, places, limit, select")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", item["name"]):
        raise RegistryError(f"{name}: file name {item['name']!r} must be a plain name without folders")
    for url in item.get("urls", []):
        _check_url(name, url)
    for place in item.get("places", []):
        if place.startswith("/") or ".." in place.split("/"):
            raise RegistryError(f"{name}: place {place!r} must lie inside the data folder")
    accept = tuple(_accepted(name, entry) for entry in item["accept"])
    if not accept:
        raise RegistryError(f"{name}: {item['name']} needs a checksum: a file that cannot be verified is not loaded")
    if item.get("urls") and not (item.get("limit") or any(state.bytes for state in accept)):
        raise RegistryError(f"{name}: {item['name']} needs bytes or a limit, so that a download has an end")
    if any(state.members for state in accept) and not item.get("select"):
        raise RegistryError(f"{name}: {item['name']} needs select, the pattern of its members")
    return RegisteredFile(
        name=item["name"],
        accept=accept,
        urls=tuple(item.get("urls", [])),
        places=tuple(item.get("places", [])),
        limit=item.get("limit"),
        select=item.get("select"),
    )


def _accepted(name: str, entry: Any) -> Accepted:
    if not isinstance(entry, dict) or not set(entry) <= {*_PATTERNS, "count", "bytes", "provenance"}:
        raise RegistryError(f"{name}: accept holds {entry!r}; it may say {', '.join(_PATTERNS)}, count, bytes")
    if not entry.get("provenance"):
        raise RegistryError(f"{name}: an accepted checksum needs provenance: what these bytes are")
    if not any(key in entry for key in _PATTERNS):
        raise RegistryError(f"{name}: accept needs one of {', '.join(_PATTERNS)}")
    for key, pattern in _PATTERNS.items():
        if key in entry and not re.fullmatch(pattern, entry[key]):
            raise RegistryError(f"{name}: {key} = {entry[key]!r} is not a checksum in small hexadecimal digits")
    if ("members" in entry) != ("count" in entry):
        raise RegistryError(f"{name}: members and count come together")
    return Accepted(**entry)

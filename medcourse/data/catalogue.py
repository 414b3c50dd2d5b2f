"""The catalogue of public sets, data/registry.toml, and the folder of cards; standard library only."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from medcourse.data._schema import RegistryError, SetInfo, parse, resolve

__all__ = ["RegistryError", "SetInfo", "cards_folder", "facts", "read_catalogue"]


def cards_folder() -> Path:
    """Find the folder that holds registry.toml and the cards: the repository's, or the copy in an installed package.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    FileNotFoundError
        If neither is there.

    Notes
    -----
    Taught in: A.2 Data sets. The one source is ``data/``; a wheel carries a copy.

    Examples
    --------
    >>> (cards_folder() / "registry.toml").is_file()
    True
    """
    for folder in (Path(__file__).resolve().parents[2] / "data", Path(str(files("medcourse") / "cards"))):
        if (folder / "registry.toml").is_file():
            return folder
    raise FileNotFoundError("registry.toml is not in this installation; install medcourse again")


def read_catalogue(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """Read data/registry.toml: one entry for each public set, by name, checked against the rules.

    Parameters
    ----------
    path
        Another file to read; None reads the course's own.

    Returns
    -------
    dict
        Entries in the order of the file; another size of a set (`variant_of`) is filled in from that set.

    Raises
    ------
    RegistryError
        If the file breaks a rule; one line with set, key and remedy.

    Notes
    -----
    Taught in: A.2 Data sets. `medcourse.data.registry.describe` gives one entry with types.

    Examples
    --------
    >>> read_catalogue()["breastmnist"]["classes"]
    ['malignant', 'normal or benign']
    """
    path = path or cards_folder() / "registry.toml"
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RegistryError(f"{path.name} is not TOML: {error}") from None
    for name, entry in table.items():
        base = entry.get("variant_of") if isinstance(entry, dict) else None
        if base is not None and (base not in table or "variant_of" in table[base]):
            raise RegistryError(f"{name}: variant_of = {base!r} is no set of its own")
    resolved = resolve(table)
    for name, entry in resolved.items():
        parse(name, entry)
    return resolved


def facts(name: str, catalogue: Mapping[str, Mapping[str, Any]] | None = None) -> list[tuple[str, str]]:
    """List what the registry states of a set, for the table on its card: pairs of a heading and Markdown text.

    Parameters
    ----------
    name
        The set; its other sizes are told along.
    catalogue
        What `read_catalogue` returned; None reads it.

    Returns
    -------
    list of tuple
        Heading and value. Citations are MyST roles (``{cite:p}`key```); no value holds a vertical bar.

    Raises
    ------
    RegistryError
        If there is no such set.

    Notes
    -----
    Taught in: A.2 Data sets.

    Examples
    --------
    >>> dict(facts("breastmnist"))["Label"]
    '0 is malignant, 1 is normal or benign: a high label is good news'
    """
    catalogue = read_catalogue() if catalogue is None else catalogue
    if name not in catalogue:
        raise RegistryError(f"name={name!r}: no such set; the sets are {', '.join(catalogue)}")
    info = parse(name, catalogue[name])
    sizes = [parse(other, entry) for other, entry in catalogue.items() if entry.get("variant_of") == name]
    rows = [("Task", info.task), ("Modality", info.modality)]
    if info.shape:
        shapes = [f"`{one.name}` {' × '.join(map(str, one.shape))}" for one in (info, *sizes)]
        rows.append(("Names and sizes", ", ".join(shapes)))
    else:
        rows.append(("Name", f"`{name}`"))
    if info.spacing_mm:
        rows.append(("Spacing", " × ".join(f"{step:g}" for step in info.spacing_mm) + " mm"))
    if info.splits:
        rows.append(("Items", ", ".join(f"{split} {count:,}" for split, count in info.splits.items())))
    if info.classes:
        rows.append(("Classes", "; ".join(f"{k} {text}" for k, text in enumerate(info.classes))))
    if info.counts:
        counts = (f"{split} {' / '.join(f'{n:,}' for n in row)}" for split, row in info.counts.items())
        rows.append(("In each class", "; ".join(counts)))
    rows += [("Label", info.positive)] if info.positive else []
    rows += [("Patients", info.patients), ("Licence", info.licence)]
    rows.append(("Access", "; ".join([info.access, *info.steps])))
    rows.append(("Home", f"<{info.home}>"))
    rows.append(("Cite", " ".join(f"{{cite:p}}`{key}`" for key, _ in info.citation)))
    states = [
        f"{file.name}: {state.provenance}" for one in (info, *sizes) for file in one.files for state in file.accept
    ]
    rows += [("Accepted files", "; ".join(states))] if states else []
    rows += [("Not verified", "; ".join(info.unverified))] if info.unverified else []
    return [(heading, " ".join(value.replace("|", "/").split())) for heading, value in rows]

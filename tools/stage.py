"""Stage one edition of the book for Sphinx: `python -m tools.stage --edition student`.

Prose pages are written as .md, executable pages as .ipynb whose Markdown cells hold the MyST text of book/ and whose
code cells carry the outputs stored in notebooks/. Sphinx sees nothing else, and only changed files are rewritten.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import posixpath
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tools.cards import FOLDER as CARDS
from tools.derive import SETUP_TAG, derived_elsewhere
from tools.inserts import with_inserts
from tools.lab import released_cells
from tools.page import ROOT, Cell, Page, PageError, all_pages, notebook_path
from tools.solutions import with_dropdowns, without_solutions

EDITIONS = ("student", "instructor")
TIMES = "execution-times"
INDEX = "data/index"
ASSETS = ("_static", "_templates")
PICTURES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif")


def stage(edition: str, root: Path = ROOT) -> Path:
    """Write `_build/src-<edition>/` and return it.

    Raises
    ------
    PageError
        With one line per fault: a stale notebook, a picture without alternative text, a page that the table of
        contents lacks or has too many, a solution that cannot be removed.
    """
    if edition not in EDITIONS:
        raise PageError(f"edition {edition!r}: one of {', '.join(EDITIONS)}")
    target = root / "_build" / f"src-{edition}"
    pages = all_pages(root)
    times = _times_page(pages, root)
    toc = _toc(pages, times is not None, root)
    files: dict[str, bytes] = {"_toc.yml": toc}
    if times is not None:
        files[f"{TIMES}.md"] = times.encode()
    faults: list[str] = []
    for page in pages:
        try:
            suffix, text = _staged(page, pages, edition, root)
            files[page.name + suffix] = text.encode()
        except PageError as error:
            faults.append(str(error))
    if faults:
        raise PageError("\n".join(faults))
    for path in _assets(root):
        files[path.relative_to(root / "book").as_posix()] = path.read_bytes()
    _write_all(files, target)
    _write_conf(edition, root, target)
    _remove_others(target, {*files, "conf.py"})
    return target


def _staged(page: Page, pages: list[Page], edition: str, root: Path) -> tuple[str, str]:
    """Suffix and text of one staged page."""
    if page.executable and not derived_elsewhere(page):
        page = _with_outputs(page, root)
    cells = with_inserts(page, pages).cells
    if edition == "student" and derived_elsewhere(page):
        cells = released_cells(cells, page.name)
    cells = without_solutions(page.name, cells) if edition == "student" else with_dropdowns(cells)
    cells = [_linked(cell, page.name, pages) for cell in cells]
    if not page.executable:
        return ".md", "\n\n".join(cell.source for cell in cells).rstrip() + "\n"
    return ".ipynb", _notebook(cells)


def _with_outputs(page: Page, root: Path) -> Page:
    """The page with each code cell's stored outputs in its metadata, under `outputs`."""
    stale = f"{page.name}: notebook is stale; run make notebooks PAGE={page.path.stem}"
    path = notebook_path(page, root)
    try:
        stored = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise PageError(f"{page.name}: notebook is missing; run make notebooks PAGE={page.path.stem}") from None
    except (OSError, ValueError):
        raise PageError(f"{page.name}: notebook cannot be read; run make notebooks PAGE={page.path.stem}") from None
    code = [c for c in stored["cells"] if c["cell_type"] == "code" and not _inserted(c)]
    if len(code) != sum(cell.kind == "code" for cell in page.cells):
        raise PageError(stale)
    cells: list[Cell] = []
    left = iter(code)
    for cell in page.cells:
        if cell.kind == "markdown":
            cells.append(cell)
            continue
        other = next(left)
        if _joined(other["source"]).strip() != cell.source.strip():
            raise PageError(stale)
        number = len([c for c in cells if c.kind == "code"]) + 1
        cells.append(_with_output(page.name, number, cell, other))
    return Page(page.name, page.path, page.text, page.course, cells)


def _with_output(name: str, number: int, cell: Cell, stored: dict[str, Any]) -> Cell:
    """The cell with its outputs, trimmed to what a static page shows, and its picture's alternative text."""
    outputs: list[dict[str, Any]] = []
    alts: list[dict[str, Any]] = []
    for found in stored.get("outputs", []):
        output = found
        data = output.get("data", {})
        picture = next((kind for kind in PICTURES if kind in data), None)
        if picture is not None:
            facts = output.get("metadata", {}).get(picture, {})
            alt = str(facts.get("alt", "")).strip()
            if not alt:
                raise PageError(
                    f"{name}: code cell {number} shows a picture without alternative text; "
                    "end it with medcourse.figures.show(figure, alt=…)"
                )
            alts.append({"alt": alt} | ({"width": f"{facts['width']}px"} if "width" in facts else {}))
            output = output | {"data": {picture: data[picture]}}
        elif "text/html" in data:
            if "Plotly.newPlot" in _joined(data["text/html"]) and "aria-label" not in _joined(data["text/html"]):
                raise PageError(
                    f"{name}: code cell {number} shows a Plotly figure without alternative text; "
                    "end it with medcourse.figures.show(figure, alt=…)"
                )
            output = output | {"data": {"text/html": _joined(data["text/html"])}}
        outputs.append(output)
    if len(alts) > 1:
        raise PageError(f"{name}: code cell {number} shows {len(alts)} pictures; give each its own cell")
    metadata = {**cell.metadata, "outputs": outputs, "count": stored.get("execution_count")}
    if alts:
        metadata["mystnb"] = {**cell.metadata.get("mystnb", {}), "image": alts[0]}
    return Cell(cell.kind, cell.source, metadata)


def _linked(cell: Cell, name: str, pages: list[Page]) -> Cell:
    """Links to executable pages follow their staged suffix."""
    if cell.kind == "code":
        return cell
    executable = {page.name for page in pages if page.executable}

    def follow(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[1]))
        return f"]({match[1]}.ipynb" if target in executable else match[0]

    return replace(cell, source=re.sub(r"\]\(<?([\w./-]+)\.md\b", follow, cell.source))


def _notebook(cells: list[Cell]) -> str:
    out: list[dict[str, Any]] = []
    for i, cell in enumerate(cells):
        metadata = {k: v for k, v in cell.metadata.items() if k not in ("outputs", "count")}
        entry: dict[str, Any] = {"cell_type": cell.kind, "id": f"cell-{i}", "metadata": metadata, "source": cell.source}
        if cell.kind == "code":
            entry |= {"execution_count": cell.metadata.get("count"), "outputs": cell.metadata.get("outputs", [])}
        out.append(entry)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    language = {"name": "python", "pygments_lexer": "ipython3"}
    notebook = {
        "cells": out,
        "metadata": {"kernelspec": kernel, "language_info": language},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _inserted(cell: dict[str, Any]) -> bool:
    return SETUP_TAG in cell["metadata"].get("tags", [])


def _joined(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _toc(pages: list[Page], has_times: bool, root: Path) -> bytes:
    """The table of contents, proved to list every page once; the page of times only where there is a record."""
    try:
        text = (root / "_toc.yml").read_text("utf-8")
        toc = yaml.safe_load(text)
        listed = [toc["root"], *_files(toc)]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        line = str(error).splitlines()[0]
        raise PageError(f"_toc.yml cannot be read ({line}); mend it after a copy from git") from None
    names = {page.name for page in pages}
    made = [page.name for page in pages if page.path.parent == root / CARDS]
    if INDEX in listed:  # the cards stand below their index by themselves
        toc = _below(toc, INDEX, [name for name in made if name not in listed])
        listed = [toc["root"], *_files(toc)]
    faults = [f"{name}: page is not in the table of contents; add it to _toc.yml" for name in sorted(names - {*listed})]
    missing = sorted({*listed} - names - {TIMES})
    faults += [f"{name}: in _toc.yml, but there is no book/{name}.md; write it or take it out" for name in missing]
    faults += [f"{name}: listed twice in _toc.yml" for name in sorted(names) if listed.count(name) > 1]
    if faults:
        raise PageError("\n".join(faults))
    if TIMES in listed and not has_times:
        toc = _without(toc, TIMES)
    return yaml.safe_dump(toc, allow_unicode=True, sort_keys=False).encode()


def _files(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _files(item)]
    if isinstance(node, dict):
        own = [node["file"]] if "file" in node else []
        return own + [name for key in ("parts", "chapters", "sections") for name in _files(node.get(key, []))]
    return []


def _without(node: Any, name: str) -> Any:
    if isinstance(node, list):
        return [_without(item, name) for item in node if not (isinstance(item, dict) and item.get("file") == name)]
    if isinstance(node, dict):
        return {key: _without(value, name) for key, value in node.items()}
    return node


def _below(node: Any, name: str, added: list[str]) -> Any:
    """The table of contents with pages added below the page `name`."""
    if isinstance(node, list):
        return [_below(item, name, added) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _below(value, name, added) for key, value in node.items()}
    if out.get("file") == name:
        out["sections"] = [*out.get("sections", []), *({"file": card} for card in added)]
    return out


def _times_page(pages: list[Page], root: Path) -> str | None:
    """The page of measured times, from the record that `make notebooks` keeps; None without a record."""
    path = root / "benchmarks" / "results" / "pages.json"
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text("utf-8"))
        times = [(page, record["pages"][page.name]) for page in pages if page.name in record["pages"]]
        rows = [
            f"| [{page.title}]({page.name}.md) | {entry['seconds']:.1f} | {entry['memory_mib']:.0f} |"
            for page, entry in times
        ]
        total = sum(entry["seconds"] for _, entry in times)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PageError(f"{path.name}: the record of times cannot be read ({error}); run make notebooks") from None
    if not rows:
        return None
    machine = record.get("machine", "")
    if isinstance(machine, dict):
        machine = ", ".join(f"{key} {value}" for key, value in machine.items() if not isinstance(value, dict | list))
    rows = [_linked(Cell("markdown", row), TIMES, pages).source for row in rows]
    return "\n".join(
        [
            "# Execution times",
            "",
            "How long each page ran, and the memory it took, when its stored outputs were made.",
            "",
            "## Measured",
            "",
            "| page | seconds | memory (MiB) |",
            "|---|---:|---:|",
            *rows,
            "",
            f"Together {total:.0f} s." + (f" Machine: {machine}." if machine else ""),
            "",
        ]
    )


def _assets(root: Path) -> list[Path]:
    book = root / "book"
    found = [path for folder in ASSETS for path in sorted((book / folder).rglob("*")) if path.is_file()]
    return found + sorted(p for p in book.rglob("*") if p.suffix in (".bib", ".svg", ".png", ".jpg") and p not in found)


def _write_all(files: dict[str, bytes], target: Path) -> None:
    for name, content in files.items():
        path = target / name
        try:
            if path.read_bytes() == content:
                continue
        except OSError:
            path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(path.name + ".new")
        try:
            aside.write_bytes(content)
            aside.replace(path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise


def _write_conf(edition: str, root: Path, target: Path) -> None:
    """conf.py, made anew only if what it follows from has changed (importing Sphinx takes longer than staging)."""
    from tools import sphinx_conf

    parts = [(root / "_config.yml").read_bytes(), Path(sphinx_conf.__file__).read_bytes(), edition.encode()]
    parts += [str(sorted(p.name for p in (target / "_static").glob("*.*s"))).encode(), str(ROOT).encode()]
    mark = f"# follows from {hashlib.sha256(b''.join(parts)).hexdigest()}\n"
    path = target / "conf.py"
    if not path.exists() or not path.read_text("utf-8").startswith(mark):
        _write_all({"conf.py": (mark + sphinx_conf.text(edition, root, target)).encode()}, target)


def _remove_others(target: Path, names: set[str]) -> None:
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(target).as_posix() not in names and "__pycache__" not in path.parts:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def main(arguments: list[str] | None = None) -> int:
    """Command line; faults are printed one per line."""
    parser = argparse.ArgumentParser(prog="tools.stage", description=__doc__.splitlines()[0])
    parser.add_argument("--edition", choices=EDITIONS, default="student")
    options = parser.parse_args(arguments)
    try:
        print(stage(options.edition).relative_to(ROOT))
    except PageError as error:
        print("\n".join(f"stage: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"stage: {error.strerror}: {error.filename}; free space or mend the permissions", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A page as people write it: MyST text in book/, read into front matter and cells.

Every other tool starts here. A cell is Markdown (MyST text) or code; a page without code cells is prose.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import yaml

CODE = Path(__file__).resolve().parents[1]
ROOT = Path(os.environ.get("COURSE_ROOT") or CODE).resolve()  # a test may point the verbs at a copy of the book
FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n", re.S)
_EXERCISE = re.compile(
    r"^[`:]{3,}\{exercise(?:-start)?\}[ \t]*([^\n]*)\n(?:\s*:[\w-]+:[^\n]*\n)*?\s*:label:\s*(\S+)", re.M
)
LEVELS = {"beginner", "intermediate", "advanced"}


class PageError(Exception):
    """A page or notebook is at fault: the message is one line with cause and remedy."""


@dataclass(frozen=True)
class Cell:
    """One cell: `kind` is ``markdown`` or ``code``; `metadata` are a code cell's options."""

    kind: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def tags(self) -> list[str]:
        return list(self.metadata.get("tags", []))


@dataclass(frozen=True)
class Page:
    """One page of the book; `name` is its path below book/ without the suffix."""

    name: str
    path: Path
    text: str
    course: dict[str, Any]
    cells: list[Cell]

    @property
    def executable(self) -> bool:
        return any(cell.kind == "code" for cell in self.cells)

    @property
    def title(self) -> str:
        match = re.search(r"^# (.+)$", self.text, re.M)
        if match is None:
            raise PageError(f"{self.name}: no H1; begin the page with '# <number> <title>'")
        return match.group(1).strip()

    @property
    def section(self) -> str | None:
        value = self.course.get("section")
        return None if value is None else str(value)


def read_page(path: Path, root: Path = ROOT) -> Page:
    """Read one MyST page; a fault in its front matter is a PageError."""
    name = path.relative_to(root / "book").with_suffix("").as_posix()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PageError(f"{name}: cannot be read as UTF-8 text ({error}); save the page as UTF-8") from None
    match = FRONT_MATTER.match(text)
    head: dict[str, Any] = {}
    if match:
        try:
            head = yaml.safe_load(match.group(1)) or {}
        except yaml.YAMLError as error:
            line = str(error).splitlines()[0]
            raise PageError(
                f"{name}: front matter is not YAML ({line}); mend the block between the --- lines"
            ) from None
    if "```{code-cell}" in text and "kernelspec" not in head:
        raise PageError(f"{name}: has code cells but no kernelspec; copy jupytext and kernelspec from another page")
    if "kernelspec" in head:
        try:
            cells = _cells(text)
        except Exception as error:  # jupytext raises what its parsers raise
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise PageError(f"{name}: a cell's options cannot be read ({line}); mend the YAML at its top") from None
    else:
        cells = [Cell("markdown", FRONT_MATTER.sub("", text).strip("\n"))]
    return Page(name, path, text, dict(head.get("course") or {}), cells)


def _cells(text: str) -> list[Cell]:
    notebook = jupytext.reads(text, fmt="md:myst")
    return [
        Cell("code" if cell.cell_type == "code" else "markdown", cell.source, _plain(cell.metadata))
        for cell in notebook.cells
    ]


def _plain(value: Any) -> Any:
    """Notebook nodes as plain dicts and lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def all_pages(root: Path = ROOT) -> list[Page]:
    """Every page of the book, by path, then the data cards; folders that begin with an underscore hold no pages."""
    from tools.cards import cards, with_lists

    book = root / "book"
    paths = sorted(p for p in book.rglob("*.md") if not any(part.startswith("_") for part in p.relative_to(book).parts))
    made = cards(root)
    return [with_lists(read_page(path, root), made, root) for path in paths] + made


def find_pages(pattern: str | None, root: Path = ROOT) -> list[Page]:
    """Executable pages whose file name begins with `pattern` (3-1-1), or whose path contains it; all for None."""
    pages = [page for page in all_pages(root) if page.executable]
    if not pattern:
        return pages
    pattern = pattern.removesuffix(".md").removesuffix(".ipynb").removeprefix("book/").removeprefix("notebooks/")
    pattern = pattern.replace(".", "-")
    exact = [p for p in pages if re.match(rf"{re.escape(pattern)}(-|$)", p.name.rsplit("/", 1)[-1])]
    found = exact or [p for p in pages if pattern in p.name]
    if not found:
        known = ", ".join(p.name for p in pages)
        raise PageError(f"PAGE={pattern}: no such executable page; there are {known}")
    return found


def notebook_path(page: Page, root: Path = ROOT) -> Path:
    """Where the page's notebook lies."""
    return root / "notebooks" / f"{page.name}.ipynb"


def exercises(page: Page) -> list[tuple[str, str]]:
    """Label and title of each of the page's exercises that has a label, in their order."""
    return [(label, title.strip() or label) for title, label in _EXERCISE.findall(page.text)]


def _unchecked(page: Page) -> list[str]:
    """Objectives that no exercise checks, and exercises that check no objective, by the page's `checked_by`."""
    objectives, labels = page.course.get("objectives") or [], [label for label, _ in exercises(page)]
    checks = page.course.get("checked_by")
    if not isinstance(checks, list) or not all(isinstance(item, list) and item for item in checks):
        return ["course.checked_by must be a list with, for each objective, the list of the exercises that check it"]
    if len(checks) != len(objectives):
        return [f"course.checked_by has {len(checks)} entries for {len(objectives)} objectives: give one for each"]
    named = {label for item in checks for label in item}
    return [f"course.checked_by names {label}, which is no exercise here" for label in sorted(named - set(labels))] + [
        f"exercise {label} checks no objective; name it in course.checked_by" for label in labels if label not in named
    ]


def faults(page: Page) -> list[str]:
    """What the page's front matter lacks, one line each (the structure test prints them)."""
    course, found = page.course, []
    if not course.get("title_zh"):
        found.append("course.title_zh is missing")
    if page.executable and course.get("objectives") and (page.section or exercises(page)):
        found += _unchecked(page)
    section = page.section
    if section is None:
        return found
    if not page.title.startswith(f"{section} "):
        found.append(f"H1 '{page.title}' does not begin with the section number {section}")
    stem = page.path.stem
    if not stem.startswith(section.lower().replace(".", "-") + "-"):
        found.append(f"file name {stem} does not begin with the section number {section}")
    objectives = course.get("objectives") or []
    if not 3 <= len(objectives) <= 5:
        found.append(f"{len(objectives)} objectives: state 3 to 5")
    minutes = course.get("minutes") or {}
    if set(minutes) != {"read", "run", "exercise"} or not all(isinstance(v, int | float) for v in minutes.values()):
        found.append("course.minutes needs the numbers read, run and exercise")
    if course.get("level") not in LEVELS:
        found.append(f"course.level is {course.get('level')!r}: one of {', '.join(sorted(LEVELS))}")
    lists = ("needs", "data")
    return found + [
        f"course.{key} must be a list (it may be empty)" for key in lists if not isinstance(course.get(key), list)
    ]

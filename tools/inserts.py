"""What the tooling adds to every page from its front matter: Chinese title, objectives box, exercise options.

`with_inserts` works on the MyST cells, so that the site (tools.stage) and the notebook (tools.derive) show the same.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import PurePosixPath

from tools.page import Cell, Page, exercises

_EXERCISE = re.compile(r"^(`{3,}|:{3,})\{exercise(-start)?\}.*\n(?!(?::.*\n)*:nonumber:)", re.M)


def with_inserts(page: Page, pages: list[Page]) -> Page:
    """The page with its Chinese title under the H1 and the objectives box before its first H2.

    Exercises are left unnumbered: the site would count them over the whole book, the notebook by page.
    """
    cells = [_unnumbered(cell) for cell in page.cells]
    cells = _after_title(cells, f"*{page.course['title_zh']}*") if page.course.get("title_zh") else cells
    box = objectives_box(page, pages)
    return replace(page, cells=_before_first_h2(cells, box) if box else cells)


def objectives_box(page: Page, pages: list[Page]) -> str:
    """MyST admonition with objectives, minutes, needs and level; empty for a page without objectives.

    Each objective links the exercises that check it.
    """
    course = page.course
    if not course.get("objectives"):
        return ""
    lines = [":::{admonition} You will be able to", ":class: objectives"]
    titles = dict(exercises(page))
    checks: list[list[str]] = course.get("checked_by") or []
    for i, objective in enumerate(course["objectives"]):
        labels = checks[i] if i < len(checks) else []
        links = ", ".join(f"{{ref}}`{titles.get(label, label)} <{label}>`" for label in labels)
        lines.append(f"- {objective}" + (f" ({links})" if links else ""))
    facts = []
    if course.get("minutes"):
        minutes = course["minutes"]
        facts.append(
            "**Minutes:** "
            + ", ".join(f"{name} {minutes[name]}" for name in ("read", "run", "exercise") if name in minutes)
        )
    if course.get("needs"):
        facts.append("**Needs:** " + ", ".join(_section_link(page, str(need), pages) for need in course["needs"]))
    if course.get("level"):
        facts.append(f"**Level:** {course['level']}")
    return "\n".join([*lines, "", " · ".join(facts), ":::"])


def _section_link(page: Page, section: str, pages: list[Page]) -> str:
    for other in pages:
        if other.section == section:
            here = PurePosixPath(page.name).parent.as_posix()
            return f"[{other.title}]({os.path.relpath(other.name, here)}.md)"
    return f"section {section}"


def _unnumbered(cell: Cell) -> Cell:
    if cell.kind == "code":
        return cell
    return replace(cell, source=_EXERCISE.sub(lambda m: m.group(0) + ":nonumber:\n", cell.source + "\n").rstrip("\n"))


def _after_title(cells: list[Cell], line: str) -> list[Cell]:
    for i, cell in enumerate(cells):
        if cell.kind == "markdown" and (match := re.search(r"^# .+$", cell.source, re.M)):
            source = f"{cell.source[: match.end()]}\n\n{line}{cell.source[match.end() :]}"
            return [*cells[:i], replace(cell, source=source), *cells[i + 1 :]]
    return cells


def _before_first_h2(cells: list[Cell], box: str) -> list[Cell]:
    for i, cell in enumerate(cells):
        if cell.kind == "markdown" and (match := re.search(r"^## ", cell.source, re.M)):
            source = f"{cell.source[: match.start()].rstrip()}\n\n{box}\n\n{cell.source[match.start() :]}"
            return [*cells[:i], replace(cell, source=source.lstrip("\n")), *cells[i + 1 :]]
    return cells

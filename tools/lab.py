"""A lab as people write it and as learners get it: solutions and hidden checks in one source, absent in the release.

A lab is `book/<chapter>/lab.md` with nbgrader's metadata. The site is built without nbgrader, so the student edition
of the page is made here; a test proves that it says the same as the notebook which nbgrader releases.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from tools.page import Cell, PageError

STUBS = {"code": "# YOUR CODE HERE\nraise NotImplementedError()", "markdown": "YOUR ANSWER HERE"}
_MARK = re.compile(r"^(\s*)#+ (BEGIN|END) (SOLUTION|HIDDEN TESTS)\s*$")


def grader(metadata: Any) -> dict[str, Any]:
    """A cell's nbgrader metadata; empty for an ordinary cell."""
    found = metadata.get("nbgrader") if hasattr(metadata, "get") else None
    return dict(found) if isinstance(found, dict) and found.get("grade_id") else {}


def released_cells(cells: list[Cell], name: str = "lab") -> list[Cell]:
    """The cells as learners get them: stubs instead of solutions and model answers, no hidden checks.

    Teaching notes and inline exercises are not touched: `tools.solutions` removes those, after this.
    """
    return [replace(cell, source=_released(cell, name)) for cell in cells]


def with_hidden(source: str, hidden: str) -> str | None:
    """The source of a check cell with another hidden part; None where the cell has no hidden part."""
    match = re.search(r"^(### BEGIN HIDDEN TESTS\n).*?^(### END HIDDEN TESTS)$", source, re.M | re.S)
    if match is None:
        return None
    return f"{source[: match.end(1)]}{hidden.strip()}\n{source[match.start(2) :]}"


def _released(cell: Cell, name: str) -> str:
    lines: list[str] = []
    region = ""
    replaced = False
    for line in cell.source.split("\n"):
        match = _MARK.match(line)
        if match and match[2] == "BEGIN":
            if region:
                raise PageError(f"{name}: BEGIN {match[3]} inside BEGIN {region}; close the first one")
            region = match[3]
            if region == "SOLUTION":
                replaced = True
                lines += [match[1] + stub for stub in STUBS[cell.kind].split("\n")]
        elif match:
            if region != match[3]:
                raise PageError(f"{name}: END {match[3]} without its BEGIN; mend the cell")
            region = ""
        elif not region:
            lines.append(line)
    if region:
        raise PageError(f"{name}: BEGIN {region} is never closed; add ### END {region}")
    if grader(cell.metadata).get("solution") and not replaced:
        return STUBS[cell.kind]
    return "\n".join(lines)

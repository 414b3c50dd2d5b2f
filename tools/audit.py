"""What must be true of every page and its stored notebook, without executing anything.

The tests call `audit` on the whole book and on pages that were broken on purpose.
"""

from __future__ import annotations

import re
from pathlib import Path

from nbformat import NotebookNode

from tools import real
from tools.compare import Tolerance
from tools.derive import SETUP_TAG, derive, derived_elsewhere, keep_outputs, read_notebook, text_of
from tools.page import ROOT, Page, PageError, exercises, faults, notebook_path
from tools.plain import LEFT_OVER

MAX_BYTES = 1_500_000
MIN_ALT = 30
_ANY_EXERCISE = re.compile(r"^[`:]{3,}\{exercise(?:-start)?\}", re.M)
_SOLUTION = re.compile(r"^[`:]{3,}\{solution(?:-start)?\}\s+(\S+)", re.M)


def audit(page: Page, pages: list[Page], root: Path = ROOT) -> list[str]:
    """Every fault of a page, one line each."""
    found = faults(page) + _exercises(page) + _swallowed(page) + real.faults(page)
    if page.executable and not derived_elsewhere(page):
        try:
            found += _notebook(page, pages, root)
        except PageError as error:
            found.append(str(error))
    return found


def _exercises(page: Page) -> list[str]:
    labels, solved = [label for label, _ in exercises(page)], _SOLUTION.findall(page.text)
    found = []
    if len(labels) != len(_ANY_EXERCISE.findall(page.text)):
        found.append("an exercise has no :label:")
    found += [f"exercise {label} has no solution" for label in labels if label not in solved]
    found += [f"a solution names {label}, which is no exercise here" for label in solved if label not in labels]
    found += [f"label {label} is used twice" for label in {x for x in labels if labels.count(x) > 1}]
    if page.section and page.executable and not labels:
        found.append("no exercise")
    return found


def _swallowed(page: Page) -> list[str]:
    """Lines of prose that MyST takes for comments."""
    prose = re.sub(
        r"^(`{3,}).*?^\1\s*$", "", "\n".join(c.source for c in page.cells if c.kind == "markdown"), flags=re.M | re.S
    )
    return [
        f"the line {line!r} begins with %, so MyST drops it; break the line elsewhere"
        for line in re.findall(r"^%.*$", prose, re.M)
    ]


def _notebook(page: Page, pages: list[Page], root: Path) -> list[str]:
    path = notebook_path(page, root)
    stored = read_notebook(path)
    found = []
    expected = keep_outputs(derive(page, pages, root), read_notebook(path))
    if path.read_text("utf-8") != text_of(expected):
        found.append("the notebook is stale or edited by hand; run `make notebooks`")
    if path.stat().st_size > MAX_BYTES:
        found.append(f"the notebook has {path.stat().st_size} bytes, more than {MAX_BYTES}")
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("cells were not executed once, from top to bottom; run `make notebooks`")
    for i, cell in enumerate(stored.cells):
        found += [f"cell {i}: {fault}" for fault in (_code(cell) if cell.cell_type == "code" else _prose(cell))]
    if page.section and not any("assert " in cell.source for cell in code):
        found.append("asserts nothing")
    return found


def _prose(cell: NotebookNode) -> list[str]:
    outside_code = re.sub(r"^(`{3,})(?!\s*\{).*?^\1\s*$", "", cell.source, flags=re.M | re.S)
    outside_code = re.sub(r"(?<!\})(`+)(?!`).+?(?<!`)\1(?!`)", "", outside_code)
    match = LEFT_OVER.search(outside_code)
    return [f"MyST is left over: {match.group(0)!r}"] if match else []


def _code(cell: NotebookNode) -> list[str]:
    found = []
    try:
        tolerance = Tolerance.of(cell.metadata)
    except ValueError as error:
        return [str(error)]
    if "ignore" in (cell.metadata.get("course") or {}) and len(tolerance.ignore) < 15:
        found.append("course.ignore needs a reason")
    if SETUP_TAG not in cell.metadata.get("tags", []) and re.search(r"^\s*[%!]|import \*", cell.source, re.M):
        found.append("a magic, a shell line or a star import")
    if any(part in cell.source for part in ("/work/", "/home/", "/root/", "C:\\Users")):
        found.append("an absolute path")
    for out in cell.outputs:
        if out["output_type"] == "error":
            found.append(f"an error in its outputs: {out.get('ename')}")
        elif out["output_type"] == "stream" and out["name"] == "stderr":
            found.append("stderr in its outputs")
        elif out["output_type"] == "stream" and re.search(r"^(WARNING|.*Warning): ?", out["text"], re.M):
            found.append("a warning in its outputs; mend its cause")
        elif "data" in out:
            found += _alt(out)
    return found


def _alt(out: NotebookNode) -> list[str]:
    """An image carries its alternative text in its metadata, a Plotly figure in its wrapper."""
    images = [mime for mime in out["data"] if mime.startswith("image/")]
    if images:
        alt = out.get("metadata", {}).get("image/png", {}).get("alt", "")
        if len(alt) < MIN_ALT:
            return ["a figure without alternative text; show it by medcourse.figures.show(figure, alt=…)"]
    if "application/vnd.plotly.v1+json" in out["data"]:
        label = re.search(r'aria-label="([^"]*)"', "".join(out["data"].get("text/html", "")))
        if label is None or len(label.group(1)) < MIN_ALT:
            return ["a Plotly figure without alternative text; show it by medcourse.figures.show(figure, alt=…)"]
    return []


def ignored_share(notebooks: list[NotebookNode]) -> float:
    """Share of code cells whose outputs the check leaves out."""
    code = [cell for notebook in notebooks for cell in notebook.cells if cell.cell_type == "code"]
    return sum("ignore" in (cell.metadata.get("course") or {}) for cell in code) / max(1, len(code))

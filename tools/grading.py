"""Grade fitted submissions with nbgrader, in a course folder of its own that is thrown away afterwards.

A submission is first fitted to the released lab: answers are the learner's, checks are the source's, whatever became of
cells and metadata on the way (Colab rewrites both). If the kernel dies or cannot be interrupted, the answers are graded
one task at a time, so that one bad answer costs its own task only.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.preprocessors import Execute
from traitlets.config import Config

from tools.lab import grader
from tools.page import PageError

TIMEOUT = "CellTimeoutError"
LOST = ("DeadKernelError", "KernelLostError", "Kernel died", TIMEOUT)  # what nbgrader's log holds then


class KernelLostError(Exception):
    """The kernel does not answer any more, even after an interrupt."""


@dataclass
class Result:
    """What grading one submission gave; `points` by check cell, `manual` points still to be given by hand."""

    points: dict[str, float] = field(default_factory=dict)
    manual: float = 0.0
    messages: list[str] = field(default_factory=list)
    graded: bool = True


CELL_S = 120  # seconds that one cell of a submission may run


class Run(Execute):  # type: ignore[misc]  # nbgrader is untyped
    """nbgrader's execution, where a warning or a shown value costs no points and a stuck kernel is given up."""

    late = 0

    def on_cell_executed(self, **kwargs: Any) -> None:
        super().on_cell_executed(**kwargs)
        cell = kwargs["cell"]
        self.late = self.late + 1 if any(o.get("ename") == TIMEOUT for o in cell.outputs) else 0
        if self.late == 2:  # an interrupted kernel would have run the next cell
            raise KernelLostError("the kernel cannot be interrupted")
        if grader(cell.metadata).get("grade"):
            cell.outputs = [o for o in cell.outputs if o.output_type == "error" or o.get("name") == "stdout"]


def course(folder: Path, *, timeout: int = CELL_S) -> NbGraderAPI:
    """Make nbgrader's interface to the course in `folder`, silent."""
    _environment()
    config = Config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = f"sqlite:///{folder / 'gradebook.db'}"
    config.Run.timeout = timeout
    config.Autograde.autograde_preprocessors = [
        Run,
        "nbgrader.preprocessors.IgnorePattern",
        "nbconvert.preprocessors.ClearMetadataPreprocessor",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    config.NbGraderAPI.log_level = logging.ERROR
    for handler in logging.getLogger("traitlets").handlers:
        handler.setLevel(logging.CRITICAL + 1)  # nbgrader's log is read, not shown
    return NbGraderAPI(config=config)


def release(api: NbGraderAPI, folder: Path, assignment: str, source: NotebookNode) -> NotebookNode:
    """Let nbgrader release the source notebook, and put the assignment into the course's gradebook."""
    path = folder / "source" / assignment / "lab.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(source), "utf-8")
    done = api.generate_assignment(assignment)
    if not done["success"]:
        raise PageError(f"{assignment}/lab: nbgrader refuses it ({_cause(done)}); mend the cell in book/")
    made: NotebookNode = nbformat.read(folder / "release" / assignment / "lab.ipynb", as_version=4)
    return made


def fit(submitted: NotebookNode, released: NotebookNode, only: str | None = None) -> tuple[NotebookNode, list[str]]:
    """Rebuild a submission on the released lab; `only` keeps the answers of that task alone.

    Returns the notebook and the answer cells that the submission lacks. Answers are found by nbgrader's id, or by the
    cell's own id, which survives where a tool drops metadata. Locked cells come from the release. Cells that learners
    added stay where they are.
    """
    wanted = {_of(c)["grade_id"]: c for c in released.cells if _of(c)}
    ours = {c["id"] for c in released.cells}
    cells: list[NotebookNode] = []
    seen: set[str] = set()  # answered or added
    found: set[str] = set()
    order = list(wanted)

    def add_missing(before: str | None) -> None:
        for key in order[: order.index(before)] if before else order:
            if key not in seen:
                seen.add(key)
                cells.append(_copy(wanted[key]))

    for cell in submitted.cells:
        key = _key(cell, wanted)
        if key is None or key in seen:
            if only is None or cell.get("id") in ours:
                cells.append(_copy(cell))
                cells[-1].metadata.pop("nbgrader", None)
            continue
        add_missing(before=key)
        seen.add(key)
        found.add(key)
        made = _copy(wanted[key])
        if not grader(made.metadata).get("locked") and (only is None or task_of(key) == only):
            made.source = cell.source
        cells.append(made)
    missing = [key for key in order if key not in found and grader(wanted[key].metadata).get("solution")]
    add_missing(before=None)
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i:03d}"
    fitted = _copy(released)
    fitted.cells = cells
    return fitted, missing


def task_of(grade_id: str) -> str:
    """The task that a cell belongs to: 'task-2-area-check' is of 'task-2'."""
    match = re.match(r"task-\d+", grade_id)
    return match.group(0) if match else grade_id


def grade_one(template: Path, assignment: str, path: Path, released: NotebookNode, timeout: int) -> Result:
    """Grade one submission in a copy of the course, whatever it holds."""
    submitted, problem = _read(path)
    if submitted is None:
        return Result(graded=False, messages=[problem])
    fitted, missing = fit(submitted, released)
    if len(missing) == sum(bool(_of(cell).get("solution")) for cell in released.cells):
        return Result(graded=False, messages=["not graded: none of the lab's answer cells is in it; ask for lab.ipynb"])
    with tempfile.TemporaryDirectory(prefix="medcourse-grade-") as name:
        folder = Path(name) / "course"
        shutil.copytree(template, folder)
        result = _graded(folder, assignment, fitted, timeout)
        if result is None:
            result = _task_by_task(folder, assignment, submitted, released, timeout)
    result.manual = sum(float(key["points"]) for key in _answered(fitted, released) if key.get("grade"))
    result.messages += [f"{key}: this answer cell is missing" for key in missing]
    return result


def _of(cell: NotebookNode) -> dict[str, Any]:
    return grader(cell.metadata)


def _answered(fitted: NotebookNode, released: NotebookNode) -> list[dict[str, Any]]:
    """Metadata of the answer cells that hold something else than the stub."""
    stubs = {_of(cell)["grade_id"]: cell.source.strip() for cell in released.cells if _of(cell).get("solution")}
    keys = [(_of(cell), cell.source.strip()) for cell in fitted.cells]
    return [key for key, source in keys if key.get("grade_id") in stubs and source != stubs[key["grade_id"]]]


def _task_by_task(
    folder: Path, assignment: str, submitted: NotebookNode, released: NotebookNode, timeout: int
) -> Result:
    total = Result()
    ids = [k["grade_id"] for k in map(_of, released.cells) if k.get("grade") and not k.get("solution")]
    for task in dict.fromkeys(map(task_of, ids)):
        fitted = fit(submitted, released, only=task)[0]
        if not _answered(fitted, released):
            total.messages.append(f"{task}: not answered")
            continue
        part = _graded(folder, assignment, fitted, timeout)
        if part is None:
            total.points |= {key: 0.0 for key in ids if task_of(key) == task}
            total.messages.append(f"{task}: its code ends the kernel, or never ends; the other tasks are graded alone")
            continue
        total.points |= {key: value for key, value in part.points.items() if task_of(key) == task}
        total.messages += [message for message in part.messages if task_of(message) == task]
    return total


def _graded(folder: Path, assignment: str, fitted: NotebookNode, timeout: int) -> Result | None:
    """Autograde one fitted notebook; None if its kernel was lost."""
    place = folder / "submitted" / "learner" / assignment / "lab.ipynb"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(nbformat.writes(fitted), "utf-8")
    done = course(folder, timeout=timeout).autograde(assignment, "learner")
    if not done["success"]:
        log = done.get("log", "") + done.get("error", "")
        if any(name in log for name in LOST):
            return None
        return Result(graded=False, messages=[f"not graded: nbgrader failed ({_cause(done)})"])
    notebook = nbformat.read(folder / "autograded" / "learner" / assignment / "lab.ipynb", as_version=4)
    result = Result()
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        for grade in gradebook.find_submission_notebook("lab", assignment, "learner").grades:
            result.points[grade.name] = float(grade.auto_score or 0)
    result.messages = _messages(notebook, timeout)
    return result


def _messages(notebook: NotebookNode, timeout: int) -> list[str]:
    """The first message of each failed check; an answer cell that itself fails explains the check after it."""
    found: list[str] = []
    broken = ""
    for cell in notebook.cells:
        key = grader(cell.metadata).get("grade_id", "")
        error = next((o for o in cell.get("outputs", []) if o.output_type == "error"), None)
        if grader(cell.metadata).get("solution"):
            broken = _said(error, timeout) if error else ""
        elif grader(cell.metadata).get("grade") and error:
            found.append(f"{key.removesuffix('-check')}: {broken or _said(error, timeout)}")
            broken = ""
    return found


def _said(error: NotebookNode, timeout: int) -> str:
    if error.ename in (TIMEOUT, "KeyboardInterrupt"):
        return f"ran longer than {timeout} s; look for a loop that never ends"
    if error.ename == "NotImplementedError":
        return "not answered"
    lines = re.sub(r"\x1b\[[0-9;]*m", "", error.evalue).strip().splitlines() or [""]
    return lines[0][:400] if error.ename == "AssertionError" and lines[0] else f"{error.ename}: {lines[0][:200]}"


def _read(path: Path) -> tuple[NotebookNode | None, str]:
    """A submitted notebook, or why there is none."""
    try:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.source = cell.source if isinstance(cell.source, str) else "".join(cell.source)
            cell.metadata = nbformat.from_dict(cell.get("metadata") or {})
        return notebook, ""
    except FileNotFoundError:
        return None, "not graded: there is no lab.ipynb"
    except OSError as error:
        return None, f"not graded: {path.name} cannot be opened ({error.strerror})"
    except Exception:  # nbformat raises many kinds for a file that is no notebook
        return None, f"not graded: {path.name} is no notebook (damaged, or another kind of file); ask for it again"


def _key(cell: NotebookNode, wanted: Collection[str]) -> str | None:
    for key in (grader(cell.metadata).get("grade_id"), cell.get("id"), cell.metadata.get("id")):
        if isinstance(key, str) and key in wanted:
            return key
    return None


def _copy(node: NotebookNode) -> NotebookNode:
    made: NotebookNode = nbformat.from_dict(dict(node))
    if made.get("cell_type") == "code":
        made.setdefault("outputs", [])
        made.setdefault("execution_count", None)
    return made


def _cause(done: dict[str, Any]) -> str:
    lines = [line.strip() for line in (done.get("log") or done.get("error") or "").splitlines() if line.strip()]
    wanted = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)] or lines or ["no reason given"]
    return wanted[-1][:300]


def _environment() -> None:
    """Let nbgrader find alembic, which it starts by name, where the environment is not activated."""
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + os.environ.get("PATH", "")
    for name in ("JUPYTER_PLATFORM_DIRS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def silent() -> None:
    """Send what nbgrader, SQLAlchemy and dying kernels print on this process's standard error nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

"""What the tests of the labs share: the labs, their wrong answers, and how to answer, run and grade them."""

from __future__ import annotations

import copy
import csv
import re
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from tools import assignments
from tools.grading import task_of
from tools.lab import grader
from tools.page import ROOT

IMAGES, LEARNING = "03-image-processing", "04-machine-learning"


@dataclass(frozen=True)
class Lab:
    """What a lab promises: points by task, and for each wrong answer the check that fails and what it must say."""

    points: dict[str, int]
    wrong: dict[str, dict[str, str]]
    together: dict[str, tuple[str, ...]]  # graded in one submission: some fixtures of each task
    hidden: str  # said by a hidden check to the hard-coded answers


LABS = {
    IMAGES: Lab(
        points={"task-1": 2, "task-2": 3, "task-3": 4, "task-4": 5, "task-5": 6},
        wrong={
            "task-1-plain-formula": {"task-1-check": "Your grey level depends on the air around the patient"},
            "task-2-pixels-and-swapped-axes": {
                "task-2-area-check": "You counted pixels",
                "task-2-diameter-check": "Rows and columns are swapped",
            },
            "task-2-squared-spacing": {"task-2-area-check": "You squared one spacing"},
            "task-3-min-max-bins": {"task-3-check": "Who chose your bins?"},
            "task-4-selection-before-folds": {"task-4-check": "You predicted coin tosses"},
            "task-5-patches-and-sensitivity": {
                "task-5-interval-check": "times too narrow: it takes 360 patches for 360 patients",
                "task-5-value-check": "asked is how many of the called are ill",
            },
            "task-5-forgets-repeats": {"task-5-interval-check": "count a patient who is drawn twice twice"},
        },
        together={
            "wrong in 1, 3 and 5": ("task-1-plain-formula", "task-3-min-max-bins", "task-5-patches-and-sensitivity"),
            "wrong in 2 and 4": ("task-2-pixels-and-swapped-axes", "task-4-selection-before-folds"),
        },
        hidden="Five columns really differ",
    ),
    LEARNING: Lab(
        points={"task-1": 3, "task-2": 4, "task-3": 4, "task-4": 5, "task-5": 4},
        wrong={
            "task-1-unscaled": {"task-1-check": "Your margin obeys the ruler"},
            "task-1-scaler-on-everybody": {"task-1-check": "depends on who else is in the waiting room"},
            "task-2-plain-mean": {
                "task-2-gain-check": "You gave six patients the weight of fifty-four",
                "task-2-split-check": "Your tree peels off six patients",
            },
            "task-2-nats-and-data-point": {
                "task-2-gain-check": "You measured in nats",
                "task-2-split-check": "You cut through the patients",
            },
            "task-3-impurity": {"task-3-check": "You ranked a hospital number: your values add up to 1"},
            "task-3-training-patients": {"task-3-check": "because it has met these patients"},
            "task-3-held-out-images": {"task-3-check": "Hold out whole patients, not images"},
            "task-3-accuracy": {"task-3-check": "Is it the accuracy that falls?"},
            "task-4-images": {"task-4-check": "You asked 240 patients, and there are 40"},
            "task-4-unpaired": {"task-4-check": "You sent the two classifiers to different patients"},
            "task-4-point-estimate": {"task-4-check": "You crowned the luckier one"},
            "task-4-forgets-repeats": {"task-4-check": "count a patient who is drawn twice twice"},
            "task-5-dropped": {
                "task-5-survival-check": "You left out everyone who was still alive",
                "task-5-index-check": "You left the censored out",
            },
            "task-5-censored-as-dead": {
                "task-5-survival-check": "You buried the censored",
                "task-5-index-check": "you judge pairs whose order nobody knows",
            },
            "task-5-alive-for-ever": {"task-5-survival-check": "You made the censored immortal"},
        },
        together={
            "wrong in 1, 3 and 5": ("task-1-unscaled", "task-3-held-out-images", "task-5-censored-as-dead"),
            "wrong in 2 and 4": ("task-2-plain-mean", "task-4-images"),
        },
        hidden="Uptake and calcification matter a lot in these patients",
    ),
}


@cache
def _sources() -> dict[str, NotebookNode]:
    found, pages = assignments.labs()
    return {page.path.parent.name: assignments.source_notebook(page, pages) for page in found}


def source_of(chapter: str) -> NotebookNode:
    """A fresh copy with solutions and hidden checks in it: as a submission, the reference."""
    return copy.deepcopy(_sources()[chapter])


def path_of(chapter: str) -> Path:
    return ROOT / "book" / chapter / "lab.md"


def parts(chapter: str, name: str) -> dict[str, str]:
    """Answers of a fixture by the id of their cell."""
    text = (Path(__file__).parent / "lab" / chapter / f"{name}.py").read_text("utf-8")
    pieces = re.split(r"^# %% (\S+)\n", text, flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def answered(notebook: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    made = copy.deepcopy(notebook)
    left = set(answers)
    for cell in made.cells:
        key = grader(cell.metadata).get("grade_id")
        if key in answers:
            cell.source = answers[key]
            left.discard(key)
    assert not left, f"the lab has no cells {left}"
    return made


def cell_of(notebook: NotebookNode, key: str) -> NotebookNode:
    return next(c for c in notebook.cells if grader(c.metadata).get("grade_id") == key)


def checks_of(notebook: NotebookNode) -> dict[str, float]:
    """Points by the id of each check cell."""
    keys = [grader(cell.metadata) for cell in notebook.cells]
    return {key["grade_id"]: key["points"] for key in keys if key.get("grade") and not key.get("solution")}


def run_here(
    notebook: NotebookNode, monkeypatch: pytest.MonkeyPatch, tasks: Collection[str] | None = None
) -> dict[str, str]:
    """Run the code cells of some tasks, or of all, in this process; message of each failed check by its id."""
    monkeypatch.setattr("medcourse.figures.show", lambda figure, *, alt: None)
    space: dict[str, Any] = {}
    failed = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or "setup" in cell.metadata.get("tags", []):
            continue
        key = grader(cell.metadata).get("grade_id", "imports")
        if tasks is not None and key != "imports" and task_of(key) not in tasks:
            continue
        try:
            exec(compile(cell.source, cell.id, "exec"), space)
        except (AssertionError, NotImplementedError) as error:
            failed[key] = str(error)
    return failed


def start_grading(work: Path, chapter: str, *, timeout: int) -> subprocess.Popen[str]:
    """Start the verb over a folder of submissions; `grades_of` waits for it."""
    command = [sys.executable, "-m", "tools.assignments", "grade", str(work), "--lab", chapter]
    command += ["--csv", str(work / "grades.csv"), "--timeout", str(timeout)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def grades_of(run: subprocess.Popen[str], work: Path) -> dict[str, dict[str, str]]:
    """Rows of the CSV by student, once the run is over; it must have printed no fault."""
    said, faults = run.communicate()
    assert run.returncode == 0, faults
    assert "Traceback" not in said
    assert faults == ""
    with (work / "grades.csv").open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def expected(chapter: str, lost: Collection[str] = ()) -> dict[str, str]:
    """Points by task, their sum and the most there are, where the checks `lost` give nothing."""
    points = dict.fromkeys(LABS[chapter].points, 0.0)
    for key, value in checks_of(_sources()[chapter]).items():
        points[task_of(key)] += 0 if key in lost else value
    return {key: f"{value:g}" for key, value in (points | {"automatic": sum(points.values()), "max": 20}).items()}


def picked(chapter: str, row: dict[str, str]) -> dict[str, str]:
    return {key: row[key] for key in [*LABS[chapter].points, "automatic", "max"]}


def save(notebook: NotebookNode, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)

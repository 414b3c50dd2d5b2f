"""The lab of chapter 3: what is released, and what grading says of good, wrong, damaged and hostile submissions."""

from __future__ import annotations

import copy
import csv
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from tools import assignments, grading
from tools.lab import grader, released_cells, with_hidden
from tools.page import ROOT, Cell, PageError, read_page
from tools.plain import LEFT_OVER

FIXTURES = Path(__file__).parent / "lab"
LAB = ROOT / "book" / "03-image-processing" / "lab.md"
POINTS = {"task-1": 2, "task-2": 3, "task-3": 4, "task-4": 5, "task-5": 6}
# Wrong answers, the check that must fail, and what its message must say.
WRONG = {
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
}
# Graded together: no kernel for each, for the in-process test has shown that each fails its own checks only.
TOGETHER = {
    "wrong in 1, 3 and 5": ("task-1-plain-formula", "task-3-min-max-bins", "task-5-patches-and-sensitivity"),
    "wrong in 2 and 4": ("task-2-pixels-and-swapped-axes", "task-4-selection-before-folds"),
}


def parts(name: str) -> dict[str, str]:
    """Answers of a fixture by the id of their cell."""
    pieces = re.split(r"^# %% (\S+)\n", (FIXTURES / f"{name}.py").read_text("utf-8"), flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


@pytest.fixture(scope="module")
def source() -> NotebookNode:
    """Solutions and hidden checks in it: as a submission, the reference."""
    (page,), pages = assignments.labs()
    return assignments.source_notebook(page, pages)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which the lab was released."""
    out = tmp_path_factory.mktemp("released")
    assert assignments.generate(out=out) == [out / "03-image-processing" / "lab.ipynb"]
    return out


@pytest.fixture(scope="module")
def released(made: Path) -> NotebookNode:
    return nbformat.read(made / "03-image-processing" / "lab.ipynb", as_version=4)


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


def run_here(notebook: NotebookNode, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Run the code cells in this process; message of each failed check by its id."""
    monkeypatch.setattr("medcourse.figures.show", lambda figure, *, alt: None)
    space: dict[str, Any] = {}
    failed = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or "setup" in cell.metadata.get("tags", []):
            continue
        try:
            exec(compile(cell.source, cell.id, "exec"), space)
        except (AssertionError, NotImplementedError) as error:
            failed[grader(cell.metadata)["grade_id"]] = str(error)
    return failed


# The released lab


def test_the_stored_lab_follows_from_its_source_and_a_second_run_changes_no_byte(made: Path) -> None:
    first = (made / "03-image-processing" / "lab.ipynb").read_bytes()
    assert assignments.generate(out=made) == []
    assert [path.name for path in made.rglob("*") if path.is_file()] == ["lab.ipynb"]
    stored = ROOT / "notebooks" / "03-image-processing" / "lab.ipynb"
    assert stored.read_bytes() == first, "notebooks/03-image-processing/lab.ipynb is stale: run make assignments"


def test_released_lab_tells_no_solution_and_needs_no_nbgrader(source: NotebookNode, released: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in released.cells)
    assert not re.search(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)|import nbgrader|from nbgrader|teaching-note", text)
    whole = "\n".join(cell.source for cell in source.cells)
    region = re.compile(r"^ *### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.*?)^ *### END", re.S | re.M)
    secret = {line.strip() for part in region.findall(whole) for line in part.splitlines()}
    open_to_all = {line.strip() for line in region.sub("", whole).splitlines()}
    assert len(secret - open_to_all) > 50
    assert not (secret - open_to_all) & {line.strip() for line in text.splitlines()}
    for cell in source.cells:
        if cell.cell_type == "markdown" and grader(cell.metadata).get("solution"):
            assert cell_of(released, cell.id).source == "YOUR ANSWER HERE"
    assert not any(LEFT_OVER.search(cell.source) for cell in released.cells if cell.cell_type == "markdown")


def test_points_are_those_that_the_lab_announces(source: NotebookNode) -> None:
    automatic: dict[str, float] = {}
    manual = 0.0
    for cell in source.cells:
        data = grader(cell.metadata)
        if data.get("grade") and data.get("solution"):
            manual += data["points"]
        elif data.get("grade"):
            task = grading.task_of(data["grade_id"])
            automatic[task] = automatic.get(task, 0) + data["points"]
            assert data["locked"]
            assert "### BEGIN HIDDEN TESTS" in cell.source
    assert automatic == POINTS
    table = re.findall(r"^\| (?:\*\*)?(\d|all)\b.*?\| \**([\d–]+)\** \| \**(\d+)\** \|$", LAB.read_text("utf-8"), re.M)
    assert [row[1] for row in table] == [*(str(p) for p in POINTS.values()), "–", str(sum(POINTS.values()))]
    assert sum(int(row[2]) for row in table[:-1]) == int(table[-1][2]) == manual
    rubric = re.findall(r"^\| [A-Z].*\| (\d) \|$", LAB.read_text("utf-8"), re.M)
    assert sum(map(int, rubric)) == 10


def test_the_page_without_solutions_says_what_nbgrader_releases(released: NotebookNode) -> None:
    page = read_page(LAB)
    ours = {grader(c.metadata)["grade_id"]: c.source for c in released_cells(page.cells) if grader(c.metadata)}
    theirs = {grader(c.metadata)["grade_id"]: c.source for c in released.cells if grader(c.metadata)}
    assert ours == {key: source.rstrip("\n") for key, source in theirs.items()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("### BEGIN SOLUTION\nx = 1", "never closed"),
        ("### END SOLUTION", "without its BEGIN"),
        ("### BEGIN SOLUTION\n### BEGIN HIDDEN TESTS", "close the first one"),
        ("### BEGIN HIDDEN TESTS\n### END SOLUTION", "without its BEGIN"),
    ],
)
def test_a_region_that_cannot_be_removed_is_an_error(text: str, said: str) -> None:
    with pytest.raises(PageError, match=said):
        released_cells([Cell("code", text)])


def test_released_lab_runs_in_plain_jupyter_without_nbgrader(released: NotebookNode, tmp_path: Path) -> None:
    """A kernel in which nbgrader cannot be imported: only answers that are not there may fail."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['nbgrader'] = None\n", "utf-8")
    (tmp_path / "lab.ipynb").write_text(nbformat.writes(released), "utf-8")
    code = (
        "import nbformat, nbclient\n"
        "nb = nbformat.read('lab.ipynb', 4)\n"
        "nbclient.NotebookClient(nb, timeout=120, allow_errors=True).execute()\n"
        "nbformat.write(nb, 'lab.ipynb')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True)
    failed = {}
    for cell in nbformat.read(tmp_path / "lab.ipynb", as_version=4).cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                failed[grader(cell.metadata)["grade_id"]] = output.ename
    checks = {k for k in (grader(c.metadata).get("grade_id", "") for c in released.cells) if k.endswith("-check")}
    assert failed == dict.fromkeys([*sorted(checks), "task-6-code"], "NotImplementedError")


# What the visible checks say


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_meets_the_message_meant_for_it(
    name: str, source: NotebookNode, released: NotebookNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference answers with one fixture in their place, under the checks that learners see."""
    reference = {c.id: c.source for c in source.cells if grader(c.metadata).get("solution") and c.cell_type == "code"}
    failed = run_here(answered(released, reference | parts(name)), monkeypatch)
    assert set(failed) == set(WRONG[name])
    for check, message in WRONG[name].items():
        assert message in failed[check]


def test_hard_coded_answers_pass_what_learners_see(released: NotebookNode, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(run_here(answered(released, parts("hard-coded")), monkeypatch)) == {"task-6-code"}


# Grading: one run for all


@pytest.fixture(scope="module")
def graded(
    source: NotebookNode, released: NotebookNode, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, str]]:
    """Rows of the CSV by student, after one run of the verb over good and bad submissions."""
    work = tmp_path_factory.mktemp("submitted")
    notebooks = {"empty": released, "reference": source, "hard-coded": answered(released, parts("hard-coded"))}
    for name, fixtures in TOGETHER.items():
        notebooks[name] = answered(source, {key: text for one in fixtures for key, text in parts(one).items()})
    loop = "def texture_contrast(patch, low, high, levels):\n    while True:\n        pass\n"
    notebooks["loop"] = answered(source, {"task-3": loop})
    right = {key: cell_of(source, key).source for key in ("task-1", "task-1-prediction")}
    notebooks["李 雷 ends it"] = answered(released, right | {"task-4": "import os\nos._exit(3)"})
    notebooks["tampered"] = tampered(answered(source, parts("task-1-plain-formula")))
    notebooks["another notebook"] = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")])
    for name, notebook in notebooks.items():
        (work / name).mkdir()
        nbformat.write(notebook, work / name / "lab.ipynb")
    (work / "reference" / "lab.ipynb").rename(work / "reference.ipynb")  # the flat form
    (work / "reference").rmdir()
    (work / "no file").mkdir()
    for name, text in {"damaged": '{"cells": [{"cell_ty', "a list": "[1, 2]", "no text": "\x00\xff"}.items():
        (work / name).mkdir()
        (work / name / "lab.ipynb").write_text(text, "latin-1")
    table = work / "grades.csv"
    done = subprocess.run(
        [sys.executable, "-m", "tools.assignments", "grade", str(work), "--csv", str(table), "--timeout", "30"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr == ""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["student"] for row in rows] == sorted([*notebooks, "no file", "damaged", "a list", "no text"])
    return {row["student"]: row for row in rows}


def tampered(notebook: NotebookNode) -> NotebookNode:
    """Metadata dropped (as Colab may), checks made harmless or deleted, points raised, an answer cell copied."""
    made = []
    for cell in notebook.cells:
        key = grader(cell.metadata).get("grade_id")
        if key == "task-1-check":
            cell.source = "pass"
            cell.metadata["nbgrader"] |= {"points": 99, "locked": False}
        if key == "task-2-area-check":
            continue
        if key == "task-4":
            cell.metadata = nbformat.from_dict({"colab": {}})
        if key == "task-5-value":
            made.append(copy.deepcopy(cell))
            made[-1]["id"] = "copied"
        made.append(cell)
    notebook.cells = made
    return notebook


def expected(**lost: float) -> dict[str, str]:
    points = POINTS | {key.replace("_", "-"): value for key, value in lost.items()}
    return {key: f"{value:g}" for key, value in (points | {"automatic": sum(points.values()), "max": 20}).items()}


def picked(row: dict[str, str]) -> dict[str, str]:
    return {key: row[key] for key in [*POINTS, "automatic", "max"]}


def test_empty_lab_scores_nothing(graded: dict[str, dict[str, str]]) -> None:
    assert picked(graded["empty"]) == expected(task_1=0, task_2=0, task_3=0, task_4=0, task_5=0)
    assert graded["empty"]["manual to mark"] == "0"
    assert graded["empty"]["messages"].count("not answered") == 7


def test_reference_scores_full_automatic_points(graded: dict[str, dict[str, str]]) -> None:
    assert picked(graded["reference"]) == expected()
    assert graded["reference"]["manual to mark"] == "15"
    assert graded["reference"]["messages"] == ""


@pytest.mark.parametrize("student", TOGETHER)
def test_wrong_answers_cost_their_own_tasks(student: str, graded: dict[str, dict[str, str]]) -> None:
    row = graded[student]
    assert picked(row) == expected(**{name[:6].replace("-", "_"): 0 for name in TOGETHER[student]})
    said = dict(message.split(": ", 1) for message in row["messages"].split(" | "))
    meant = {check.removesuffix("-check"): text for name in TOGETHER[student] for check, text in WRONG[name].items()}
    assert set(said) == set(meant)
    assert all(meant[check] in said[check] for check in meant)


def test_hard_coded_answers_are_caught_by_hidden_checks(graded: dict[str, dict[str, str]]) -> None:
    row = graded["hard-coded"]
    assert picked(row) == expected(task_1=0, task_2=0, task_3=0, task_4=0, task_5=0)
    assert "Five columns really differ" in row["messages"]
    assert "not answered" not in row["messages"]


def test_an_endless_loop_costs_its_own_task(graded: dict[str, dict[str, str]]) -> None:
    assert picked(graded["loop"]) == expected(task_3=0)
    assert graded["loop"]["messages"] == "task-3: ran longer than 30 s; look for a loop that never ends"


def test_code_that_ends_the_kernel_costs_its_own_task(graded: dict[str, dict[str, str]]) -> None:
    row = graded["李 雷 ends it"]
    assert picked(row) == expected(task_2=0, task_3=0, task_4=0, task_5=0)
    assert "task-4: its code ends the kernel, or never ends; the other tasks are graded alone" in row["messages"]
    assert "task-2: not answered" in row["messages"]
    assert row["manual to mark"] == "1"


def test_changed_and_deleted_checks_come_back(graded: dict[str, dict[str, str]]) -> None:
    row = graded["tampered"]
    assert picked(row) == expected(task_1=0)
    assert "depends on the air" in row["messages"]


@pytest.mark.parametrize(
    ("student", "said"),
    [
        ("no file", "there is no lab.ipynb"),
        ("damaged", "is no notebook"),
        ("a list", "is no notebook"),
        ("no text", "is no notebook"),
        ("another notebook", "none of the lab's answer cells"),
    ],
)
def test_a_bad_submission_gets_one_clear_line(student: str, said: str, graded: dict[str, dict[str, str]]) -> None:
    row = graded[student]
    assert set(picked(row).values()) == {"", "20"}
    assert row["messages"].startswith("not graded: ")
    assert said in row["messages"]
    assert "\n" not in row["messages"]


# Fitting, without a kernel


def test_a_missing_answer_cell_is_named_and_replaced_by_its_stub(source: NotebookNode, released: NotebookNode) -> None:
    short = answered(source, {})
    short.cells = [c for c in short.cells if c.id != "task-3"]
    fitted, missing = grading.fit(short, released)
    assert missing == ["task-3"]
    keys = [grader(c.metadata).get("grade_id") for c in fitted.cells if grader(c.metadata)]
    assert keys == [grader(c.metadata)["grade_id"] for c in released.cells if grader(c.metadata)]
    assert "NotImplementedError" in cell_of(fitted, "task-3").source


def test_cells_of_the_learner_stay_in_place(source: NotebookNode, released: NotebookNode) -> None:
    longer = answered(source, {})
    place = next(i for i, c in enumerate(longer.cells) if c.id == "task-3")
    longer.cells.insert(place, nbformat.v4.new_code_cell("HELPER = 1", id="mine"))
    fitted, missing = grading.fit(longer, released)
    sources = [c.source for c in fitted.cells]
    assert missing == []
    assert sources.index("HELPER = 1") == sources.index(cell_of(fitted, "task-3").source) - 1


# The overlay


def overlay(folder: Path, text: str) -> Path:
    path = folder / "overlay" / "03-image-processing" / "lab_checks.py"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    return folder / "overlay"


def test_an_overlay_changes_hidden_checks_and_nothing_that_is_released(tmp_path: Path, released: NotebookNode) -> None:
    private = overlay(tmp_path, "# Mine.\n# %% task-5-value-check\nassert predictive_value(1, 1, 1) == 2, 'private'\n")
    (page,), pages = assignments.labs()
    made = assignments.source_notebook(page, pages, overlay=private)
    check = cell_of(made, "task-5-value-check").source
    assert "'private'" in check
    assert "0.95, 0.6, 0.5" not in check
    assert "lesion_patch(201)" in cell_of(made, "task-3-check").source
    out = tmp_path / "out"
    assignments.generate(overlay=private, out=out)
    assert nbformat.read(out / "03-image-processing" / "lab.ipynb", as_version=4) == released


def test_an_overlay_decides_the_points(tmp_path: Path, source: NotebookNode, released: NotebookNode) -> None:
    private = overlay(tmp_path, "# %% task-5-value-check\nassert predictive_value(1, 1, 1) == 2, 'private check'\n")
    work = tmp_path / "submitted"
    work.mkdir()
    one = {"task-1": cell_of(source, "task-1").source, "task-5-value": cell_of(source, "task-5-value").source}
    nbformat.write(answered(released, one), work / "reference.ipynb")
    _, results, points = assignments.grade(work, overlay=private, jobs=1)
    assert {key: results["reference"].points[key] for key in points if results["reference"].points[key]} == {
        "task-1-check": 2
    }
    assert "task-5-value: private check" in results["reference"].messages


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# %% task-9-check\npass\n", "names no check; there are task-1-check"),
        ("# %% task-1-check\nif\n", "line 2 is not Python"),
    ],
)
def test_a_faulty_overlay_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    (page,), pages = assignments.labs()
    with pytest.raises(PageError, match=said):
        assignments.source_notebook(page, pages, overlay=overlay(tmp_path, text))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grade", "{}/nowhere"], "no such folder"),
        (["grade", "{}"], "holds neither"),
        (["generate", "--overlay", "{}/nowhere"], "no such folder"),
        (["generate", "--overlay", "{}"], "holds no 03-image-processing/lab_checks.py"),
        (["grade", "{}", "--lab", "99-nothing"], "choose one of: 03-image-processing"),
    ],
)
def test_a_fault_of_the_command_line_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert assignments.main([part.format(tmp_path) for part in arguments]) == 1
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


def test_hidden_part_is_replaced_only_where_there_is_one() -> None:
    text = "a\n### BEGIN HIDDEN TESTS\nb\n### END HIDDEN TESTS\n"
    assert with_hidden(text, "c\n") == "a\n### BEGIN HIDDEN TESTS\nc\n### END HIDDEN TESTS\n"
    assert with_hidden("a\n", "c") is None


def test_lab_needs_only_what_colab_has_or_installs(released: NotebookNode) -> None:
    """Every top-level import of the lab exists here, and none is a tool of the course's machinery."""
    text = "\n".join(cell.source for cell in released.cells if cell.cell_type == "code")
    names = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.M))
    assert names <= {"cv2", "importlib", "medcourse", "numpy", "scipy", "skimage", "sklearn", "sys"}
    assert all(importlib.util.find_spec(name) for name in names)

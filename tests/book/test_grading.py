"""The machinery of grading, on the lab of chapter 3: damaged and hostile submissions, overlay, command line."""

from __future__ import annotations

import copy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.book.labs import (
    IMAGES,
    answered,
    cell_of,
    checks_of,
    grades_of,
    parts,
    picked,
    save,
    source_of,
    start_grading,
)
from tests.book.labs import expected as expected_of
from tools import assignments, grading
from tools.lab import grader, with_hidden
from tools.page import Page, PageError

Graded = dict[str, dict[str, str]]


@pytest.fixture
def source() -> NotebookNode:
    return source_of(IMAGES)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    out = tmp_path_factory.mktemp("released")
    assignments.generate(out=out)
    return nbformat.read(out / IMAGES / "lab.ipynb", as_version=4)


@pytest.fixture(scope="module")
def graded(released: NotebookNode, tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """Rows of the CSV by student, after one run of the verb over good and bad submissions."""
    work, source = tmp_path_factory.mktemp("submitted"), source_of(IMAGES)
    loop = "def texture_contrast(patch, low, high, levels):\n    while True:\n        pass\n"
    right = {key: cell_of(source, key).source for key in ("task-1", "task-1-prediction")}
    notebooks = {
        "loop": answered(source, {"task-3": loop}),
        "李 雷 ends it": answered(released, right | {"task-4": "import os\nos._exit(3)"}),
        "tampered": tampered(answered(source, parts(IMAGES, "task-1-plain-formula"))),
        "another notebook": nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")]),
    }
    for name, notebook in notebooks.items():
        save(notebook, work / name / "lab.ipynb")
    save(answered(released, right), work / "flat.ipynb")
    (work / "no file").mkdir()
    broken = {"damaged": '{"cells": [{"cell_ty', "a list": "[1, 2]", "no text": "\x00\xff"}
    for name, text in broken.items():
        (work / name).mkdir()
        (work / name / "lab.ipynb").write_text(text, "latin-1")
    rows = grades_of(start_grading(work, IMAGES, timeout=30), work)
    assert list(rows) == sorted([*notebooks, *broken, "flat", "no file"])
    return rows


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


def lost_in(*tasks: str) -> dict[str, str]:
    """Points where every check of these tasks gives nothing."""
    return expected_of(IMAGES, lost=[key for key in checks_of(source_of(IMAGES)) if grading.task_of(key) in tasks])


def test_a_flat_file_is_graded_like_a_folder(graded: Graded) -> None:
    assert picked(IMAGES, graded["flat"]) == lost_in("task-2", "task-3", "task-4", "task-5")
    assert graded["flat"]["manual to mark"] == "1"


def test_an_endless_loop_costs_its_own_task(graded: Graded) -> None:
    assert picked(IMAGES, graded["loop"]) == lost_in("task-3")
    assert graded["loop"]["messages"] == "task-3: ran longer than 30 s; look for a loop that never ends"


def test_code_that_ends_the_kernel_costs_its_own_task(graded: Graded) -> None:
    row = graded["李 雷 ends it"]
    assert picked(IMAGES, row) == lost_in("task-2", "task-3", "task-4", "task-5")
    assert "task-4: its code ends the kernel, or never ends; the other tasks are graded alone" in row["messages"]
    assert "task-2: not answered" in row["messages"]
    assert row["manual to mark"] == "1"


def test_changed_and_deleted_checks_come_back(graded: Graded) -> None:
    row = graded["tampered"]
    assert picked(IMAGES, row) == lost_in("task-1")
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
def test_a_bad_submission_gets_one_clear_line(student: str, said: str, graded: Graded) -> None:
    row = graded[student]
    assert set(picked(IMAGES, row).values()) == {"", "20"}
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


def chapter_three() -> tuple[Page, list[Page]]:
    found, pages = assignments.labs()
    return next(page for page in found if page.path.parent.name == IMAGES), pages


def overlay(folder: Path, text: str) -> Path:
    path = folder / "overlay" / IMAGES / "lab_checks.py"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    return folder / "overlay"


def test_an_overlay_changes_hidden_checks_and_nothing_that_is_released(tmp_path: Path, released: NotebookNode) -> None:
    private = overlay(tmp_path, "# Mine.\n# %% task-5-value-check\nassert predictive_value(1, 1, 1) == 2, 'private'\n")
    page, pages = chapter_three()
    made = assignments.source_notebook(page, pages, overlay=private)
    check = cell_of(made, "task-5-value-check").source
    assert "'private'" in check
    assert "0.95, 0.6, 0.5" not in check
    assert "lesion_patch(201)" in cell_of(made, "task-3-check").source
    out = tmp_path / "out"
    assignments.generate(overlay=private, out=out)  # it says nothing of the other lab
    assert nbformat.read(out / IMAGES / "lab.ipynb", as_version=4) == released


def test_an_overlay_decides_the_points(tmp_path: Path, source: NotebookNode, released: NotebookNode) -> None:
    private = overlay(tmp_path, "# %% task-5-value-check\nassert predictive_value(1, 1, 1) == 2, 'private check'\n")
    work = tmp_path / "submitted"
    work.mkdir()
    one = {"task-1": cell_of(source, "task-1").source, "task-5-value": cell_of(source, "task-5-value").source}
    nbformat.write(answered(released, one), work / "reference.ipynb")
    _, results, points = assignments.grade(work, lab=IMAGES, overlay=private, jobs=1)
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
    page, pages = chapter_three()
    with pytest.raises(PageError, match=said):
        assignments.source_notebook(page, pages, overlay=overlay(tmp_path, text))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grade", "{}/nowhere", "--lab", IMAGES], "no such folder"),
        (["grade", "{}", "--lab", IMAGES], "holds neither"),
        (["generate", "--overlay", "{}/nowhere"], "no such folder"),
        (["generate", "--overlay", "{}"], "holds no 03-image-processing/lab_checks.py"),
        (["grade", "{}"], "LAB is missing; choose one of: 03-image-processing, 04-machine-learning"),
        (["grade", "{}", "--lab", "99-nothing"], "LAB=99-nothing: no such lab; choose one of: 03-image-processing"),
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

"""What each lab owes: a release without solutions, points as announced, and a message for each wrong answer."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.book.labs import (
    LABS,
    answered,
    cell_of,
    checks_of,
    expected,
    grades_of,
    parts,
    path_of,
    picked,
    run_here,
    save,
    source_of,
    start_grading,
)
from tools import assignments
from tools.grading import CELL_S, task_of
from tools.lab import grader, released_cells
from tools.page import ROOT, Cell, PageError, read_page
from tools.plain import LEFT_OVER

WRONG = [(chapter, name) for chapter, lab in LABS.items() for name in lab.wrong]
TOGETHER = [(chapter, student) for chapter, lab in LABS.items() for student in lab.together]
Graded = dict[str, dict[str, dict[str, str]]]  # rows of the CSV by chapter and student


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which the labs were released."""
    out = tmp_path_factory.mktemp("released")
    assert assignments.generate(out=out) == [out / chapter / "lab.ipynb" for chapter in LABS]
    return out


@pytest.fixture(params=LABS)
def chapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def source(chapter: str) -> NotebookNode:
    return source_of(chapter)


@pytest.fixture
def released(chapter: str, made: Path) -> NotebookNode:
    return nbformat.read(made / chapter / "lab.ipynb", as_version=4)


# The released labs


def test_every_lab_of_the_book_is_tested_here_with_all_its_fixtures() -> None:
    assert [page.path.parent.name for page in assignments.labs()[0]] == list(LABS)
    for chapter, lab in LABS.items():
        files = {path.stem for path in (Path(__file__).parent / "lab" / chapter).glob("*.py")}
        assert files == {*lab.wrong, "hard-coded"}


def test_a_second_release_changes_no_byte(made: Path) -> None:
    assert assignments.generate(out=made) == []
    assert {path.name for path in made.rglob("*") if path.is_file()} == {"lab.ipynb"}


def test_the_stored_lab_follows_from_its_source(chapter: str, made: Path) -> None:
    stored = ROOT / "notebooks" / chapter / "lab.ipynb"
    fresh = (made / chapter / "lab.ipynb").read_bytes()
    assert stored.read_bytes() == fresh, f"notebooks/{chapter}/lab.ipynb is stale: run make assignments"


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


def test_points_are_those_that_the_lab_announces(chapter: str, source: NotebookNode) -> None:
    automatic: dict[str, float] = {}
    for key, value in checks_of(source).items():
        automatic[task_of(key)] = automatic.get(task_of(key), 0) + value
        assert grader(cell_of(source, key).metadata)["locked"]
        assert "### BEGIN HIDDEN TESTS" in cell_of(source, key).source
    keys = [grader(cell.metadata) for cell in source.cells]
    manual = sum(key["points"] for key in keys if key.get("grade") and key.get("solution"))
    points = LABS[chapter].points
    assert automatic == points
    text = path_of(chapter).read_text("utf-8")
    table = re.findall(r"^\| (?:\*\*)?(\d|all)\b.*?\| \**([\d–]+)\** \| \**(\d+)\** \|$", text, re.M)
    assert [row[1] for row in table] == [*(str(p) for p in points.values()), "–", str(sum(points.values()))]
    assert sum(int(row[2]) for row in table[:-1]) == int(table[-1][2]) == manual
    rubric = re.findall(r"^\| [A-Z].*\| (\d) \|$", text, re.M)
    assert sum(map(int, rubric)) == 10


def test_the_page_without_solutions_says_what_nbgrader_releases(chapter: str, released: NotebookNode) -> None:
    page = read_page(path_of(chapter))
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
    assert failed == dict.fromkeys([*checks_of(released), "task-6-code"], "NotImplementedError")


def test_lab_needs_only_what_colab_has_or_installs(released: NotebookNode) -> None:
    """Every top-level import of the lab exists here, and none is a tool of the course's machinery."""
    text = "\n".join(cell.source for cell in released.cells if cell.cell_type == "code")
    names = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.M))
    assert names <= {"cv2", "importlib", "matplotlib", "medcourse", "numpy", "scipy", "skimage", "sklearn", "sys"}
    assert all(importlib.util.find_spec(name) for name in names)


# What the visible checks say


@pytest.mark.parametrize(("chapter", "name"), WRONG)
def test_a_wrong_answer_meets_the_message_meant_for_it(
    chapter: str, name: str, source: NotebookNode, released: NotebookNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference answers with one fixture in their place, under the checks that learners see, in its own tasks."""
    reference = {c.id: c.source for c in source.cells if grader(c.metadata).get("solution") and c.cell_type == "code"}
    wrong = parts(chapter, name)
    failed = run_here(answered(released, reference | wrong), monkeypatch, tasks=set(map(task_of, wrong)))
    meant = LABS[chapter].wrong[name]
    assert set(failed) == set(meant)
    for check, message in meant.items():
        assert message in failed[check]


def test_hard_coded_answers_pass_what_learners_see(
    chapter: str, released: NotebookNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(run_here(answered(released, parts(chapter, "hard-coded")), monkeypatch)) == {"task-6-code"}


# Grading: one run for each lab, side by side


@pytest.fixture(scope="module")
def graded(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """Rows of the CSV by chapter and student, after the verb has graded good and bad submissions."""
    runs = {}
    for chapter, lab in LABS.items():
        work, source = tmp_path_factory.mktemp(chapter), source_of(chapter)
        released = nbformat.read(made / chapter / "lab.ipynb", as_version=4)
        notebooks = {"empty": released, "reference": source}
        notebooks["hard-coded"] = answered(released, parts(chapter, "hard-coded"))
        for student, fixtures in lab.together.items():
            answers = {key: text for one in fixtures for key, text in parts(chapter, one).items()}
            notebooks[student] = answered(source, answers)
        for student, notebook in notebooks.items():
            save(notebook, work / student / "lab.ipynb")
        runs[chapter] = start_grading(work, chapter, timeout=CELL_S), work, set(notebooks)
    rows = {chapter: grades_of(run, work) for chapter, (run, work, _) in runs.items()}
    assert all(set(rows[chapter]) == students for chapter, (_, _, students) in runs.items())
    return rows


def test_empty_lab_scores_nothing(chapter: str, graded: Graded, source: NotebookNode) -> None:
    row = graded[chapter]["empty"]
    assert picked(chapter, row) == expected(chapter, lost=checks_of(source))
    assert row["manual to mark"] == "0"
    assert row["messages"].count("not answered") == len(checks_of(source))


def test_reference_scores_full_automatic_points(chapter: str, graded: Graded) -> None:
    row = graded[chapter]["reference"]
    assert picked(chapter, row) == expected(chapter)
    assert row["manual to mark"] == "15"
    assert row["messages"] == ""


@pytest.mark.parametrize(("chapter", "student"), TOGETHER)
def test_wrong_answers_cost_their_own_checks(chapter: str, student: str, graded: Graded) -> None:
    row, lab = graded[chapter][student], LABS[chapter]
    meant = {check: text for name in lab.together[student] for check, text in lab.wrong[name].items()}
    assert picked(chapter, row) == expected(chapter, lost=meant)
    said = dict(message.split(": ", 1) for message in row["messages"].split(" | "))
    assert set(said) == {check.removesuffix("-check") for check in meant}
    assert all(text in said[check.removesuffix("-check")] for check, text in meant.items())


def test_wrong_answers_to_every_task_are_graded(chapter: str) -> None:
    lab = LABS[chapter]
    assert {task_of(name) for names in lab.together.values() for name in names} == set(lab.points)


def test_hard_coded_answers_are_caught_by_hidden_checks(chapter: str, graded: Graded, source: NotebookNode) -> None:
    row = graded[chapter]["hard-coded"]
    assert picked(chapter, row) == expected(chapter, lost=checks_of(source))
    assert LABS[chapter].hidden in row["messages"]
    assert "not answered" not in row["messages"]

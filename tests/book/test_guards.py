"""Each guard is shown something broken and must see it; a guard that cannot fail guards nothing."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest

from medcourse.data.splits import PatientOverlapError, check_disjoint
from tools.audit import audit
from tools.derive import derive, keep_outputs, read_notebook, text_of, write_aside
from tools.page import Page, all_pages, notebook_path
from tools.run import content_hash, has_seed, needs_run, read_record, run_page, seeds_of, settle, store

ROOT = Path(__file__).resolve().parents[2]


def only_page(root: Path) -> Page:
    return next(page for page in all_pages(root) if page.section == "9.9.9")


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small book, executed once for the module."""
    from tests.book.conftest import make_small_book

    root = make_small_book(tmp_path_factory.mktemp("guards"))
    page = only_page(root)
    answer = run_page(page, derive(page, all_pages(root), root), None, root)
    assert "error" not in answer, answer
    assert store(page, answer, read_record(root), root) == "outputs changed"
    return root


@pytest.fixture
def book(executed: Path, tmp_path: Path) -> Path:
    """A copy of the executed small book, free to be broken."""
    import shutil

    root = tmp_path / "book"
    shutil.copytree(executed, root)
    return root


def faults_of(root: Path) -> list[str]:
    return audit(only_page(root), all_pages(root), root)


def change_notebook(root: Path, change: Callable[[nbformat.NotebookNode], None]) -> Path:
    path = notebook_path(only_page(root), root)
    notebook = read_notebook(path)
    change(notebook)
    path.write_text(text_of(notebook), "utf-8")
    return path


def code_cell(notebook: nbformat.NotebookNode, word: str) -> nbformat.NotebookNode:
    return next(c for c in notebook.cells if c.cell_type == "code" and word in c.source)


def output_check(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "-p", "tools.nbcheck", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", "--color=no", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_sound_page_passes_every_guard(book: Path) -> None:
    assert faults_of(book) == []
    done = output_check(notebook_path(only_page(book), book))
    assert done.returncode == 0, done.stdout


def test_stale_notebook(book: Path) -> None:
    page = only_page(book)
    page.path.write_text(page.text.replace("size=1000", "size=2000"), "utf-8")
    assert any("stale" in line for line in faults_of(book))


def test_changed_prose_makes_it_stale_too(book: Path) -> None:
    page = only_page(book)
    page.path.write_text(page.text.replace("We add numbers", "We add two numbers"), "utf-8")
    assert any("stale" in line for line in faults_of(book))


def test_hand_edited_notebook(book: Path) -> None:
    def edit(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[0].source += "\nA line by hand."

    change_notebook(book, edit)
    assert any("edited by hand" in line for line in faults_of(book))


def test_cells_out_of_order(book: Path) -> None:
    def swap(notebook: nbformat.NotebookNode) -> None:
        code_cell(notebook, "default_rng").execution_count = 9

    change_notebook(book, swap)
    assert any("top to bottom" in line for line in faults_of(book))


def test_cells_not_executed(book: Path) -> None:
    def clear(notebook: nbformat.NotebookNode) -> None:
        code_cell(notebook, "default_rng").execution_count = None

    change_notebook(book, clear)
    assert any("top to bottom" in line for line in faults_of(book))


def test_stored_error_and_stderr(book: Path) -> None:
    def spoil(notebook: nbformat.NotebookNode) -> None:
        cell = code_cell(notebook, "default_rng")
        cell.outputs.append(nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[]))
        cell.outputs.append(nbformat.v4.new_output("stream", name="stderr", text="warning"))
        cell.outputs.append(nbformat.v4.new_output("stream", name="stdout", text="WARNING:tensorflow: retracing"))

    change_notebook(book, spoil)
    found = faults_of(book)
    assert any("error in its outputs: ValueError" in line for line in found)
    assert any("stderr" in line for line in found)
    assert any("a warning in its outputs" in line for line in found)


def test_missing_alternative_text(book: Path) -> None:
    def strip(notebook: nbformat.NotebookNode) -> None:
        code_cell(notebook, "show(figure").outputs[0].metadata = {}

    change_notebook(book, strip)
    assert any("alternative text" in line for line in faults_of(book))


def test_missing_alternative_text_of_a_plotly_figure(book: Path) -> None:
    def plant(notebook: nbformat.NotebookNode) -> None:
        data = {"application/vnd.plotly.v1+json": {"data": []}, "text/html": "<div>no label</div>"}
        code_cell(notebook, "default_rng").outputs.append(nbformat.v4.new_output("display_data", data=data))

    change_notebook(book, plant)
    assert any("Plotly figure without" in line for line in faults_of(book))


@pytest.mark.parametrize("myst", ["{term}`CLAHE`", "```{note}\nx\n```", "(label)=", ":::{tip}\nx\n:::"])
def test_left_over_myst(book: Path, myst: str) -> None:
    def plant(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[0].source += f"\n\n{myst}\n"

    change_notebook(book, plant)
    assert any("MyST is left over" in line for line in faults_of(book))


def test_ignored_without_a_reason_and_unknown_options(book: Path) -> None:
    page = only_page(book)
    for options, message in (("ignore: x", "needs a reason"), ("tolerence: 0.1", "not a cell option")):
        page.path.write_text(
            page.text.replace("tags: [parameters]", f"tags: [parameters]\ncourse: {{{options}}}"), "utf-8"
        )
        changed = only_page(book)
        notebook = keep_outputs(derive(changed, all_pages(book), book), read_notebook(notebook_path(changed, book)))
        write_aside(notebook_path(changed, book), text_of(notebook))
        assert any(message in line for line in faults_of(book))


def test_exercise_without_solution_and_solution_of_nothing(book: Path) -> None:
    page = only_page(book)
    page.path.write_text(page.text.replace("{solution-start} ex-9-9-9-slope", "{solution-start} ex-other"), "utf-8")
    found = faults_of(book)
    assert "exercise ex-9-9-9-slope has no solution" in found
    assert "a solution names ex-other, which is no exercise here" in found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("checked_by: [[ex-9-9-9-slope], ", "checked_by: [", "2 entries for 3 objectives"),
        ("checked_by: [[ex-9-9-9-slope], ", "checked_by: [[], ", "for each objective, the list"),
        ("checked_by: [[ex-9-9-9-slope], ", "checked_by: [[ex-other], ", "names ex-other"),
        (":label: ex-9-9-9-slope", ":label: ex-more", "exercise ex-more checks no objective"),
        ("title_zh: 示例", "title: x", "title_zh"),
        ("objectives: [Add two numbers, Draw a line, Split by patient]", "objectives: [One]", "objectives"),
        ("minutes: {read: 5, run: 1, exercise: 5}", "minutes: {read: 5}", "minutes"),
        ("level: beginner", "level: easy", "level"),
        ("# 9.9.9 Example", "# Example", "section number"),
        ("data: []", "data: none", "data must be a list"),
    ],
)
def test_front_matter_faults(book: Path, old: str, new: str, message: str) -> None:
    page = only_page(book)
    assert old in page.text
    page.path.write_text(page.text.replace(old, new), "utf-8")
    assert any(message in line for line in faults_of(book))


def test_a_line_that_myst_would_drop(book: Path) -> None:
    page = only_page(book)
    page.path.write_text(page.text.replace("We add numbers", "Near 5\n% of all days we add numbers"), "utf-8")
    assert any("'% of all days we add numbers" in line for line in faults_of(book))


def forge(path: Path, word: str, change: Callable[[nbformat.NotebookNode], None]) -> str:
    notebook = read_notebook(path)
    change(code_cell(notebook, word))
    path.write_text(text_of(notebook), "utf-8")
    done = output_check(path)
    assert done.returncode == 1, done.stdout
    return done.stdout


def test_forged_number_with_unchanged_cells(book: Path) -> None:
    def number(cell: nbformat.NotebookNode) -> None:
        cell.outputs[0].text = cell.outputs[0].text.replace("0.0", "0.1")

    printed = forge(notebook_path(only_page(book), book), "default_rng", number)
    assert "stdout: stored" in printed


def test_forged_figure_with_unchanged_cells(book: Path) -> None:
    def figure(cell: nbformat.NotebookNode) -> None:
        import io

        from PIL import Image

        png = Image.open(io.BytesIO(base64.b64decode(cell.outputs[0].data["image/png"]))).convert("RGB")
        pixels = np.asarray(png)[:, ::-1]  # the line now falls
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="png")
        cell.outputs[0].data["image/png"] = base64.b64encode(buffer.getvalue()).decode()

    printed = forge(notebook_path(only_page(book), book), "show(figure", figure)
    assert "looks different" in printed


def test_forged_hash_and_record_hide_nothing(book: Path) -> None:
    """The content hash calls the forged notebook fresh; the output check does not ask it."""
    page = only_page(book)
    path = change_notebook(book, lambda nb: code_cell(nb, "default_rng").outputs[0].update(text="mean 0.5000\n"))
    assert not needs_run(page, read_notebook(path), read_record(book), book)
    assert output_check(path).returncode == 1


def test_wrong_number_in_an_assertion_stops_the_run(book: Path) -> None:
    page = only_page(book)
    page.path.write_text(page.text.replace("assert abs(noise.mean()) < 0.2", "assert noise.mean() > 5"), "utf-8")
    page = only_page(book)
    before = notebook_path(page, book).read_bytes()
    answer = run_page(page, derive(page, all_pages(book), book), None, book)
    assert "AssertionError" in answer["error"]
    assert notebook_path(page, book).read_bytes() == before


def test_a_page_that_raises_or_warns_is_not_stored(book: Path) -> None:
    page = only_page(book)
    for code, message in (("1 / 0", "ZeroDivisionError"), ("import warnings; warnings.warn('old')", "stderr")):
        page.path.write_text(page.text.replace("print(2 / 1)", code), "utf-8")
        changed = only_page(book)
        assert message in run_page(changed, derive(changed, all_pages(book), book), None, book)["error"]


def test_a_kernel_that_dies_gives_one_line(book: Path) -> None:
    page = only_page(book)
    page.path.write_text(page.text.replace("print(2 / 1)", "import os; os._exit(1)"), "utf-8")
    changed = only_page(book)
    error = run_page(changed, derive(changed, all_pages(book), book), None, book)["error"]
    assert "kernel died" in error
    assert "\n" not in error


def test_another_seed_changes_the_numbers_and_stores_nothing(book: Path) -> None:
    page = only_page(book)
    assert has_seed(page)
    answer = run_page(page, derive(page, all_pages(book), book), 5, book)
    stored = read_notebook(notebook_path(page, book))
    fresh = code_cell(answer["notebook"], "default_rng").outputs[0].text
    assert fresh != code_cell(stored, "default_rng").outputs[0].text
    assert seeds_of("1-5") == [1, 2, 3, 4, 5]
    assert seeds_of("3") == [3]


def test_outputs_within_tolerance_are_kept_as_stored(book: Path) -> None:
    page = only_page(book)
    stored = read_notebook(notebook_path(page, book))
    fresh = read_notebook(notebook_path(page, book))
    cell = code_cell(fresh, "default_rng")
    printed = cell.outputs[0].text
    cell.outputs[0].text = printed.replace("\n", "00000001\n")
    assert code_cell(settle(fresh, stored), "default_rng").outputs[0].text == printed
    fresh = read_notebook(notebook_path(page, book))
    code_cell(fresh, "default_rng").outputs[0].text = "mean 0.9\n"
    assert code_cell(settle(fresh, stored), "default_rng").outputs[0].text == "mean 0.9\n"


def test_the_hash_follows_code_modules_and_versions_but_not_prose(book: Path) -> None:
    page = only_page(book)
    entry = read_record(book)["pages"][page.name]
    assert "medcourse.figures" in entry["modules"]
    assert "numpy" in entry["distributions"]
    base = content_hash(page, entry["modules"], entry["distributions"], ROOT)
    page.path.write_text(page.text.replace("We add numbers", "We add two numbers"), "utf-8")
    assert content_hash(only_page(book), entry["modules"], entry["distributions"], ROOT) == base
    assert content_hash(page, entry["modules"], [*entry["distributions"], "gone"], ROOT) != base
    page.path.write_text(page.text.replace("size=1000", "size=1001"), "utf-8")
    assert content_hash(only_page(book), entry["modules"], entry["distributions"], ROOT) != base


def test_overlapping_patients_are_refused() -> None:
    patients = np.array(["a", "a", "b", "c"])
    with pytest.raises(PatientOverlapError, match="a"):
        check_disjoint(patients, {"train": np.array([0, 2]), "test": np.array([1, 3])})


def test_no_disk_leaves_the_old_notebook_whole(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tools.page import PageError

    path = notebook_path(only_page(book), book)
    before = path.read_bytes()

    def full(self: Path, *args: object, **kwargs: object) -> int:
        self.touch()
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(PageError, match=r"No space left on device.*free some disk space"):
        write_aside(path, "new")
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_half_a_notebook_is_named_with_its_remedy(book: Path) -> None:
    path = notebook_path(only_page(book), book)
    path.write_text(path.read_text("utf-8")[:200], "utf-8")
    assert any("not a notebook" in line and "run `make notebooks`" in line for line in faults_of(book))


def test_a_corrupt_record_gives_one_line(book: Path) -> None:
    from tools.page import PageError

    (book / "benchmarks" / "results" / "pages.json").write_text("{", "utf-8")
    with pytest.raises(PageError, match=r"pages\.json: not JSON .* delete it"):
        read_record(book)


def test_the_verb_reports_faults_in_one_line(book: Path) -> None:
    environment = {**os.environ, "COURSE_ROOT": str(book)}
    for arguments, message in (
        (["--page", "7-7-7"], "notebooks: PAGE=7-7-7: no such executable page"),
        (["--seed", "many"], "notebooks: SEED='many' is no seed"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "tools.run", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(message)
        assert done.stderr.count("\n") == 1
    page = only_page(book)
    page.path.write_text(page.text.replace("course:", "course: [", 1), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tools.run"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "front matter is not YAML" in done.stderr
    assert done.stderr.count("\n") == 1


def test_only_what_changed_is_run(book: Path) -> None:
    environment = {**os.environ, "COURSE_ROOT": str(book)}

    def verb(*arguments: str) -> str:
        command = [sys.executable, "-m", "tools.run", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    for name in ("medcourse",):  # the record hashes the package's modules where the book lies
        (book / name).symlink_to(ROOT / name)
    verb()
    assert "every notebook is fresh" in verb()
    page = only_page(book)
    page.path.write_text(page.text.replace("We add numbers", "We add two numbers"), "utf-8")
    before = json.loads(notebook_path(page, book).read_text("utf-8"))
    assert "prose changed, outputs kept" in verb()
    after = json.loads(notebook_path(page, book).read_text("utf-8"))
    assert "We add two numbers" in json.dumps(after)
    assert [c.get("outputs") for c in after["cells"]] == [c.get("outputs") for c in before["cells"]]
    page.path.write_text(page.text.replace("size=1000", "size=2000"), "utf-8")
    assert "outputs changed" in verb("--page", "9-9-9")

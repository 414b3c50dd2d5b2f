"""Cells that need a public set: run where it is, left untouched where it is not, and never with its pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.book.conftest import make_small_book
from tools import real
from tools.audit import audit
from tools.derive import derive, keep_outputs, read_notebook
from tools.page import Page, all_pages, notebook_path
from tools.run import read_record, run_page, store

ROOT = Path(__file__).resolve().parents[2]
REAL = """
## Run it on real data

```{code-cell} ipython3
---
tags: [real]
course: {sets: [breastmnist]}
---
import os

assert os.environ["MEDCOURSE_DATA"]
print(f"{6 * 7} on real data")
```
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A data folder in which BreastMNIST seems to lie (the cell above does not read it)."""
    (tmp_path / "data" / "medmnist").mkdir(parents=True)
    (tmp_path / "data" / "medmnist" / "breastmnist.npz").write_bytes(b"not read")
    return tmp_path / "data"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any set."""
    monkeypatch.setenv("MEDCOURSE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))


def small_book(folder: Path, cell: str = REAL, data: str = "[breastmnist]") -> tuple[Path, Page]:
    root = make_small_book(folder)
    path = root / "book/09-example/9-9-9-example.md"
    text = path.read_text("utf-8").replace("data: []", f"data: {data}")
    path.write_text(text + cell, "utf-8")
    return root, only_page(root)


def only_page(root: Path) -> Page:
    return next(page for page in all_pages(root) if page.section == "9.9.9")


def run(root: Path, page: Page) -> dict:
    notebook = derive(page, all_pages(root), root)
    if notebook_path(page, root).exists():
        keep_outputs(notebook, read_notebook(notebook_path(page, root)))
    return run_page(page, notebook, None, root)


def real_output(root: Path) -> str:
    cells = read_notebook(notebook_path(only_page(root), root)).cells
    (cell,) = (c for c in cells if "real" in c.metadata.get("tags", []))
    return "".join(out["text"] for out in cell.outputs)


def output_check(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "--nbval", "-p", "tools.nbcheck", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", "--color=no"]
    command.append(str(notebook_path(only_page(root), root)))
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=dict(os.environ))


@pytest.fixture
def stored(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small book with a real cell, run where the set is."""
    root, page = small_book(tmp_path)
    monkeypatch.setenv("MEDCOURSE_DATA", str(here))
    answer = run(root, page)
    assert "error" not in answer, answer
    assert answer["never_run_for_want_of"] == []
    store(page, answer, read_record(root), root)
    assert real_output(root) == "42 on real data\n"
    return root


def test_where_the_set_is_the_cell_runs_and_is_compared(stored: Path) -> None:
    assert audit(only_page(stored), all_pages(stored), stored) == []
    done = output_check(stored)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    path = notebook_path(only_page(stored), stored)
    path.write_text(path.read_text("utf-8").replace("42 on real data", "43 on real data"), "utf-8")
    assert output_check(stored).returncode == 1


def test_where_it_is_not_the_cell_is_skipped_with_its_reason_and_keeps_its_outputs(
    stored: Path, elsewhere: None
) -> None:
    done = output_check(stored)
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    assert "needs breastmnist: set MEDCOURSE_DATA, or run `medcourse-data get breastmnist`" in done.stdout
    path = notebook_path(only_page(stored), stored)
    before = path.read_bytes()
    answer = run(stored, only_page(stored))
    store(only_page(stored), answer, read_record(stored), stored)
    assert path.read_bytes() == before


def test_a_new_real_cell_without_its_set_is_not_stored_empty(tmp_path: Path, elsewhere: None) -> None:
    root, page = small_book(tmp_path)
    assert run(root, page)["never_run_for_want_of"] == ["breastmnist"]
    command = [sys.executable, "-m", "tools.run", "--page", "9-9-9"]
    environment = {**os.environ, "COURSE_ROOT": str(root)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "FAILED, a new cell needs breastmnist: set MEDCOURSE_DATA" in done.stdout
    assert not notebook_path(page, root).exists()


@pytest.mark.parametrize(
    ("before", "after", "data", "fault"),
    [
        ("course: {sets: [breastmnist]}", "course: {}", "[breastmnist]", "names no set"),
        (
            "sets: [breastmnist]",
            "sets: [nosuchmnist]",
            "[]",
            "nosuchmnist, which data/registry.toml does not hold",
        ),
        ("", "", "[]", "needs breastmnist; name it in the front matter"),
        ("print(f", "axis.imshow(f", "[breastmnist]", "shows pictures of a public set"),
    ],
)
def test_a_real_cell_with_a_fault_is_named(tmp_path: Path, before: str, after: str, data: str, fault: str) -> None:
    assert before in REAL
    _, page = small_book(tmp_path, REAL.replace(before, after, 1) if before else REAL, data)
    assert any(fault in line for line in real.faults(page))


def test_other_cells_need_no_set() -> None:
    assert real.absent({"tags": ["hide-input"], "course": {"sets": ["breastmnist"]}}) == []

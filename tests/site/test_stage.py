"""Staging: what it adds, what it takes away, what it refuses; each refusal is met by a book broken on purpose."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.site.conftest import ALT
from tools.page import Cell, PageError
from tools.solutions import with_dropdowns, without_solutions
from tools.stage import main, stage

PAGE = Path("book/09-example/9-9-9-example.md")
NOTEBOOK = Path("notebooks/09-example/9-9-9-example.ipynb")


def staged(root: Path, edition: str = "student") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stage(edition, root) / "09-example" / "9-9-9-example.ipynb").read_text("utf-8"))
    return found


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text, "the fixture no longer holds what the test breaks"
    path.write_text(text.replace(before, after, 1), "utf-8")


def text_of(notebook: dict[str, Any]) -> str:
    return "\n".join(cell["source"] for cell in notebook["cells"])


def test_outputs_come_back_cell_by_cell(small_book: Path) -> None:
    code = [cell for cell in staged(small_book)["cells"] if cell["cell_type"] == "code"]
    assert [cell["source"].split("\n")[0] for cell in code] == ["total = 1 + 1", "show(figure)"]
    assert "".join(code[0]["outputs"][0]["text"]) == "2\n"
    assert code[1]["metadata"]["mystnb"]["image"] == {"alt": ALT, "width": "1px"}


def test_title_and_box_are_inserted(small_book: Path) -> None:
    text = text_of(staged(small_book))
    assert re.search(r"# 9\.9\.9 Example\n\n\*示例\*", text)
    box = text[text.index("You will be able to") : text.index("## Draw")]
    for part in ("Draw a pixel", "read 5", "exercise 5", "beginner", "[9.9.8 Before](9-9-8-before.md)", "section 2.4"):
        assert part in box
    assert text.count(":nonumber:") == 2


def test_student_edition_has_no_solution_and_instructor_edition_folds_them(small_book: Path) -> None:
    student, instructor = text_of(staged(small_book)), text_of(staged(small_book, "instructor"))
    for part in ("A gated answer", "print(2 / 1)", "A plain answer", "Ask first"):
        assert part not in student
        assert part in instructor
    assert "What is the sum?" in student
    assert instructor.count("dropdown") == 3


def test_links_to_executable_pages_follow_their_suffix(small_book: Path) -> None:
    edit(
        small_book / "book/index.md",
        "Hello.",
        "See [it](09-example/9-9-9-example.md#draw), [9.9.8](09-example/9-9-8-before.md).",
    )
    text = (stage("student", small_book) / "index.md").read_text("utf-8")
    assert "(09-example/9-9-9-example.ipynb#draw)" in text
    assert "(09-example/9-9-8-before.md)" in text


def test_only_changed_files_are_rewritten_and_removed_pages_vanish(small_book: Path) -> None:
    target = stage("student", small_book)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}
    time.sleep(0.02)
    edit(small_book / "book/index.md", "Hello.", "Hello again.")
    stage("student", small_book)
    changed = [path.name for path, mtime in before.items() if path.stat().st_mtime_ns != mtime]
    assert changed == ["index.md"]
    (small_book / "book/09-example/9-9-8-before.md").unlink()
    edit(small_book / "_toc.yml", "  - file: 09-example/9-9-8-before\n", "")
    stage("student", small_book)
    assert not (target / "09-example" / "9-9-8-before.md").exists()


def test_stale_notebook_is_refused(small_book: Path) -> None:
    edit(small_book / PAGE, "total = 1 + 1", "total = 1 + 2")
    with pytest.raises(PageError, match=r"^09-example/9-9-9-example: notebook is stale; run make notebooks PAGE=9-9-9"):
        stage("student", small_book)


def test_notebook_with_a_cell_too_many_is_refused(small_book: Path) -> None:
    notebook = json.loads((small_book / NOTEBOOK).read_text("utf-8"))
    notebook["cells"].append(notebook["cells"][-2] | {"cell_type": "code", "outputs": [], "execution_count": None})
    (small_book / NOTEBOOK).write_text(json.dumps(notebook), "utf-8")
    with pytest.raises(PageError, match="notebook is stale"):
        stage("student", small_book)


@pytest.mark.parametrize(("content", "said"), [(None, "missing"), ("{", "cannot be read")])
def test_missing_or_broken_notebook_is_refused(small_book: Path, content: str | None, said: str) -> None:
    (small_book / NOTEBOOK).unlink()
    if content is not None:
        (small_book / NOTEBOOK).write_text(content, "utf-8")
    with pytest.raises(PageError, match=f"9-9-9-example: notebook {said}|notebook is {said}"):
        stage("student", small_book)


def test_picture_without_alternative_text_is_refused(small_book: Path) -> None:
    edit(small_book / NOTEBOOK, ALT, "")
    with pytest.raises(PageError, match=r"9-9-9-example: code cell 2 shows a picture without alternative text"):
        stage("student", small_book)


def test_plot_without_alternative_text_is_refused(small_book: Path) -> None:
    notebook = json.loads((small_book / NOTEBOOK).read_text("utf-8"))
    cell = next(c for c in notebook["cells"] if "".join(c["source"]).startswith("show"))
    html = "<div><script>Plotly.newPlot('a', [])</script></div>"
    cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}]
    (small_book / NOTEBOOK).write_text(json.dumps(notebook), "utf-8")
    with pytest.raises(PageError, match="code cell 2 shows a Plotly figure without alternative text"):
        stage("student", small_book)


def test_two_pictures_in_a_cell_are_refused(small_book: Path) -> None:
    notebook = json.loads((small_book / NOTEBOOK).read_text("utf-8"))
    cell = next(c for c in notebook["cells"] if "".join(c["source"]).startswith("show"))
    cell["outputs"] *= 2
    (small_book / NOTEBOOK).write_text(json.dumps(notebook), "utf-8")
    with pytest.raises(PageError, match="code cell 2 shows 2 pictures"):
        stage("student", small_book)


def test_page_outside_the_table_of_contents_is_refused(small_book: Path) -> None:
    (small_book / "book" / "stray.md").write_text("# Stray\n", "utf-8")
    with pytest.raises(PageError, match=r"^stray: page is not in the table of contents; add it to _toc\.yml"):
        stage("student", small_book)


def test_listed_page_that_is_not_there_is_refused(small_book: Path) -> None:
    edit(small_book / "_toc.yml", "9-9-8-before", "9-9-8-gone")
    with pytest.raises(PageError) as caught:
        stage("student", small_book)
    assert "09-example/9-9-8-gone: in _toc.yml, but there is no book/09-example/9-9-8-gone.md" in str(caught.value)
    assert "09-example/9-9-8-before: page is not in the table of contents" in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("```{solution-end}\n```", "", r"\{solution-start\} without \{solution-end\}"),
        (
            "```{solution-start} ex-9-9-9-slope\n:class: dropdown\n```",
            "",
            r"\{solution-end\} without \{solution-start\}",
        ),
        ("````{solution} ex-9-9-9-sum", "> ```{solution} ex-9-9-9-sum", "a solution is left"),
        (":::{admonition} Teaching note", "::::{admonition} Teaching note", "never closes"),
        ("total = 1 + 1", "### BEGIN SOLUTION\ntotal = 1 + 1", "solution region"),
    ],
)
def test_solution_that_cannot_be_removed_is_refused(small_book: Path, before: str, after: str, said: str) -> None:
    edit(small_book / PAGE, before, after)
    if "total" in before:  # the notebook follows the page: staleness is not what is refused here
        edit(small_book / NOTEBOOK, '"total = 1 + 1', '"### BEGIN SOLUTION\\n",\n    "total = 1 + 1')
    with pytest.raises(PageError, match=said):
        stage("student", small_book)


def test_nested_solution_goes_and_an_example_of_the_syntax_stays() -> None:
    source = (
        ":::::{dropdown} More\nkept\n\n```{solution} a\nsecret\n```\n\nalso kept\n:::::\n\n"
        "````md\n```{solution} a\nan example\n```\n````\n"
    )
    (cell,) = without_solutions("page", [Cell("markdown", source)])
    assert "secret" not in cell.source
    for part in (":::::{dropdown} More\nkept", "also kept\n:::::", "an example"):
        assert part in cell.source


@pytest.mark.parametrize(
    "note",
    [
        ":::{admonition} Teaching note\n:class: tip teaching-note\nsecret\n:::",
        "```{note}\n---\nclass: teaching-note\n---\nsecret\n```",
        "::::{admonition} Teaching note\n:class: teaching-note\n```python\nsecret\n```\n::::",
    ],
)
def test_teaching_notes_in_every_spelling(note: str) -> None:
    cells = [Cell("markdown", f"before\n\n{note}\n\nafter")]
    (student,) = without_solutions("page", cells)
    (instructor,) = with_dropdowns(cells)
    assert "secret" not in student.source
    assert "teaching-note" not in student.source
    assert "before" in student.source
    assert "after" in student.source
    assert re.search(r"class:.*dropdown", instructor.source)


def test_times_page_from_the_record(small_book: Path) -> None:
    edit(small_book / "_toc.yml", "  - file: bibliography\n", "  - file: bibliography\n  - file: execution-times\n")
    target = stage("student", small_book)
    assert not (target / "execution-times.md").exists()
    assert "execution-times" not in (target / "_toc.yml").read_text("utf-8")
    record = small_book / "benchmarks" / "results" / "pages.json"
    record.parent.mkdir(parents=True)
    entry = {"seconds": 12.34, "memory_mib": 567.8}
    record.write_text(json.dumps({"pages": {"09-example/9-9-9-example": entry}, "machine": {"cpu": "Z80"}}), "utf-8")
    stage("student", small_book)
    assert "execution-times" in (target / "_toc.yml").read_text("utf-8")
    page = (target / "execution-times.md").read_text("utf-8")
    assert "| [9.9.9 Example](09-example/9-9-9-example.ipynb) | 12.3 | 568 |" in page
    assert "Z80" in page


def test_seventy_pages_in_three_seconds(small_book: Path) -> None:
    page, notebook = (small_book / PAGE).read_text("utf-8"), (small_book / NOTEBOOK).read_text("utf-8")
    lines = ["  - file: 09-example/9-9-9-example\n"]
    for i in range(70):
        name = f"09-example/8-{i}-copy"
        (small_book / "book" / f"{name}.md").write_text(page.replace("9-9-9", f"8-{i}"), "utf-8")
        (small_book / "notebooks" / f"{name}.ipynb").write_text(notebook, "utf-8")
        lines.append(f"  - file: {name}\n")
    edit(small_book / "_toc.yml", lines[0], "".join(lines))
    stage("student", small_book)  # writes conf.py, once
    (small_book / "book/index.md").write_text("# Welcome\n\nChanged.\n", "utf-8")
    began = time.process_time()
    stage("student", small_book)
    assert time.process_time() - began <= 3


def test_command_line_gives_one_line_for_each_fault(
    small_book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_book / "book" / "stray.md").write_text("# Stray\n", "utf-8")
    monkeypatch.setattr("tools.stage.stage", lambda edition: stage(edition, small_book))
    assert main(["--edition", "student"]) == 1
    said = capsys.readouterr().err
    assert said == "stage: stray: page is not in the table of contents; add it to _toc.yml\n"

"""Release the labs and grade what comes back.

    python -m tools.assignments generate [--overlay DIR] [--out DIR]
    python -m tools.assignments grade SUBMITTED --lab 03-image-processing [--overlay DIR] [--csv grades.csv]

`generate` makes `notebooks/<chapter>/lab.ipynb` from `book/<chapter>/lab.md`: stubs instead of solutions, no hidden
checks, plain Markdown, one set-up cell. It runs without nbgrader. A second run changes no byte.

`grade` takes a folder with `<student>/lab.ipynb` or `<student>.ipynb` for each learner and writes a CSV: automatic
points by task, points still to be given by hand, and the first message of each failed check. A cell that runs longer
than `--timeout` seconds is stopped. It executes what learners wrote: use an account or a container with nothing in it.

Hidden checks in a public repository are no secret. A private OVERLAY folder mirrors book/ and may hold, for a lab,
`<chapter>/lab_checks.py` in the percent format; each part replaces the hidden checks of the cell that it names:

    # %% task-2-area-check
    for side in (3, 8, 21):
        assert abs(area_mm2(np.ones((side, 2), bool), (0.5, 2)) - 2 * side) < 1e-6, "Multiply by both spacings."

What stands before the first mark is ignored. An overlay may leave out labs. Nothing of an overlay is written into the
repository: the released lab has no hidden checks, so it is the same with and without one.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from nbformat import NotebookNode

from tools.derive import derive, text_of, write_aside
from tools.grading import CELL_S, Result, course, grade_one, release, silent, task_of
from tools.lab import grader, with_hidden
from tools.page import ROOT, Page, PageError, all_pages

_MARK = re.compile(r"^# %%[ \t]*(\S*).*\n", re.M)


def labs(root: Path = ROOT) -> tuple[list[Page], list[Page]]:
    """The labs, and all pages (their links need them)."""
    pages = all_pages(root)
    return [page for page in pages if page.path.stem == "lab"], pages


def source_notebook(page: Page, pages: list[Page], *, overlay: Path | None = None, root: Path = ROOT) -> NotebookNode:
    """The lab as nbgrader's source: solutions and hidden checks in it, prose in plain Markdown."""
    notebook = derive(page, pages, root)
    hidden = _overlaid(page, overlay)
    checks = [c for c in notebook.cells if grader(c.metadata).get("grade") and not grader(c.metadata).get("solution")]
    known = [grader(c.metadata)["grade_id"] for c in checks]
    for key in hidden:
        if key not in known:
            raise PageError(f"{page.name}_checks.py: '# %% {key}' names no check; there are {', '.join(known)}")
    for cell in notebook.cells:
        key = str(grader(cell.metadata).get("grade_id", ""))
        if key:
            cell["id"] = key
        if key in hidden:
            source = with_hidden(cell.source, hidden[key])
            if source is None:
                raise PageError(f"{page.name}: {key} has no ### BEGIN HIDDEN TESTS to be replaced by the overlay")
            cell.source = source
    return notebook


def _overlaid(page: Page, overlay: Path | None) -> dict[str, str]:
    """Hidden checks of the overlay, by the id of their cell."""
    if overlay is None:
        return {}
    if not overlay.is_dir():
        raise PageError(f"OVERLAY={overlay}: no such folder; give the folder that mirrors book/")
    path = overlay / f"{page.name}_checks.py"
    if not path.exists():
        raise PageError(f"OVERLAY={overlay}: holds no {page.name}_checks.py; name the file so, or leave OVERLAY out")
    try:
        text = path.read_text("utf-8")
        compile(text, path.name, "exec")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise PageError(f"{path.name}: cannot be read ({error}); save it as UTF-8 text") from None
    except SyntaxError as error:
        raise PageError(f"{path.name}: line {error.lineno} is not Python ({error.msg}); mend it") from None
    parts = _MARK.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def generate(*, overlay: Path | None = None, out: Path | None = None, root: Path = ROOT) -> list[Path]:
    """Write the released notebook of every lab; return the files that changed."""
    changed = []
    found, pages = labs(root)
    served = [page for page in found if overlay and (overlay / f"{page.name}_checks.py").exists()] or found
    for page in found:
        with tempfile.TemporaryDirectory(prefix="medcourse-lab-") as folder:
            private = overlay if page in served else None
            source = source_notebook(page, pages, overlay=private, root=root)
            released = release(course(Path(folder)), Path(folder), page.path.parent.name, source)
        path = (out or root / "notebooks") / f"{page.name}.ipynb"
        if write_aside(path, text_of(released)):
            changed.append(path)
    return changed


def submissions(folder: Path) -> dict[str, Path]:
    """Student → notebook, for `<student>/lab.ipynb` and `<student>.ipynb`; a folder may lack its notebook."""
    if not folder.is_dir():
        raise PageError(f"SUBMITTED={folder}: no such folder; give the folder that holds the learners' notebooks")
    found: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            others = [p for p in sorted(entry.glob("*.ipynb")) if p.name != "lab.ipynb"]
            lone = len(others) == 1 and not (entry / "lab.ipynb").exists()
            found[entry.name] = others[0] if lone else entry / "lab.ipynb"
        elif entry.suffix == ".ipynb":
            found.setdefault(entry.stem, entry)
    if not found:
        raise PageError(f"SUBMITTED={folder}: holds neither <student>/lab.ipynb nor <student>.ipynb")
    return found


def grade(
    submitted: Path,
    *,
    overlay: Path | None = None,
    lab: str | None = None,
    timeout: int = CELL_S,
    jobs: int | None = None,
    root: Path = ROOT,
) -> tuple[list[str], dict[str, Result], dict[str, float]]:
    """Grade every submission; return the tasks, the results by student, and the automatic points by check."""
    found, pages = labs(root)
    chosen = [page for page in found if lab is None or page.path.parent.name == lab]
    if len(chosen) != 1:
        names = ", ".join(page.path.parent.name for page in found) or "none"
        fault = "LAB is missing" if lab is None else f"LAB={lab}: no such lab"
        raise PageError(f"{fault}; choose one of: {names}")
    page, assignment = chosen[0], chosen[0].path.parent.name
    work = submissions(submitted)
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="medcourse-course-") as name:
        template = Path(name)
        source = source_notebook(page, pages, overlay=overlay, root=root)
        released = release(course(template), template, assignment, source)
        for cell, original in zip(released.cells, source.cells, strict=True):
            if grader(cell.metadata).get("locked"):
                cell.source = original.source  # the hidden checks are back
        count = min(jobs or os.cpu_count() or 1, len(work), 8)
        with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=silent) as pool:
            waiting = {
                pool.submit(grade_one, template, assignment, path, released, timeout): student
                for student, path in work.items()
            }
            for future in as_completed(waiting):
                student = waiting[future]
                try:
                    results[student] = future.result()
                except Exception as error:  # one submission must not stop the others
                    line = str(error).splitlines()[0] if str(error) else type(error).__name__
                    results[student] = Result(graded=False, messages=[f"not graded: {line[:200]}"])
                print(_line(student, results[student], len(results), len(work)), flush=True)
    points = {
        grader(c.metadata)["grade_id"]: float(grader(c.metadata)["points"])
        for c in released.cells
        if grader(c.metadata).get("grade") and not grader(c.metadata).get("solution")
    }
    return list(dict.fromkeys(map(task_of, points))), {student: results[student] for student in work}, points


def _line(student: str, result: Result, number: int, total: int) -> str:
    said = f"{sum(result.points.values()):g} automatic points" if result.graded else result.messages[0]
    return f"[{number}/{total}] {student}: {said}"


def as_csv(tasks: list[str], results: dict[str, Result], points: dict[str, float]) -> str:
    """One row per student; the points of a submission that could not be graded stay empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["student", *tasks, "automatic", "max", "manual to mark", "messages"])
    for student, result in results.items():
        given = {key: value for key, value in result.points.items() if key in points}
        row = [sum(value for key, value in given.items() if task_of(key) == task) for task in tasks]
        shown = [f"{value:g}" if result.graded else "" for value in (*row, sum(given.values()), result.manual)]
        most = f"{sum(points.values()):g}"
        writer.writerow([student, *shown[:-1], most, shown[-1], " | ".join(result.messages)])
    return buffer.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Command line; a fault is one line."""
    parser = argparse.ArgumentParser(
        prog="tools.assignments", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("generate", help="make the released labs")
    one.add_argument("--out", type=Path, help="folder to write into, instead of notebooks/")
    two = verbs.add_parser("grade", help="grade a folder of submissions")
    two.add_argument("submitted", type=Path)
    two.add_argument("--csv", type=Path, default=Path("grades.csv"))
    two.add_argument("--lab", help="the lab's chapter folder; needed where the book has several labs")
    two.add_argument("--timeout", type=int, default=CELL_S, help=f"seconds that one cell may run ({CELL_S})")
    two.add_argument("--jobs", type=int, help="submissions graded side by side (all processors)")
    for verb in (one, two):
        verb.add_argument("--overlay", type=Path, help="private folder with hidden checks of your own")
    options = parser.parse_args(arguments)
    try:
        if options.verb == "generate":
            changed = generate(overlay=options.overlay, out=options.out)
            print("\n".join(f"released {path}" for path in changed) or "assignments: nothing has changed")
            return 0
        tasks, results, points = grade(
            options.submitted, overlay=options.overlay, lab=options.lab, timeout=options.timeout, jobs=options.jobs
        )
        write_aside(options.csv, as_csv(tasks, results, points))
        left = sum(not result.graded for result in results.values())
        print(f"{options.csv}: {len(results)} submissions" + (f", {left} of them not graded" if left else ""))
    except PageError as error:
        print(f"assignments: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"assignments: {error.strerror}: {error.filename}; free space or mend the permissions", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

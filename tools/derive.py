"""Derive the notebook that people run from the page that people write.

    python -m tools.derive [--page 3-1-1] [--check]

The code cells stay as they are, preceded by one inserted set-up cell; the prose becomes plain Markdown.
Outputs already stored stay with cells whose source is unchanged. Nothing is executed here.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from pybtex.database import BibliographyData, parse_file

from tools.inserts import with_inserts
from tools.page import ROOT, Page, PageError, all_pages, find_pages, notebook_path
from tools.plain import Context, equation_numbers, to_plain
from tools.settings import repository

METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
    "language_info": {"name": "python"},
}
SETUP_TAG = "setup"
_NUMBERS = re.compile(r"\[\s+(?:-?[\d.eE+-]+,\s+)*-?[\d.eE+-]+\s+\]")  # a list of numbers goes on one line


def setup_source(root: Path = ROOT) -> str:
    """Source of the set-up cell: on Colab it installs, without dependencies, only what Colab lacks."""
    pins = " ".join(f'"{pin}"' for pin in colab_pins(root))
    return (
        "# Set-up: on Colab this installs what Colab lacks (no NumPy, no OpenCV); elsewhere it only checks.\n"
        "import importlib.util\n"
        "import sys\n"
        "\n"
        'if "google.colab" in sys.modules:\n'
        f'    %pip install -q --no-deps {pins} "medcourse @ {repository(root).archive}"\n'
        'elif importlib.util.find_spec("medcourse") is None:\n'
        '    raise ModuleNotFoundError("medcourse is not installed in this kernel: start JupyterLab by `make lab`")'
    )


def colab_pins(root: Path = ROOT) -> list[str]:
    """What the set-up cell installs on Colab, at the locked versions."""
    names = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["course"]["colab-lacks"]
    lock = (root / "requirements" / "all.txt").read_text("utf-8")
    pins = []
    for name in names:
        match = re.search(rf"^{re.escape(name)}==[^\s;]+", lock, re.M)
        if match is None:
            raise PageError(f"pyproject.toml: colab-lacks names {name}, which requirements/all.txt does not hold")
        pins.append(match.group(0))
    return pins


def setup_cell(root: Path = ROOT) -> NotebookNode:
    """The set-up cell, folded, the same in every notebook."""
    metadata = {"tags": [SETUP_TAG], "jupyter": {"source_hidden": True}, "cellView": "form"}
    return _cell("code", setup_source(root), metadata)


def _cell(kind: str, source: str, metadata: dict[str, Any]) -> NotebookNode:
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    cell: NotebookNode = make(source=source, metadata=metadata)  # type: ignore[no-untyped-call]
    return cell


@cache
def _bibliography(path: Path, _mtime_ns: int) -> BibliographyData:
    return parse_file(str(path), "bibtex")


def _citer(page: Page, root: Path, site: str) -> Any:
    path = root / "book" / "references.bib"
    data = _bibliography(path, path.stat().st_mtime_ns) if path.exists() else BibliographyData()

    def cite(keys: str, textual: bool) -> str:
        done = []
        for key in (part.strip() for part in keys.split(",")):
            if key not in data.entries:
                raise PageError(f"{page.name}: cites {key}, which book/references.bib does not hold")
            entry = data.entries[key]
            names = [" ".join(person.last_names).strip("{}") for person in entry.persons.get("author", [])]
            first = (names or [entry.fields.get("title", key)])[0]
            who = re.sub(r"[{}\\]", "", first + (" et al." if len(names) > 2 else ""))
            who = f"{who} and {names[1]}" if len(names) == 2 else who
            year = entry.fields.get("year", "n.d.")
            link = f"{site}/bibliography.html"
            done.append(f"{who} ([{year}]({link}))" if textual else f"[{who}, {year}]({link})")
        return "; ".join(done) if textual else f"({'; '.join(done)})"

    return cite


def derive(page: Page, pages: list[Page], root: Path = ROOT) -> NotebookNode:
    """The page's notebook, without outputs."""
    repo = repository(root)
    whole = with_inserts(page, pages)
    equations = equation_numbers([cell.source for cell in whole.cells if cell.kind == "markdown"])
    context = Context(page.name, repo.site, _citer(page, root, repo.site), equations)
    cells: list[NotebookNode] = []
    set_up = False
    for cell in whole.cells:
        if cell.kind == "code":
            if not set_up:
                cells.append(setup_cell(root))
                set_up = True
            metadata = dict(cell.metadata)
            if context.in_solution or "hide-input" in cell.tags:
                metadata["jupyter"] = {"source_hidden": True}
            cells.append(_cell("code", cell.source, metadata))
            continue
        text = to_plain(cell.source, context)
        if text:
            cells.append(_cell("markdown", text, dict(cell.metadata)))
    if context.in_solution:
        raise PageError(f"{page.name}: a solution-start is never closed by solution-end")
    if cells and cells[0].cell_type == "markdown":
        links = (
            f"[Read this page on the site]({repo.site}/{page.name}.html) · [Open it in Colab]({repo.colab(page.name)})"
        )
        head, _, rest = cells[0].source.partition("\n")
        cells[0].source = f"{head}\n\n{links}\n{rest}"
    for i, made in enumerate(cells):
        made["id"] = f"cell-{i:03d}"
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook


def keep_outputs(notebook: NotebookNode, stored: NotebookNode) -> NotebookNode:
    """Give the notebook's code cells the stored outputs of cells with the same source, in order."""
    code = [c for c in stored.cells if c.cell_type == "code" and SETUP_TAG not in c.metadata.get("tags", [])]
    position = 0
    for cell in notebook.cells:
        if cell.cell_type != "code" or SETUP_TAG in cell.metadata.get("tags", []):
            if cell.cell_type == "code":
                cell.execution_count = 1 if any(c.execution_count for c in code) else None
            continue
        for j in range(position, len(code)):
            if code[j].source == cell.source:
                cell.outputs, cell.execution_count = code[j].outputs, code[j].execution_count
                position = j + 1
                break
    return notebook


def text_of(notebook: NotebookNode) -> str:
    """The notebook as it is stored."""
    text: str = nbformat.writes(notebook, indent=1, ensure_ascii=False)
    return _NUMBERS.sub(lambda match: re.sub(r"\s+", "", match.group(0)).replace(",", ", "), text) + "\n"


def read_notebook(path: Path) -> NotebookNode:
    """A stored notebook; a file that is none is a PageError."""
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise PageError(f"{path.name}: no notebook; run `make notebooks`") from None
    except Exception as error:  # nbformat raises many kinds
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PageError(f"{path.name}: not a notebook ({line}); delete it and run `make notebooks`") from None
    return notebook


def write_aside(path: Path, text: str) -> bool:
    """Write a file whole or not at all, and only when its content changes; True if it was written."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    aside = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, "utf-8")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise PageError(
            f"{path.name}: cannot be written ({error.strerror}); free some disk space, then repeat"
        ) from None
    return True


def derived_elsewhere(page: Page) -> bool:
    """The lab's notebook is the released assignment, which tools.assignments makes."""
    return page.path.stem == "lab"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", help="section number (3-1-1) or part of a path; all pages without it")
    parser.add_argument("--check", action="store_true", help="write nothing; name the notebooks that do not follow")
    arguments = parser.parse_args()
    try:
        pages = all_pages()
        behind = 0
        for page in find_pages(arguments.page):
            if derived_elsewhere(page):
                continue
            path = notebook_path(page)
            notebook = derive(page, pages)
            if path.exists():
                keep_outputs(notebook, read_notebook(path))
            if arguments.check:
                if not path.exists() or path.read_text("utf-8") != text_of(notebook):
                    behind += 1
                    print(f"{page.name}: the notebook does not follow from the page; run `make notebooks`")
            elif write_aside(path, text_of(notebook)):
                print(f"derived {path.relative_to(ROOT)}")
        return 1 if behind else 0
    except PageError as error:
        print(f"derive: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())

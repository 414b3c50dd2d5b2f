"""No solution reaches the students' site: canaries planted in a copy of the book, looked for in every built file."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tools.page import ROOT, read_page
from tools.site import build

WORD = "zqcanary"
FENCE = re.compile(r"^\s*(?:`{3,}|:{3,})\s*\{([\w-]+)\}")


class Planter:
    """Numbers canaries, so that each is looked for by itself."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def new(self, where: str) -> str:
        name = f"{WORD}x{len(self.planted):04d}x"
        self.planted[name] = where
        return name


def _after_options(lines: list[str], i: int) -> int:
    """The line after a directive's options; `i` is the line of its fence."""
    i += 1
    if i < len(lines) and lines[i].strip() == "---":
        i += 1
        while lines[i].strip() != "---":
            i += 1
        return i + 1
    while i < len(lines) and re.match(r"^\s*:[\w-]+:", lines[i]):
        i += 1
    return i


def plant(path: Path, planter: Planter) -> None:
    """A canary in each solution's text and code, each teaching note, each solution region and model answer."""
    lines = path.read_text("utf-8").split("\n")
    out: list[str] = []
    gate, i = False, 0
    name = path.as_posix()
    model_answer = False
    while i < len(lines):
        line = lines[i]
        match = FENCE.match(line)
        kind = match[1] if match else ""
        end = _after_options(lines, i) if kind else i + 1
        block = lines[i:end]
        note = any("teaching-note" in option for option in block[1:])
        out += block
        if kind == "solution-start":
            out += [lines[end], "", planter.new(f"{name}: text of a gated solution"), ""]  # its closing fence first
            gate, end = True, end + 1
        elif kind == "solution-end":
            gate = False
        elif kind == "solution" or note:
            out += ["", planter.new(f"{name}: {'teaching note' if note else 'plain solution'}"), ""]
        elif kind == "code-cell" and gate:
            out.append(f"# {planter.new(f'{name}: code of a solution')}")
        elif re.match(r"^\s*### BEGIN (SOLUTION|HIDDEN TESTS)", line):
            out.append(re.match(r"^\s*", line)[0] + f"# {planter.new(f'{name}: lab region')}")  # type: ignore[index]
        elif line.startswith("+++") and '"solution": true' in line:
            model_answer = True
        elif model_answer and line.strip():
            out.append(planter.new(f"{name}: model answer"))
            model_answer = False
        i = end
    path.write_text("\n".join(out), "utf-8")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Planter]:
    root = tmp_path_factory.mktemp("canary")
    for name in ("book", "data", "notebooks"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, root / name)
    planter = Planter()
    for path in sorted((root / "book").rglob("*.md")):
        plant(path, planter)
        page = read_page(path, root)
        notebook = root / "notebooks" / f"{page.name}.ipynb"
        if not page.executable or path.stem == "lab":
            continue
        stored = json.loads(notebook.read_text("utf-8"))
        code = [c for c in stored["cells"] if c["cell_type"] == "code" and "setup" not in c["metadata"].get("tags", [])]
        own = [cell for cell in page.cells if cell.kind == "code"]
        for theirs, ours in zip(code, own, strict=True):
            theirs["source"] = ours.source
            if WORD in ours.source:
                said = planter.new(f"{page.name}: output of a solution")
                theirs["outputs"] = [{"output_type": "stream", "name": "stdout", "text": f"{said}\n"}]
        notebook.write_text(json.dumps(stored), "utf-8")
    return root, planter


def found(site: Path) -> dict[str, str]:
    """Canaries in any file of the site, whatever its kind, and where."""
    hits: dict[str, str] = {}
    for path in site.rglob("*"):
        if path.is_file():
            for hit in re.findall(rf"{WORD}(?:x\d{{4}}x)?".encode(), path.read_bytes().lower()):
                hits.setdefault(hit.decode(), path.relative_to(site).as_posix())
    return hits


def test_canaries_stand_in_every_kind_of_place(planted: tuple[Path, Planter]) -> None:
    kinds = {where.split(": ", 1)[1] for where in planted[1].planted.values()}
    assert kinds >= {
        "text of a gated solution",
        "code of a solution",
        "output of a solution",
        "teaching note",
        "lab region",
        "model answer",
    }


def test_students_site_holds_no_canary(planted: tuple[Path, Planter]) -> None:
    root, planter = planted
    hits = found(build("student", root))
    assert not {f"{planter.planted.get(name, name)} in {where}" for name, where in hits.items()}


def test_instructors_site_holds_every_canary(planted: tuple[Path, Planter]) -> None:
    root, planter = planted
    hits = found(build("instructor", root))
    missing = {where for name, where in planter.planted.items() if name not in hits}
    assert not missing

"""What holds for the whole package: it is light, documented, its examples run, and its floors are kept."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "medcourse").rglob("*.py"))
}
HEAVY = ("tensorflow", "keras", "torch", "jax", "matplotlib", "pandas", "numpy", "sklearn", "skimage", "pydicom")


def public_functions() -> dict[str, ast.FunctionDef]:
    """Functions that a page may import: public names at the top of public modules."""
    return {
        f"{module}.{node.name}": node
        for module, path in MODULES.items()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if not any(part.startswith("_") for part in module.split("."))
    }


def sections(docstring: str) -> dict[str, str]:
    """Split a NumPy-style docstring at its underlined headings."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", docstring, flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def faults(function: ast.FunctionDef) -> list[str]:
    """What a function's docstring owes its reader."""
    docstring = ast.get_docstring(function)
    if not docstring:
        return ["no docstring"]
    parts, found = sections(docstring), []
    arguments = function.args
    described = re.findall(r"^([\w*, ]+?)(?: : .*)?$", parts.get("Parameters", ""), flags=re.MULTILINE)
    known = {name.strip("* ") for line in described for name in line.split(",")}
    found += [
        f"parameter {argument.arg} is not described"
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        if argument.arg not in known
    ]
    if (
        function.returns is not None
        and ast.unparse(function.returns) != "None"
        and not parts.get("Returns", "").strip()
    ):
        found.append("no Returns")
    if any(isinstance(node, ast.Raise) for node in ast.walk(function)) and not parts.get("Raises", "").strip():
        found.append("raises, but has no Raises")
    if "Taught in: " not in docstring:
        found.append("no 'Taught in: '")
    if ">>> " not in parts.get("Examples", ""):
        found.append("no example")
    return found


def python(code: str, *options: str) -> str:
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_import_is_light() -> None:
    loaded = json.loads(python("import medcourse, sys, json; print(json.dumps(sorted(sys.modules)))"))
    assert "medcourse" in loaded
    assert not [name for name in HEAVY if name in loaded]


def test_import_takes_less_than_three_tenths_of_a_second() -> None:
    def seconds(code: str) -> float:
        start = time.perf_counter()
        python(code)
        return time.perf_counter() - start

    extra = min(seconds("import medcourse") - seconds("pass") for _ in range(3))
    assert extra < 0.3


def test_figures_load_their_libraries_only_when_they_draw() -> None:
    loaded = json.loads(python("import medcourse.figures, sys, json; print(json.dumps(sorted(sys.modules)))"))
    assert not [name for name in ("matplotlib", "plotly", "tensorflow", "IPython") if name in loaded]


@pytest.mark.parametrize("name", public_functions())
def test_function_is_documented(name: str) -> None:
    assert faults(public_functions()[name]) == []


def pages() -> dict[str, str]:
    """Titles of the numbered pages that stand, by section."""
    headings = [
        re.search(r"^# (\d+(?:\.\d+)+) (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for path in (ROOT / "book").rglob("[0-9]*-[0-9]*.md")
    ]
    return {found[1]: found[2].strip() for found in headings if found}


def wrong_titles(docstring: str, titles: dict[str, str]) -> list[str]:
    """Pages that a docstring names by another title than they bear; pages still to come are let be."""
    named = re.search(r"Taught in: ([^.]*(?:\.\d[^.]*)*)", " ".join(docstring.split()))
    references = re.findall(r"(\d+(?:\.\d+)+) (.+?)(?= and \d|, \d|$)", named[1]) if named else []
    return [f"{number} {title}" for number, title in references if titles.get(number, title) != title]


@pytest.mark.parametrize("name", public_functions())
def test_docstring_names_the_page_by_its_title(name: str) -> None:
    assert wrong_titles(ast.get_docstring(public_functions()[name]) or "", pages()) == []


def test_a_wrong_title_is_found() -> None:
    titles = {"1.4.1": "X-ray and CT", "3.1.1": "Histogram equalisation"}
    assert wrong_titles("Taught in: 1.4.1 X-ray and CT. More of it.", titles) == []
    text = "Taught in: 2.7 Measuring a test and 1.4.1 Röntgen and CT, 3.1.1 Histogram\nequalisation."
    assert wrong_titles(text, titles) == ["1.4.1 Röntgen and CT"]


def test_public_functions_are_found() -> None:
    assert {
        "medcourse.data.dicom.read",
        "medcourse.data.samples.ct",
        "medcourse.data.splits.split_patients",
        "medcourse.figures.show",
    } <= set(public_functions())


def test_a_poor_docstring_is_found() -> None:
    source = (
        'def poor(a, *, b=1) -> int:\n    """Do it.\n\n    Parameters\n    ----------\n    a\n        A.\n    """\n'
    )
    (poor,) = ast.parse(source + "    raise ValueError\n").body
    assert isinstance(poor, ast.FunctionDef)
    assert faults(poor) == [
        "parameter b is not described",
        "no Returns",
        "raises, but has no Raises",
        "no 'Taught in: '",
        "no example",
    ]


@pytest.mark.parametrize("module", MODULES)
def test_module_says_what_it_is_for(module: str) -> None:
    docstring = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    assert docstring
    assert len(docstring.split()) >= 5


@pytest.mark.parametrize("module", MODULES)
def test_module_fits_on_a_few_screens(module: str) -> None:
    lines = MODULES[module].read_text(encoding="utf-8").count("\n")
    assert lines <= 400


@pytest.mark.parametrize("module", [name for name in MODULES if ">>> " in MODULES[name].read_text(encoding="utf-8")])
def test_examples_run(module: str) -> None:
    with mpl.rc_context({"backend": "agg"}):
        result = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(config_filename='pyproject.toml', no_cache=True))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder)


def test_floors_are_kept() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("name", "line", "contract"),
    [
        ("data/upward.py", "from medcourse import figures", "Each floor imports only from those before it"),
        ("data/heavy.py", "import keras", "Data does without deep learning and plotting"),
        ("cellar.py", "import math", "Each floor imports only from those before it"),  # a module on no floor
    ],
)
def test_a_broken_floor_is_found(tmp_path: Path, name: str, line: str, contract: str) -> None:
    shutil.copytree(ROOT / "medcourse", tmp_path / "medcourse", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "medcourse" / name).write_text(f'"""Breaks a rule."""\n{line}\n')
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in result.stdout

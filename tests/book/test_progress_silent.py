"""Notebooks are executed, stored and checked without progress bars, whoever's code draws them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat

from tools.execute import execute

ROOT = Path(__file__).resolve().parents[2]
ASKS = "from medcourse.data._progress import _in_kernel, is_shown\nprint(_in_kernel(), is_shown(None))"


def notebook(output: str) -> nbformat.NotebookNode:
    stream = nbformat.v4.new_output("stream", name="stdout", text=output)
    cell = nbformat.v4.new_code_cell(ASKS, id="asks", execution_count=1, outputs=[stream])
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})


def test_executed_notebooks_show_no_bar() -> None:
    before = dict(os.environ)
    try:
        answer = execute(str(ROOT), nbformat.writes(notebook("")), None)
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert "error" not in answer, answer
    (cell,) = nbformat.reads(answer["notebook"], as_version=4).cells
    assert cell.outputs[0].text == "True False\n", "it is a kernel, and yet no bar"


def test_checked_notebooks_show_no_bar(tmp_path: Path) -> None:
    path = tmp_path / "asks.ipynb"
    nbformat.write(notebook("True False\n"), path)
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "-p", "tools.nbcheck", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", "--color=no", str(path)]
    environment = {name: value for name, value in os.environ.items() if name != "MEDCOURSE_PROGRESS"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

"""The output check: nbval runs every notebook, this plugin decides what "the same output" means.

    pytest --nbval -p tools.nbcheck notebooks -n 2 --dist loadfile

Plain nbval compares text exactly and skips pictures. Here numbers compare within the cell's stated tolerance and
pictures by what is seen (tools.compare); outputs are left out only for a reason given in the cell's metadata.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbval.plugin
import pytest

from tools.compare import Tolerance, differences
from tools.real import absent, remedy


def compare_outputs(self: Any, test: Any, ref: Any, skip_compare: Any = None) -> bool:  # noqa: ARG001
    """In place of nbval's method: the fresh outputs of a cell must agree with the stored ones."""
    found = differences(ref, test, Tolerance.of(self.cell.metadata))
    self.comparison_traceback = [f"  {line}" for line in found]
    return not found


def pytest_configure(config: pytest.Config) -> None:
    """Run kernels with the repository's IPython profile, and check cells as above."""
    os.environ["IPYTHONDIR"] = str(Path(__file__).parent / "ipython")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ["MEDCOURSE_PROGRESS"] = "0"  # no bar in a stored output
    nbval.plugin.IPyNbCell.compare_outputs = compare_outputs
    config.addinivalue_line("filterwarnings", "ignore::pytest.PytestDeprecationWarning:nbval")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out cells whose public sets are not on this machine, each with its reason."""
    for item in items:
        if isinstance(item, nbval.plugin.IPyNbCell) and (names := absent(item.cell.metadata)):
            item.add_marker(pytest.mark.skip(reason=f"{remedy(names)}"))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """A released lab holds unsolved tasks: tests/book/test_lab.py grades it instead."""
    return True if collection_path.name == "lab.ipynb" else None

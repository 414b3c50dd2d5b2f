"""Execute one notebook in a process of its own: ``python -m tools.execute < request > answer`` (JSON both ways).

The request names the folder to run in and the notebook's JSON, with a seed to inject or none. The answer holds the
executed notebook, seconds, peak memory, the medcourse modules and the distributions that the page really imported;
or one line saying what went wrong. Cells tagged `real` whose sets are not here keep the outputs that came with them.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from tools.real import absent

CELL_TIMEOUT_S = 600
_PROBE = """
import json as _json, sys as _sys
from importlib.metadata import packages_distributions as _pd, version as _version
_names = {name.partition(".")[0] for name in list(_sys.modules)}
_found = {}
for _name, _dists in _pd().items():
    if _name in _names:
        for _dist in _dists:
            try:
                _found[_dist.lower()] = _version(_dist)
            except Exception:
                pass
print(_json.dumps({"modules": sorted(n for n in _sys.modules if n.partition(".")[0] == "medcourse"),
                   "distributions": dict(sorted(_found.items()))}))
"""


def execute(folder: str, notebook_text: str, seed: int | None, kernel: str = "python3") -> dict[str, Any]:
    """Run the notebook; never raises for what a page can do wrong."""
    notebook = nbformat.reads(notebook_text, as_version=4)
    if seed is not None:
        from papermill.parameterize import parameterize_notebook

        notebook.metadata.papermill = {}  # what papermill lays out when it reads a file
        for cell in notebook.cells:
            cell.metadata.setdefault("tags", [])
        notebook = parameterize_notebook(notebook, {"SEED": seed}, report_mode=False)
    aside = {cell["id"]: dict(cell) for cell in notebook.cells if cell.cell_type == "code" and absent(cell.metadata)}
    for cell in notebook.cells:
        if cell["id"] in aside:
            cell.source = ""  # what is empty is not run; the stored outputs come back below
    probe = nbformat.v4.new_code_cell(_PROBE, id="probe")
    notebook.cells.append(probe)
    os.environ["IPYTHONDIR"] = str(Path(__file__).parent / "ipython")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ["MEDCOURSE_PROGRESS"] = "0"  # no bar in a stored output
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name=kernel,
        resources={"metadata": {"path": folder}},
        record_timing=False,
    )
    began = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        try:
            client.execute(stderr=log)
        except CellExecutionError as error:
            position = _failed_cell(notebook)
            return {"error": f"cell {position}: {error.ename}: {_line(error.evalue)}", "traceback": error.traceback}
        except CellTimeoutError:
            return {"error": f"a cell ran longer than {CELL_TIMEOUT_S} s; make its quick size smaller"}
        except DeadKernelError:
            log.seek(0)
            tail = log.read().decode(errors="replace").strip().splitlines()[-1:]
            return {"error": f"the kernel died (out of memory?) {' '.join(tail)}".rstrip()}
    seconds = time.perf_counter() - began
    imported = json.loads(
        "".join(out["text"] for out in notebook.cells.pop().outputs if out["output_type"] == "stream")
    )
    for cell in notebook.cells:
        cell.update(aside.get(cell["id"], {}))
    never = {name: None for cell in aside.values() if not cell["execution_count"] for name in absent(cell["metadata"])}
    return {
        "notebook": nbformat.writes(notebook),
        "seconds": round(seconds, 1),
        "memory_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "never_run_for_want_of": list(never),
        **imported,
    }


def _failed_cell(notebook: Any) -> str:
    for i, cell in enumerate(notebook.cells):
        if any(out["output_type"] == "error" for out in cell.get("outputs", [])):
            first = next((line for line in cell.source.splitlines() if line.strip()), "")
            return f"{i} ({first.strip()[:60]!r})"
    return "?"


def _line(text: str) -> str:
    return " ".join(str(text).split())[:300]


def main() -> int:
    warnings.filterwarnings("ignore")
    request = json.load(sys.stdin)
    try:
        answer = execute(**request)
    except OSError as error:
        answer = {"error": f"{error.strerror or error}; free some disk space or memory, then repeat"}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

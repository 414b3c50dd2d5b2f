"""Learning curves of page 5.1.2: features and network against the number of patients, seeds 0 to 5.

Runs the functions of the page itself (its code cells that only import and define), so what is drawn there is
what was measured. Usage, from the project's root, about twenty minutes on two cores::

    python benchmarks/learning_curve.py            # all seeds, all sizes
    python benchmarks/learning_curve.py --seeds 1 --sizes 30 60

Seeds already in the result file are kept unless named; the file is written after every seed.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "05-deep-learning" / "5-1-2-classification.md"
RESULT = ROOT / "benchmarks" / "results" / "learning_curve_5_1_2.json"
SIZES = (30, 60, 120, 240, 480)


def page_functions() -> dict[str, Any]:
    """Import and define what the page imports and defines, and run nothing else of it."""
    space: dict[str, Any] = {"SEED": 0}
    for cell in re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M):
        code = re.sub(r"\A---\n.*?\n---\n|\A(?::[^\n]*\n)+", "", cell, flags=re.S)
        if all(_only_defines(statement) for statement in ast.parse(code).body):
            exec(compile(code, str(PAGE), "exec"), space)  # noqa: S102 - this project's own page
    return space


def _only_defines(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Assign) and not any(isinstance(n, ast.Call) for n in ast.walk(statement))
    return constant or isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(6)))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--normalisations", nargs="*", default=["group", "none"], help="compared at the largest size")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    page = page_functions()
    result = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {"seeds": {}}
    for seed in arguments.seeds:
        measured = page["learning_curve"](seed, arguments.sizes)
        measured["normalisation"] = {
            kind: page["learning_curve"](seed, [max(arguments.sizes)], normalisation=kind)["network"]
            for kind in arguments.normalisations
        }
        result["seeds"][str(seed)] = measured
        result["machine"] = {
            "processor": platform.machine(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        }
        result["versions"] = {name: version(name) for name in ("numpy", "scikit-learn", "keras", "tensorflow")}
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        aside = RESULT.with_suffix(".part")
        aside.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        aside.replace(RESULT)
        print(seed, measured, flush=True)


if __name__ == "__main__":
    main()

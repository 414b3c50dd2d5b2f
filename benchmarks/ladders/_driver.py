"""Measure the observer ladders: what each phantom's task is worth before any network is trained on it.

Usage, from the project's root (an hour or two on two cores; goes on where it was interrupted)::

    python -m benchmarks.ladders                       # all tasks
    python -m benchmarks.ladders mammogram_mass        # one task, the others' results are kept
    python -m benchmarks.ladders --patients 200 --out /tmp/try.json

For each task, at no, easy, medium and hard difficulty, observers judge 2,000 patients (seed 2000): `contrast` and
`ceiling` as they are, `features` by a logistic regression trained on 2,000 other patients (seed 1000). `chance` is
`features` where there is nothing to see. What was drawn is kept in _build/ladders, and drawn anew only where the code
of the ladder or of the phantom has changed. Frozen before networks are trained: do not tune a phantom by its result.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import inspect
import json
import pkgutil
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks import ladders
from benchmarks.ladders import Observed
from medcourse.evaluation.classification import auc, auc_clustered, auc_difference
from tools.page import ROOT
from tools.run import machine

RESULT = ROOT / "benchmarks" / "results" / "ladders.json"
KEPT = ROOT / "_build" / "ladders"
PATIENTS = 2000
SEEDS = {"train": 1000, "test": 2000}
DIFFICULTIES: dict[str, str | float] = {"0": 0.0, "easy": "easy", "medium": "medium", "hard": "hard"}
VERSIONS = ("medcourse", "numpy", "scipy", "scikit-learn", "opencv-python-headless")

Model = dict[str, Any]
Rungs = dict[str, dict[str, Any]]


def tasks() -> list[str]:
    """Names of the modules in benchmarks/ladders that observe a task."""
    return sorted(module.name for module in pkgutil.iter_modules(ladders.__path__) if not module.name.startswith("_"))


def observe(task: str, *, n: int, seed: int, difficulty: str | float, first: int = 0, **options: bool) -> Observed:
    """Let the observers of a task judge patients, and check what they say."""
    module = importlib.import_module(f"benchmarks.ladders.{task}")
    with threadpool_limits(1):  # one core for each process; and on a busy machine, many threads are slower than one
        seen: Observed = module.observe(n=n, first=first, seed=seed, difficulty=difficulty, **options)
    rows, columns = seen.features.shape
    assert set(np.unique(seen.label)) <= {0, 1}, task
    assert len(seen.names) == columns, task
    assert {len(seen.label), len(seen.patient), len(seen.contrast), len(seen.ceiling)} == {rows}, task
    assert np.isfinite(seen.contrast).all(), task
    assert np.isfinite(seen.ceiling).all(), task
    for name, column in zip(seen.names, seen.features.T, strict=True):
        assert np.isfinite(column).all(), f"{task}: feature {name} is not finite"
    return seen


def without_slow_ceiling(task: str) -> dict[str, bool]:
    """The option that leaves the ceiling out, of a ladder that takes it because its ceiling takes long."""
    takes = inspect.signature(importlib.import_module(f"benchmarks.ladders.{task}").observe).parameters
    return {"ceiling": False} if "ceiling" in takes else {}


def train(seen: Observed) -> Model:
    """Logistic regression on standardised features, as plain numbers."""
    scaler = StandardScaler().fit(seen.features)
    fitted = LogisticRegression(C=1.0, max_iter=5000).fit(scaler.transform(seen.features), seen.label)
    weights = fitted.coef_[0] / scaler.scale_
    return {"names": seen.names, "weights": weights.tolist(), "intercept": float(fitted.intercept_[0])}


def apply(model: Model, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score of each row; only its order counts."""
    score: NDArray[np.float64] = features @ np.array(model["weights"])
    return score


def scores_of(seen: Observed, model: Model) -> dict[str, NDArray[np.float64]]:
    """Scores of every observer who says anything, the lowest rung first."""
    scores = {"contrast": seen.contrast, "features": apply(model, seen.features), "ceiling": seen.ceiling}
    return {name: score for name, score in scores.items() if np.ptp(score) > 0}


def measure(seen: Observed, model: Model) -> Rungs:
    """AUC of every observer with its 95 % interval, which respects that a patient has several images."""
    return {name: interval(seen.label, score, seen.patient) for name, score in scores_of(seen, model).items()}


def steps(seen: Observed, model: Model) -> Rungs:
    """How much each rung is above the one below, on the same images: difference of the AUCs with its interval."""
    found = {}
    for (low, below), (high, above) in pairwise(scores_of(seen, model).items()):
        step = auc_difference(seen.label, above, below, seen.patient)
        found[f"{high} over {low}"] = {"difference": step.difference, "low": step.low, "high": step.high}
    return found


def interval(label: NDArray[Any], score: NDArray[Any], patient: NDArray[Any]) -> dict[str, Any]:
    """AUC, its interval and standard error; where the classes are apart, what so many patients can vouch for."""
    counts = {"patients": len(np.unique(patient)), "positive": int(label.sum()), "negative": int((1 - label).sum())}
    if auc(label, score) < 1:
        found = auc_clustered(label, score, patient)
        return {"auc": found.estimate, "low": found.low, "high": found.high, "se": found.standard_error, **counts}
    fewest = min(len(np.unique(patient[label == k])) for k in (0, 1))
    # Had a patient of the smaller class a chance p to overlap the other, none of them would with (1 - p)^n = 0.025.
    return {"auc": 1.0, "low": 0.025 ** (1 / fewest), "high": 1.0, "se": 0.0, **counts}


@cache
def fingerprint(task: str) -> str:
    """Digest of the code that draws and judges a task: its module and all of this project that it imports."""
    found: dict[str, str] = {}
    waiting = [f"benchmarks.ladders.{task}"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        module = importlib.import_module(name)
        tree = ast.parse(inspect.getsource(module))
        if not (module.__file__ or "").endswith("__init__.py"):
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
                    "benchmarks",
                    "medcourse",
                ):
                    waiting += [_home(str(node.module), alias.name) for alias in node.names]
        found[name] = ast.dump(_without_docstrings(tree))
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()[:16]


def _home(module: str, name: str) -> str:
    """The module in which something is written, which packages only pass on."""
    item = getattr(importlib.import_module(module), name)
    return str(item.__name__ if inspect.ismodule(item) else getattr(item, "__module__", None) or module)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _draw(task: str, n: int, seed: int, difficulty: str, target: Path) -> float:
    """In a process of its own: observe and keep. Returns the seconds."""
    began = time.perf_counter()
    options = without_slow_ceiling(task) if seed == SEEDS["train"] else {}  # the ceiling is not trained
    seen = observe(task, n=n, seed=seed, difficulty=DIFFICULTIES[difficulty], **options)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_suffix(".new.npz")
    np.savez(aside, **{**seen._asdict(), "names": np.array(seen.names)})
    aside.replace(target)
    return time.perf_counter() - began


def _load(path: Path) -> Observed:
    with np.load(path) as kept:
        seen = {name: kept[name] for name in kept.files}
    return Observed(**{**seen, "names": seen["names"].tolist()})


def run(names: list[str], *, n: int = PATIENTS, out: Path = RESULT, kept: Path = KEPT, jobs: int = 2) -> dict[str, Any]:
    """Measure the named tasks and put them among those in `out`, one by one as they become whole."""
    paths = {
        (task, level, part): kept / f"{task}-{level}-{part}-{n}-{fingerprint(task)}.npz"
        for task in names
        for level in DIFFICULTIES
        for part in SEEDS
    }
    missing = [key for key, path in paths.items() if not path.exists()]
    waiting = {task: sum(key[0] == task for key in missing) for task in names}
    for task in [task for task, count in waiting.items() if count == 0]:
        _put(task, paths, n=n, out=out)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        work: dict[Future[float], tuple[str, str, str]] = {
            pool.submit(_draw, task, n, SEEDS[part], level, paths[task, level, part]): (task, level, part)
            for task, level, part in missing
        }
        try:
            for k, done in enumerate(as_completed(work), start=1):
                task, level, part = work[done]
                print(f"  [{k}/{len(work)}] {task}, difficulty {level}, {part}: {done.result():.0f} s", flush=True)
                waiting[task] -= 1
                if waiting[task] == 0:
                    _put(task, paths, n=n, out=out)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    result: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return result


def _put(task: str, paths: dict[tuple[str, str, str], Path], *, n: int, out: Path) -> None:
    """Train, measure and write one task's entry."""
    models = {level: train(_load(paths[task, level, "train"])) for level in DIFFICULTIES}
    tests = {level: _load(paths[task, level, "test"]) for level in DIFFICULTIES}
    rungs = {level: measure(tests[level], models[level]) for level in DIFFICULTIES}
    entry = {
        "patients": dict.fromkeys(SEEDS, n),
        "seeds": SEEDS,
        "code": fingerprint(task),
        "machine": machine(),
        "versions": {name: version(name) for name in VERSIONS},
        "chance": rungs["0"]["features"],
        "rungs": rungs,
        "steps": {level: steps(tests[level], models[level]) for level in DIFFICULTIES if level != "0"},
        "models": models,
    }
    result = json.loads(out.read_text("utf-8")) if out.exists() else {"tasks": {}}
    result["tasks"] = dict(sorted({**result["tasks"], task: entry}.items()))
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_suffix(".json.new")
    aside.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    aside.replace(out)
    print(f"{task}\n{table(entry)}", flush=True)


def table(entry: dict[str, Any]) -> str:
    """The ladder of a task in plain text."""
    lines = [f"  chance   {_shown(entry['chance'])}"]
    for rung in ("contrast", "features", "ceiling"):
        cells = [f"{level} {_shown(entry['rungs'][level][rung])}" for level in ("easy", "medium", "hard")]
        lines.append(f"  {rung:<9}" + "  ".join(cells))
    return "\n".join(lines)


def _shown(found: dict[str, Any]) -> str:
    return f"{found['auc']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="*", help=f"any of {', '.join(tasks())}; all without")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="to train on, and as many to test on")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=RESULT, help="result file")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.task) - set(tasks())
    if unknown:
        print(f"ladders: {', '.join(sorted(unknown))} is no task; choose of {', '.join(tasks())}", file=sys.stderr)
        return 1
    if chosen.patients != PATIENTS and chosen.out == RESULT:
        print(f"ladders: the stored ladders have {PATIENTS} patients; give --out for a trial", file=sys.stderr)
        return 1
    run(chosen.task or tasks(), n=chosen.patients, out=chosen.out, jobs=chosen.jobs)
    return 0

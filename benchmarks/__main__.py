"""Measure the course: `make bench` (all), or `make bench MEASURE='light rebuild'` for some.

Prints each figure beside its target and keeps the last result, with machine and versions, in
benchmarks/results/foundation.json (of the data: data.json, ladders.json; of the features: features.json). Nothing here
is a test: a slow machine fails no check.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import data
from tools.page import ROOT, all_pages
from tools.run import machine, read_record

RESULT = ROOT / "benchmarks" / "results" / "foundation.json"
VERSIONS = (
    "jupyter-book", "sphinx", "numpy", "scipy", "pywavelets", "scikit-image", "scikit-learn", "tensorflow", "keras",
)  # fmt: skip


def seconds(command: list[str], folder: Path, **environment: str) -> float:
    """Wall time of a command that must succeed."""
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return time.perf_counter() - began


def clone() -> dict[str, Any]:
    """Clean clone to site, environment included, in an empty home (so that no package cache helps)."""
    with tempfile.TemporaryDirectory() as folder:
        home, copy = Path(folder) / "home", Path(folder) / "course"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
        python = getattr(sys, "_base_executable", sys.executable)
        took = seconds(
            ["make", "book", f"PYTHON={python}"], copy, HOME=str(home), VENV=".venv", XDG_CACHE_HOME=str(home / "cache")
        )
        size = sum(p.stat().st_size for p in (copy / ".venv").rglob("*") if p.is_file() and not p.is_symlink())
    return {"clean_clone_to_site_s": round(took, 1), "site_environment_mb": round(size / 1e6)}


def _copy(folder: str) -> Path:
    """A copy of the working tree, free to be changed."""
    ignore = shutil.ignore_patterns(".venv*", ".git", "_build", "*cache*")
    return Path(shutil.copytree(ROOT, Path(folder) / "course", ignore=ignore))


def rebuild() -> dict[str, Any]:
    """Rebuild after a one-line change of one page's text, in a copy; and a build that has nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy(folder)
        build = [sys.executable, "-m", "tools.site"]
        environment = {"COURSE_ROOT": str(copy)}
        first = seconds(build, ROOT, **environment)
        page = next((copy / "book").rglob("3-1-1-*.md"))
        times = []
        for i in range(3):
            text = page.read_text("utf-8")
            page.write_text(
                text.replace("## The question", f"One more sentence, the {i}th.\n\n## The question", 1), "utf-8"
            )
            began = time.perf_counter()
            seconds([sys.executable, "-m", "tools.derive", "--page", "3-1-1"], ROOT, **environment)
            seconds(build, ROOT, **environment)
            times.append(time.perf_counter() - began)
    return {"full_build_s": round(first, 1), "one_page_rebuild_s": round(statistics.median(times), 1)}


def pages() -> dict[str, Any]:
    """Run every page, cold, one after the other, and read the record."""
    seconds([sys.executable, "-m", "tools.run", "--cold", "--jobs", "1"], ROOT)
    record = read_record()["pages"]
    names = {page.name for page in all_pages() if page.executable}
    found = {
        name: {key: entry[key] for key in ("seconds", "memory_mib")} for name, entry in record.items() if name in names
    }
    slowest = max(found, key=lambda name: found[name]["seconds"])
    return {"pages": found, "slowest_page": slowest, "slowest_page_s": found[slowest]["seconds"]}


def together() -> dict[str, Any]:
    """Run every page, cold, two at a time, in a copy."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tools.run", "--cold", "--jobs", "2"]
        return {"all_pages_two_workers_s": round(seconds(command, ROOT, COURSE_ROOT=str(_copy(folder))))}


def features() -> dict[str, Any]:
    """1,000 lesions against a plain loop, same numbers; and pyradiomics, if PYRADIOMICS names a Python that has it."""
    from benchmarks import features as lesions

    found = lesions.measure()
    if python := os.environ.get("PYRADIOMICS"):
        found["pyradiomics"] = lesions.against_pyradiomics(python)
    return found


def transfer() -> dict[str, Any]:
    """Bytes that each page of the built site brings, with an empty cache, besides plotly.js and MathJax."""
    from benchmarks.transfer import page_bytes

    seconds([sys.executable, "-m", "tools.site"], ROOT)
    sizes = page_bytes(ROOT / "_build" / "html")
    return {
        "largest_page_mb": round(max(sizes.values()) / 1e6, 2),
        "page_kb": {k: round(v / 1e3) for k, v in sizes.items()},
    }


def light() -> dict[str, Any]:
    """Import of the package: time beyond an empty interpreter, and what it loads."""
    script = "import time; t = time.perf_counter(); import medcourse; print(time.perf_counter() - t)"
    times = [float(subprocess.check_output([sys.executable, "-c", script], text=True)) for _ in range(7)]
    loaded = subprocess.check_output(
        [
            sys.executable,
            "-c",
            "import medcourse, sys; print(int('tensorflow' in sys.modules or 'keras' in sys.modules))",
        ],
        text=True,
    )
    return {"import_medcourse_s": round(statistics.median(times), 4), "import_loads_tensorflow": bool(int(loaded))}


def curve() -> dict[str, Any]:
    """The learning curve of page 5.1.2 anew, all seeds and sizes (twenty minutes); the page's test compares them."""
    took = seconds([sys.executable, "benchmarks/learning_curve.py"], ROOT)
    return {"learning_curve_s": round(took)}


def ladders() -> dict[str, Any]:
    """The observer ladders of all phantoms (hours; goes on where it stopped, repeats nothing unchanged)."""
    from benchmarks.ladders._driver import run, tasks

    began = time.perf_counter()
    run(tasks())
    return {"ladders_s": round(time.perf_counter() - began)}


MEASURES = {
    "light": light, "rebuild": rebuild, "transfer": transfer, "pages": pages, "together": together, "clone": clone,
    "features": features, "curve": curve, "ladders": ladders, **data.MEASURES,
}  # fmt: skip
KEPT = {"features": RESULT.with_name("features.json")} | dict.fromkeys(data.MEASURES, data.RESULT)
TARGETS = {
    **data.TARGETS,
    "clean_clone_to_site_s": 300,
    "one_page_rebuild_s": 30,
    "largest_page_mb": 1.5,
    "slowest_page_s": 60,
    "all_pages_two_workers_s": 720,
    "import_medcourse_s": 0.3,
    "features_speedup_two_cores": "at least 5",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", nargs="*", help=f"any of {', '.join(MEASURES)}; all without")
    names = parser.parse_args().measure or list(MEASURES)
    unknown = set(names) - set(MEASURES)
    if unknown:
        raise SystemExit(f"bench: {', '.join(sorted(unknown))} is no measure; choose of {', '.join(MEASURES)}")
    for name in names:
        print(f"measuring {name} …", flush=True)
        kept = KEPT.get(name, RESULT)
        result: dict[str, Any] = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
        result |= {"machine": machine(), "versions": {name: version(name) for name in VERSIONS}}
        for key, value in MEASURES[name]().items():
            result[key] = value
            target = f" (target {TARGETS[key]})" if key in TARGETS else ""
            print(f"  {key}: {json.dumps(value)}{target}", flush=True)
        aside = kept.with_suffix(".json.new")
        aside.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        aside.replace(kept)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

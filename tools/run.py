"""Derive, execute and store the notebooks: `make notebooks [PAGE=3-1-1] [COLD=1] [SEED=1-5]`.

Only pages are executed whose code, whose imported medcourse modules or whose imported distributions changed since
the last run (the record benchmarks/results/pages.json knows). A stored notebook is rewritten only where an output
differs beyond its tolerance. With a seed the pages run with that seed instead; their assertions must hold, and
nothing is stored.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tools.compare import Tolerance, differences
from tools.derive import METADATA, derive, derived_elsewhere, keep_outputs, read_notebook, text_of, write_aside
from tools.page import CODE, ROOT, Page, PageError, all_pages, find_pages, notebook_path
from tools.real import remedy

RECORD = Path("benchmarks/results/pages.json")
BUDGET = {"seconds": 60, "memory_mib": 4096}


def read_record(root: Path = ROOT) -> dict[str, Any]:
    """The record of the last runs: seconds, memory and content hash of each page."""
    path = root / RECORD
    if not path.exists():
        return {"pages": {}}
    try:
        record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise PageError(f"{RECORD}: not JSON ({error}); delete it and run `make notebooks`") from None
    return record


def write_record(record: dict[str, Any], root: Path = ROOT) -> None:
    record["pages"] = dict(sorted(record["pages"].items()))
    write_aside(root / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def machine() -> dict[str, Any]:
    """What the times were measured on."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []


def content_hash(page: Page, modules: Iterable[str], distributions: Iterable[str], root: Path = ROOT) -> str:
    """Hash of the page's code cells, of the modules and of the installed distributions it imported.

    It saves work while writing and proves nothing: no check relies on it.
    """
    digest = hashlib.sha256()
    for cell in page.cells:
        if cell.kind == "code":
            digest.update(json.dumps([cell.source, cell.metadata.get("tags", [])]).encode())
    for name in sorted(modules):
        stem = root / Path(*name.split("."))
        path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
        digest.update(name.encode() + (path.read_bytes() if path.exists() else b"gone"))
    for name in sorted(distributions):
        try:
            digest.update(f"{name}=={version(name)}".encode())
        except PackageNotFoundError:
            digest.update(f"{name} gone".encode())
    return digest.hexdigest()


def needs_run(page: Page, notebook: NotebookNode, record: dict[str, Any], root: Path = ROOT) -> bool:
    """True unless the page's notebook holds the outputs of just this code."""
    entry = record["pages"].get(page.name)
    if entry is None or any(not c.execution_count for c in notebook.cells if c.cell_type == "code"):
        return True
    return bool(entry["hash"] != content_hash(page, entry["modules"], entry["distributions"], root))


def run_page(
    page: Page, notebook: NotebookNode, seed: int | None, root: Path = ROOT, kernel: str = "python3"
) -> dict[str, Any]:
    """Execute one notebook in a process of its own and return its answer."""
    folder = notebook_path(page, root).parent
    folder.mkdir(parents=True, exist_ok=True)
    request = {"folder": str(folder), "notebook_text": nbformat.writes(notebook), "seed": seed, "kernel": kernel}
    done = subprocess.run(
        [sys.executable, "-m", "tools.execute"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=CODE,
        env={"OMP_NUM_THREADS": "1", **os.environ},  # pages run side by side: more threads wait for each other
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        answer = {"error": f"the run broke off: {last}"}
    if "notebook" in answer:
        answer["notebook"] = nbformat.reads(answer["notebook"], as_version=4)
        answer |= _stderr(answer["notebook"])
    return answer


def _stderr(notebook: NotebookNode) -> dict[str, Any]:
    for i, cell in enumerate(notebook.cells):
        for out in cell.get("outputs", []):
            if out["output_type"] == "stream" and out["name"] == "stderr":
                line = " ".join(str(out["text"]).split())[:200]
                return {"error": f"cell {i} wrote to stderr ({line}); mend the cause of the warning"}
    return {}


def settle(fresh: NotebookNode, stored: NotebookNode | None) -> NotebookNode:
    """The fresh notebook, with stored outputs kept wherever they agree within tolerance."""
    fresh = _tidy(fresh)
    if stored is None:
        return fresh
    old = {c.source: c for c in stored.cells if c.cell_type == "code"}
    for cell in fresh.cells:
        if cell.cell_type == "code" and cell.source in old and old[cell.source].execution_count:
            before = old[cell.source].outputs
            if not differences(before, cell.outputs, Tolerance.of(cell.metadata)):
                cell.outputs = before
    return fresh


def _tidy(notebook: NotebookNode) -> NotebookNode:
    """Execution counts by position and consecutive writes to one stream as one, so that history stays small."""
    notebook.metadata = nbformat.from_dict(METADATA)  # not the kernel's own, which names its Python version
    count = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        merged: list[NotebookNode] = []
        for out in cell.outputs:
            if out.get("execution_count") is not None:
                out.execution_count = count
            if merged and out["output_type"] == "stream" == merged[-1]["output_type"] and out.name == merged[-1].name:
                merged[-1].text += out.text
            else:
                merged.append(out)
        cell.outputs = merged
    return notebook


def seeds_of(text: str | None) -> list[int]:
    """`3` or `1-5` as a list of seeds."""
    if not text:
        return []
    try:
        first, _, last = text.partition("-")
        return list(range(int(first), int(last or first) + 1))
    except ValueError:
        raise PageError(f"SEED={text!r} is no seed; give SEED=3 or SEED=1-5") from None


def has_seed(page: Page) -> bool:
    return any("parameters" in cell.tags and "SEED" in cell.source for cell in page.cells if cell.kind == "code")


def store(page: Page, answer: dict[str, Any], record: dict[str, Any], root: Path = ROOT) -> str:
    """Write the executed notebook and its record; says in a few words what happened."""
    path = notebook_path(page, root)
    stored = read_notebook(path) if path.exists() else None
    notebook = settle(answer["notebook"], stored)
    written = write_aside(path, text_of(notebook))
    record["machine"] = machine()
    record["pages"][page.name] = {
        "seconds": answer["seconds"],
        "memory_mib": answer["memory_mib"],
        "hash": content_hash(page, answer["modules"], answer["distributions"], root),
        "modules": answer["modules"],
        "distributions": sorted(answer["distributions"]),
    }
    write_record(record, root)
    over = [f"{key} {answer[key]} over the budget of {limit}" for key, limit in BUDGET.items() if answer[key] > limit]
    return ", ".join(["outputs changed" if written else "outputs as stored", *over])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", help="section number (3-1-1) or part of a path; all pages without it")
    parser.add_argument("--cold", action="store_true", help="run every page, changed or not")
    parser.add_argument("--seed", help="run with this seed, or seeds a-b, and store nothing")
    parser.add_argument("--jobs", type=int, default=2, help="pages side by side")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of a page that fails")
    arguments = parser.parse_args()
    try:
        return _run(arguments)
    except PageError as error:
        print(f"notebooks: {error}", file=sys.stderr)
    except OSError as error:
        print(f"notebooks: {error.strerror} ({error.filename}); free some disk space, then repeat", file=sys.stderr)
    return 1


def _run(arguments: argparse.Namespace) -> int:
    everything = all_pages()
    pages = [page for page in find_pages(arguments.page) if not derived_elsewhere(page)]
    seeds = seeds_of(arguments.seed)
    record = read_record()
    work: list[tuple[Page, NotebookNode, int | None]] = []
    for page in pages:
        notebook, path = derive(page, everything), notebook_path(page)
        if seeds:
            work += [(page, notebook, seed) for seed in seeds if has_seed(page)]
            continue
        if path.exists():
            keep_outputs(notebook, read_notebook(path))
        if arguments.cold or needs_run(page, notebook, record):
            work.append((page, notebook, None))
        elif write_aside(path, text_of(notebook)):
            print(f"{page.name}: prose changed, outputs kept", flush=True)
    if not arguments.page and not seeds:
        known = {page.name for page in everything}
        record["pages"] = {name: entry for name, entry in record["pages"].items() if name in known}
    failed = done = 0
    with ThreadPoolExecutor(max_workers=max(1, arguments.jobs)) as pool:
        running = {pool.submit(run_page, page, notebook, seed): (page, seed) for page, notebook, seed in work}
        for future in as_completed(running):
            (page, seed), answer, done = running[future], future.result(), done + 1
            label = f"[{done}/{len(work)}] {page.name}" + (f" seed {seed}" if seed is not None else "")
            if seed is None and "error" not in answer and answer["never_run_for_want_of"]:
                answer = {"error": f"a new cell {remedy(answer['never_run_for_want_of'])}"}
            if "error" in answer:
                failed += 1
                print(f"{label}: FAILED, {answer['error']}", flush=True)
                if arguments.traceback and "traceback" in answer:
                    print(answer["traceback"])
                continue
            what = "assertions hold" if seed is not None else store(page, answer, record)
            print(f"{label}: {answer['seconds']} s, {answer['memory_mib']} MiB, {what}", flush=True)
    if not work:
        print("every notebook is fresh; COLD=1 runs all")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

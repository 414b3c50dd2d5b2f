"""The Colab lane: every page on Colab's package list and Python 3.13, set up as the notebooks' first cell does it.

    python -m tools.colab [--page 3-1-1] [--if-possible]

Installs requirements/colab.txt into .venv-colab, then, without dependencies, what the set-up cell adds and the
package's own wheel. Pages must run and their assertions hold; outputs are not compared, versions differ.
With --if-possible a machine without Python 3.13 leaves with status 77 and one line.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.derive import colab_pins, derive, derived_elsewhere
from tools.page import ROOT, PageError, all_pages, find_pages
from tools.run import run_page

VENV = ROOT / ".venv-colab"
SKIPPED = 77
JOBS = 2  # pages side by side


def python_313() -> str | None:
    """A Python 3.13 on this machine: COLAB_PYTHON, the path, or a pyenv version."""
    pyenv = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.13.*/bin/python3.13"))
    candidates = [os.environ.get("COLAB_PYTHON"), *map(str, reversed(pyenv)), shutil.which("python3.13")]
    for candidate in filter(None, candidates):
        try:
            probe = subprocess.run(
                [candidate, "-c", "import sys; print(sys.version_info[:2])"],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            continue
        if probe.stdout.strip() == "(3, 13)":
            return candidate
    return None


def _uv(arguments: list[str], what: str) -> None:
    environment = {**os.environ, "UV_NATIVE_TLS": "1"}
    uv = str(Path(sys.executable).with_name("uv"))
    done = subprocess.run([uv, *arguments], cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1].strip()
        raise PageError(f"{what} failed: {last}; check network and disk, then repeat")


def set_up(python: str) -> None:
    """Make .venv-colab hold Colab's list and what the set-up cell adds."""
    if not (VENV / "bin" / "python").exists():
        _uv(["venv", "--quiet", "--python", python, str(VENV)], "creating .venv-colab")
    inside = ["--quiet", "--python", str(VENV / "bin" / "python")]
    _uv(["pip", "sync", *inside, "--require-hashes", "requirements/colab.txt"], "installing Colab's list")
    _uv(["pip", "install", *inside, "--no-deps", *colab_pins()], "installing what the set-up cell adds")
    with tempfile.TemporaryDirectory() as folder:
        _uv(
            ["build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "-o", folder],
            "building the wheel",
        )
        wheel = next(Path(folder).glob("*.whl"))
        _uv(["pip", "install", *inside, "--no-deps", str(wheel)], "installing medcourse")


def run(pattern: str | None) -> int:
    """Run the pages; the number that failed."""
    everything, failed = all_pages(), 0
    pages = [page for page in find_pages(pattern) if not derived_elsewhere(page)]
    with tempfile.TemporaryDirectory() as folder:
        kernel = Path(folder) / "kernels" / "colab"
        kernel.mkdir(parents=True)
        argv = [str(VENV / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "colab", "language": "python"}))
        os.environ["JUPYTER_PATH"] = folder
        with ThreadPoolExecutor(JOBS) as pool:
            answers = pool.map(lambda page: run_page(page, derive(page, everything), None, kernel="colab"), pages)
            for i, (page, answer) in enumerate(zip(pages, answers, strict=True), start=1):
                failed += "error" in answer
                text = f"FAILED, {answer['error']}" if "error" in answer else f"{answer['seconds']} s"
                print(f"  [{i}/{len(pages)}] {page.name}: {text}", flush=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", help="section number (3-1-1) or part of a path; all pages without it")
    parser.add_argument("--if-possible", action="store_true", help="leave with status 77 where Python 3.13 is missing")
    arguments = parser.parse_args()
    python = python_313()
    if python is None:
        print("colab: skipped, no Python 3.13 here; install it or name it in COLAB_PYTHON", flush=True)
        return SKIPPED if arguments.if_possible else 1
    try:
        set_up(python)
        return 1 if run(arguments.page) else 0
    except PageError as error:
        print(f"colab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())

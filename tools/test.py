"""Every check, in the order of what fails soonest: `make test`; the totals come last.

Stages: style (ruff, mypy), the site built strictly in both editions, tests (package, book, site in a real browser),
outputs (every page executed and compared), colab (every page on Colab's versions, where Python 3.13 is at hand).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from tools.page import ROOT

REPORTS = ROOT / "_build" / "reports"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]
COVERAGE = ["--cov", "--cov-report=term-missing:skip-covered"]


@dataclass
class Totals:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: Totals) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def command(name: str, arguments: list[str]) -> Totals:
    """One check that passes or fails as a whole; its output is shown when it fails."""
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    print(f"  {name}: {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr)
    return Totals(passed=int(done.returncode == 0), failed=int(done.returncode != 0))


def pytest_run(name: str, arguments: list[str]) -> Totals:
    """One run of pytest; totals are read from its report, and a run that tests nothing has failed."""
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    done = subprocess.run([*PYTEST, f"--junit-xml={report}", *arguments], cwd=ROOT, check=False)
    totals = Totals()
    if report.exists():
        for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314
            count = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
            bad = count["failures"] + count["errors"]
            totals.add(Totals(count["tests"] - bad - count["skipped"], bad, count["skipped"]))
    if done.returncode and not totals.failed:
        totals.failed = 1
    return totals


def style() -> Totals:
    totals = Totals()
    for name, arguments in {
        "ruff": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "mypy": ["mypy", "medcourse", "tools", "benchmarks"],
        "locks follow from pyproject": ["tools.lock", "--check"],
    }.items():
        totals.add(command(name, [sys.executable, "-m", *arguments]))
    return totals


def site() -> Totals:
    totals = Totals()
    for edition in ("student", "instructor"):
        totals.add(command(f"{edition} site, strict", [sys.executable, "-m", "tools.site", "--edition", edition]))
    return totals


def tests() -> Totals:
    arguments = ["tests", *COVERAGE]
    if shutil.which("chromium") is None and os.environ.get("REQUIRE_BROWSER") != "1":
        print("  no chromium here: the browser tests are skipped (Debian: apt-get install chromium)", flush=True)
        arguments.append("-rfE")  # this one line says it for all of them
    return pytest_run("tests", arguments)


def outputs() -> Totals:
    return pytest_run("outputs", ["--nbval", "-p", "tools.nbcheck", "--nbval-cell-timeout=600", "notebooks"])


def colab() -> Totals:
    done = subprocess.run([sys.executable, "-m", "tools.colab", "--if-possible"], cwd=ROOT, check=False)
    if done.returncode == 77:
        return Totals(skipped=1)
    return Totals(passed=int(done.returncode == 0), failed=int(done.returncode != 0))


STAGES = {"style": style, "site": site, "tests": tests, "outputs": outputs, "colab": colab}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=STAGES, action="append", help="run just this stage (may be repeated)")
    names = parser.parse_args().only or list(STAGES)
    REPORTS.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYTHONHASHSEED", "0")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers: more threads would wait for each other
    totals, lines = Totals(), []
    for name in names:
        print(f"== {name}", flush=True)
        began = time.monotonic()
        part = STAGES[name]()
        lines.append(f"{name}: {part} in {time.monotonic() - began:.0f} s")
        totals.add(part)
    print("\n" + "\n".join(lines) + f"\n{totals}")
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    raise SystemExit(main())

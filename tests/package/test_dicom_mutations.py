"""Thousands of damaged files: none crashes, hangs, exhausts memory or ends in anything but one line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.package.dicom_mutations import SECONDS

ROOT = Path(__file__).parents[2]


def run(kind: str, count: int, folder: Path, first: int = 0) -> tuple[list[dict[str, object]], str]:
    """Read `count` damaged files in a process of its own; give what it printed, and how it ended if not well."""
    command = [sys.executable, "-m", "tests.package.dicom_mutations", kind, str(first), str(count), str(folder)]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        return [], "the whole batch took more than 240 s"
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    if result.returncode == 0:
        return lines, ""
    ended = signal.Signals(-result.returncode).name if result.returncode < 0 else f"exit {result.returncode}"
    return lines, f"{ended} in {lines[-1:]}:\n{result.stderr[-2000:]}"


@pytest.mark.parametrize(("kind", "count", "loads"), [("slice", 1400, 0.02), ("series", 200, 0.1), ("nifti", 500, 0.1)])
def test_damaged_files_load_or_are_refused_in_one_line(kind: str, count: int, loads: float, tmp_path: Path) -> None:
    lines, fault = run(kind, count, tmp_path)
    assert not fault
    done = [line for line in lines if "done" in line]
    assert len(done) == count
    wrong = [(line["done"], found) for line in done for found in line["found"] if found not in ("loaded", "refused")]
    assert not wrong, f"{len(wrong)} wrong, {kind} {wrong[0][0]}: {wrong[0][1]}"
    tally = Counter(found for line in done for found in line["found"])
    assert loads < tally["loaded"] / tally.total() < 0.9  # the damage is neither harmless nor always fatal
    assert max(line["seconds"] for line in done) < SECONDS
    assert lines[-1]["grown_mib"] < 150  # the bound on a result is 16 MiB, in single precision


WATCHED = """
import ctypes
import sys
from pathlib import Path
from medcourse.data import dicom
from tests.package import dicom_mutations as mutations

def crash(): ctypes.string_at(0)
def hang():
    while True: pass
def swell(): bytearray(2**31)
def wrong(): raise KeyError("Rows")
def two_lines(): raise dicom.DicomError("two\\nlines")
def fine(): return [0]

mutations.SECONDS = 1
mutations.sources = mutations.slices = mutations.volumes = lambda: ()
mutations.checked = lambda result: None
mutations.CASES["slice"] = lambda random, folder: [globals()[name] for name in sys.argv[5:]]
mutations.main("slice", 0, 1, Path(sys.argv[4]))
"""


def watched(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WATCHED, "slice", "0", "1", str(folder), *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_watch_notices_what_it_watches_for(tmp_path: Path) -> None:
    result = watched(tmp_path, "swell", "wrong", "two_lines", "fine")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[1])["found"]
    for text, expected in zip(found, ("MemoryError", "KeyError: 'Rows'", "a poor message", "loaded"), strict=True):
        assert expected in text


@pytest.mark.parametrize(("name", "how", "said"), [("crash", -signal.SIGSEGV, "Segmentation"), ("hang", 1, "Timeout")])
def test_the_watch_outlives_what_ends_the_process(name: str, how: int, said: str, tmp_path: Path) -> None:
    result = watched(tmp_path, name)
    assert result.returncode == how
    assert said in result.stderr
    assert f"in {name}" in result.stderr
    assert result.stdout.splitlines() == ['{"begun": 0}']

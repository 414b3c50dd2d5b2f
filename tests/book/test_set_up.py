"""Setting up fails in one line that names cause and remedy, and leaves nothing half made."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "bootstrap.py"


def bootstrap(venv: Path, *, code: str = "pass", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as `make` does, after `code` changed what it finds."""
    runner = f"import sys, runpy; {code}; sys.argv = ['bootstrap.py', 'site']; "
    runner += f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", runner],
        env={**os.environ, "VENV": str(venv), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 14, 0)])
def test_python_too_old_or_too_new(tmp_path: Path, version: tuple[int, int, int]) -> None:
    line = one_line(bootstrap(tmp_path / "venv", code=f"sys.version_info = {version}"))
    assert line == (
        f"set-up: Python {version[0]}.{version[1]} is not supported: use 3.11 to 3.13, "
        "for instance `make book PYTHON=python3.11`\n"
    )
    assert not (tmp_path / "venv").exists()


def test_an_old_python_can_read_the_script() -> None:
    text = SCRIPT.read_text("utf-8")
    assert text.isascii()
    ast.parse(text, feature_version=(3, 6))
    assert "print(" not in text


def test_no_network(tmp_path: Path) -> None:
    line = one_line(
        bootstrap(
            tmp_path / "venv",
            PIP_INDEX_URL="http://127.0.0.1:9/simple",
            PIP_EXTRA_INDEX_URL="http://127.0.0.1:9/simple",
            PIP_FIND_LINKS="",
            PIP_NO_CACHE_DIR="1",
            PIP_RETRIES="0",
        )
    )
    assert "the package index cannot be reached" in line
    assert not (tmp_path / "venv").exists()


def test_no_disk(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system needs the right to mount one")
    try:
        line = one_line(bootstrap(small / "venv"))
        assert line == "set-up: creating the environment: the disk is full; free about 5 GB, then repeat\n"
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_lock_that_is_there_is_not_installed_again(tmp_path: Path) -> None:
    import hashlib

    venv = tmp_path / "venv"
    venv.mkdir()
    lock = (ROOT / "requirements" / "all.txt").read_bytes()
    (venv / ".lock-all").write_text(hashlib.sha256(lock).hexdigest(), "utf-8")
    done = bootstrap(venv, PATH="")
    assert (done.returncode, done.stdout) == (0, "")
    assert [p.name for p in venv.iterdir()] == [".lock-all"]


def test_make_help_lists_every_verb() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    printed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    verbs = {"book", "test", "lab", "notebooks", "assignments", "grade", "bench", "lock", "fork", "clean", "help"}
    assert verbs <= {line.split()[0] for line in printed.splitlines()}
    assert verbs <= set(text.split(".PHONY:")[1].split("\n")[0].split())


@pytest.mark.parametrize(
    ("verb", "message"), [("grade", "grade: name the folder"), ("fork", "fork: name your repository")]
)
def test_verbs_without_their_argument_say_what_is_missing(verb: str, message: str) -> None:
    done = subprocess.run(["make", verb, f"VENV={sys.prefix}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode
    assert done.stderr.startswith(message)

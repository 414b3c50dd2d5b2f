"""The command medcourse-data, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medcourse.data import registry
from medcourse.data.cli import _plain

ROOT = Path(__file__).parents[2]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any set."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MEDCOURSE_DATA", raising=False)
    return tmp_path


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medcourse.data.cli", *words],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_help_names_the_verbs_and_the_folder(empty: Path) -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in ("list", "show", "get", "verify", "MEDCOURSE_DATA names"))
    assert run().returncode == 2
    assert run("make").returncode == 2


def test_list_shows_every_set_and_where_it_is(empty: Path) -> None:
    done = run("list")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {name: lines[name] for name in registry.available()} == dict.fromkeys(registry.available(), "absent")
    phantoms = [path.stem for path in (ROOT / "data").glob("*.md") if " (phantom)\n" in path.read_text("utf-8")]
    assert {name: lines[name] for name in phantoms} == dict.fromkeys(phantoms, "drawn")
    assert "MEDCOURSE_DATA names no folder; cache: " in done.stdout


def test_list_says_what_is_in_your_folder(empty: Path) -> None:
    (empty / "medmnist").mkdir()
    (empty / "medmnist" / "breastmnist.npz").write_bytes(b"not looked into")
    done = run("list", MEDCOURSE_DATA=str(empty))
    assert "  breastmnist          here    BreastMNIST, open, CC BY 4.0" in done.stdout.splitlines()


@pytest.mark.parametrize("name", ["breastmnist", "breastmnist_64", "lidc_idri"])
def test_show_prints_the_card_as_plain_text(empty: Path, name: str) -> None:
    done = run("show", name)
    assert done.returncode == 0, done.stderr
    assert "Licence: " in done.stdout
    assert "Known flaws" in done.stdout
    assert not any(mark in done.stdout for mark in ("{cite", "```", "title_zh", "\n#", "**"))


def test_plain_text_has_no_markup() -> None:
    text = "# T\n\nSee {cite:p}`a2020`, {term}`CNR <cnr>`, [x](y.md), **b**, *c*.\n\n```python\nx = 2 * 3 * 4\n```\n"
    assert _plain(text) == "T\n\nSee [a2020], CNR, x (y.md), b, c.\n\n    x = 2 * 3 * 4\n\n"


def test_what_cannot_be_had_is_one_line_and_a_failure(empty: Path) -> None:
    done = run("get", "brats")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("brats: access by registration: register at Synapse")
    assert done.stderr.count("\n") == 1
    for verb in ("get", "show", "verify"):
        done = run(verb, "brestmnist")
        assert done.returncode == 1
        assert done.stderr.startswith("name='brestmnist': no such set; near: breastmnist")


def test_verify_tells_good_from_bad_by_its_exit_code(empty: Path) -> None:
    done = run("verify")
    assert (done.returncode, done.stdout) == (0, "nothing to verify: no set is on this machine\n")
    (empty / "medmnist").mkdir()
    (empty / "medmnist" / "breastmnist.npz").write_bytes(b"altered")
    done = run("verify", MEDCOURSE_DATA=str(empty))
    assert done.returncode == 1
    assert done.stdout.startswith("BAD breastmnist ")
    assert (empty / "medmnist" / "breastmnist.npz").read_bytes() == b"altered"


def test_get_and_verify_a_set_at_hand() -> None:
    if not registry.at_hand("ecg_mitdb"):
        pytest.skip("ecg_mitdb is not on this machine: set MEDCOURSE_DATA, or run `medcourse-data get ecg_mitdb`")
    done = run("get", "ecg_mitdb")
    assert done.returncode == 0, done.stderr
    assert "100.dat: official file (PhysioNet, MIT-BIH 1.0.0)" in done.stdout
    done = run("verify", "ecg_mitdb")
    assert done.returncode == 0
    assert done.stdout.count("ok ") == 3


def test_the_entry_point_is_installed_under_its_name() -> None:
    import tomllib

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert scripts["medcourse-data"] == "medcourse.data.cli:main"

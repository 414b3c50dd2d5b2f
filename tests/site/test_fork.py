"""`make fork` on a copy of the tracked files: afterwards nothing names the old repository."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

import tools.fork
from tools.fork import fork, main, renamed, text_files
from tools.page import ROOT, PageError
from tools.settings import Repository, repository

NEW = "https://github.com/teaching-hospital/imaging-course"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository's tracked files, without this one, which names the new repository."""
    for path in text_files(ROOT):
        if path != Path(__file__):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return tmp_path


def texts(root: Path) -> dict[str, str]:
    found = {}
    for path in root.rglob("*"):
        if path.is_file():
            try:
                found[path.relative_to(root).as_posix()] = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
    return found


def test_fork_changes_every_address(copy: Path) -> None:
    old = repository(copy)
    # written out here, not taken from the tool under test
    names = re.compile(
        rf"github\.com/{old.owner}/|{old.owner}/{old.name}(?![\w/]*\.py)|{old.owner}\.github\.io|/gh/{old.owner}/", re.I
    )
    before = {name: names.findall(text) for name, text in texts(copy).items()}
    hit = {name for name, found in before.items() if found}
    for name in ("_config.yml", "CITATION.cff", "book/index.md", "notebooks/index.ipynb"):
        assert name in hit, f"{name} names no repository: the test would prove little"
    changed = {path.relative_to(copy).as_posix() for path in fork(NEW, branch="trunk", root=copy)}
    assert hit <= changed
    left = {name: names.findall(text) for name, text in texts(copy).items()}
    assert not {name: found for name, found in left.items() if found}
    setting = yaml.safe_load((copy / "_config.yml").read_text("utf-8"))["repository"]
    assert (setting["url"], setting["branch"]) == (NEW, "trunk")
    notebook = (copy / "notebooks/notation.ipynb").read_text("utf-8")
    assert f"{NEW}/archive/refs/heads/trunk.zip" in notebook, "the Colab set-up cell still installs the old package"
    assert "colab.research.google.com/github/teaching-hospital/imaging-course/blob/trunk/notebooks/" in notebook
    assert "https://teaching-hospital.github.io/imaging-course" in notebook


def test_fork_is_repeatable_and_reversible(copy: Path) -> None:
    old = repository(copy)
    fork(old.url, root=copy)  # brings notebooks that are being written up to date
    before = texts(copy)
    fork(NEW, root=copy)
    assert texts(copy) != before
    assert fork(NEW, root=copy) == []
    fork(old.url, root=copy)
    assert texts(copy) == before


def test_the_package_keeps_its_name_and_the_folder_follows() -> None:
    old, new = Repository("https://github.com/a/medcourse", "main"), Repository("https://github.com/b/mine", "main")
    text = (
        "git clone https://github.com/a/medcourse\ncd medcourse\nimport medcourse  # a/medcourse-extras, ba/medcourse"
    )
    assert renamed(text, old, new) == (
        "git clone https://github.com/b/mine\ncd mine\nimport medcourse  # a/medcourse-extras, ba/medcourse"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "medcourse",
        "http://github.com/a/b",
        "https://github.com/a",
        "https://github.com/a/b/c",
        "https://host/a/b c",
    ],
)
def test_bad_address_is_one_line(url: str, capsys: pytest.CaptureFixture[str], copy: Path) -> None:
    before = texts(copy)
    with pytest.raises(PageError, match="is not a repository address; give https://"):
        fork(url, root=copy)
    assert texts(copy) == before
    assert main([url]) == 1
    said = capsys.readouterr().err
    assert said.startswith("fork: REPO=")
    assert said.count("\n") == 1


def test_bad_branch_is_refused(copy: Path) -> None:
    with pytest.raises(PageError, match="is not a branch name"):
        fork(NEW, branch="no good", root=copy)
    assert tools.fork.repository(copy).branch == "main"

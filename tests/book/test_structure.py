"""Every page of the book is whole: front matter, exercises, a fresh notebook, figures that say what is seen."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools import lock
from tools.audit import audit, ignored_share
from tools.derive import SETUP_TAG, colab_pins, derived_elsewhere, read_notebook, setup_source
from tools.page import all_pages, find_pages, notebook_path

ROOT = Path(__file__).resolve().parents[2]
PAGES = all_pages(ROOT)
EXECUTABLE = [page for page in PAGES if page.executable and not derived_elsewhere(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_is_whole(page) -> None:
    assert audit(page, PAGES, ROOT) == []


def test_notebooks_are_just_those_of_pages() -> None:
    stored = {
        p.relative_to(ROOT / "notebooks").with_suffix("").as_posix() for p in (ROOT / "notebooks").rglob("*.ipynb")
    }
    stored = {name for name in stored if ".ipynb_checkpoints" not in name}
    assert stored == {page.name for page in PAGES if page.executable}


def test_notebooks_stay_small() -> None:
    sizes = [notebook_path(page, ROOT).stat().st_size for page in EXECUTABLE]
    assert sum(sizes) / len(sizes) <= 500_000


def test_the_set_up_cell_is_the_same_everywhere_and_comes_first() -> None:
    for page in EXECUTABLE:
        code = [cell for cell in read_notebook(notebook_path(page, ROOT)).cells if cell.cell_type == "code"]
        assert code[0].source == setup_source(ROOT), page.name
        assert not any(SETUP_TAG in cell.metadata.get("tags", []) for cell in code[1:]), page.name


def test_the_set_up_cell_leaves_what_colab_has_alone() -> None:
    pins = {pin.split("==")[0] for pin in colab_pins(ROOT)}
    has = set(re.findall(r"^([\w-]+)", (ROOT / "requirements" / "colab.in").read_text("utf-8"), re.M))
    assert not pins & has
    assert "--no-deps" in setup_source(ROOT)


def test_pages_import_only_what_colab_has_or_installs() -> None:
    site_only = {"jupyter_book", "jupytext", "sphinx", "nbformat", "yaml", "nbgrader", "papermill", "tools", "pytest"}
    for page in EXECUTABLE:
        for cell in page.cells:
            if cell.kind == "code":
                names = set(re.findall(r"^\s*(?:from|import)\s+(\w+)", cell.source, re.M))
                assert not names & site_only, f"{page.name} imports {names & site_only}"


def test_few_outputs_are_left_out_of_the_check() -> None:
    assert ignored_share([read_notebook(notebook_path(page, ROOT)) for page in EXECUTABLE]) < 0.03


def test_randomness_has_one_source() -> None:
    for page in EXECUTABLE:
        code = "\n".join(cell.source for cell in page.cells if cell.kind == "code")
        if re.search(r"default_rng|seed_everything|random_state|np\.random", code):
            assert any("parameters" in cell.tags and "SEED" in cell.source for cell in page.cells), page.name
            assert not re.search(r"default_rng\(\s*\)|np\.random\.(rand|normal|seed|randn)\b", code), page.name


def test_sections_are_used_once() -> None:
    sections = [page.section for page in PAGES if page.section]
    assert len(sections) == len(set(sections))


def test_needs_name_sections_of_the_outline() -> None:
    pattern = re.compile(r"[1-9]\.\d+(\.\d+)?[a-c]?|[A-D](\.\d+){0,2}")
    for page in PAGES:
        assert all(pattern.fullmatch(str(need)) for need in page.course.get("needs", [])), page.name


def test_locks_follow_from_pyproject() -> None:
    assert lock.stale(ROOT) == []


def test_a_changed_dependency_makes_the_lock_stale(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    for name in ("all.txt", "site.txt", "colab.txt", "colab.in"):
        (tmp_path / "requirements" / name).write_text((ROOT / "requirements" / name).read_text("utf-8"), "utf-8")
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    (tmp_path / "pyproject.toml").write_text(text.replace('"numpy>=2.1"', '"numpy>=2.2"'), "utf-8")
    assert lock.stale(tmp_path) == ["all.txt", "site.txt"]
    (tmp_path / "requirements" / "colab.in").write_text("numpy==2.1.4\n", "utf-8")
    assert lock.stale(tmp_path) == ["all.txt", "site.txt", "colab.txt"]


def test_both_locks_hold_hashes_and_the_same_versions_and_name_no_host() -> None:
    pins = {}
    for name in ("site", "all"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
        assert not re.search(r"https?://|--index-url|--find-links|file:", text)
        blocks = re.findall(r"^([\w.\[\]-]+==\S+)[^\n]*\\\n((?:\s+--hash=sha256:[0-9a-f]{64}.*\n?)+)", text, re.M)
        assert len(blocks) == len(re.findall(r"^[\w.\[\]-]+==", text, re.M)), "a requirement without a hash"
        pins[name] = {pin for pin, _ in blocks}
    assert pins["site"] <= pins["all"]


def test_no_machine_path_or_package_host_is_tracked() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    hosts = ["pypi" + ".org", "files." + "pythonhosted", "registry.npm" + "js", "deb.deb" + "ian.org", "/opt/" + "pypi"]
    paths = ["/work/" + "main", "/work/" + "shared", "/root/" + "."]
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in {".png", ".woff2", ".ico"} or not path.is_file():
            continue
        text = path.read_text("utf-8", errors="ignore")
        assert not [word for word in hosts + paths if word in text], name


def test_find_pages_takes_a_number_a_path_or_nothing() -> None:
    number = find_pages("3-1-1", ROOT)
    assert [page.section for page in number] == ["3.1.1"]
    assert find_pages("3.1.1", ROOT) == number
    assert find_pages("book/03-image-processing/3-1-1-histogram-equalisation.md", ROOT) == number
    assert len(find_pages(None, ROOT)) >= 3

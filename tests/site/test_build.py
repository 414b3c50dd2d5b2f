"""The strict build: incremental, all or nothing, and one clear line for what goes wrong."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tools.site
from tests.site.conftest import ALT, make_small_book
from tools.page import ROOT, PageError
from tools.site import build, main


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small book that is built once; each test mends what it breaks."""
    root = make_small_book(tmp_path_factory.mktemp("build") / "root")
    build("student", root)
    return root


def content(site: Path) -> dict[str, bytes]:
    return {p.relative_to(site).as_posix(): p.read_bytes() for p in site.rglob("*.html")}


def test_picture_has_its_alternative_text(built: Path) -> None:
    html = (built / "_build/html/09-example/9-9-9-example.html").read_text("utf-8")
    assert f'alt="{ALT}"' in html
    assert '<span lang="zh-CN">示例</span>' in html
    assert '<span class="eqno">(1)' in html
    assert not (built / "_build" / "html" / "_sources").exists()


def test_plain_tokens_have_the_colour_of_the_text(built: Path) -> None:
    """The build drops the marks of names, signs and spaces: right only while no theme colours them."""
    css = (built / "_build/html/_static/pygments.css").read_text("utf-8").lower()
    for theme in ("light", "dark"):
        start = rf'html\[data-theme="{theme}"\] \.highlight'
        (ground,) = re.findall(rf"{start} {{ background: #\w+; color: (#\w+) }}", css)
        for token in "npw":
            assert re.findall(rf"{start} \.{token} {{ color: (#\w+) }}", css) == [ground]


def test_nothing_but_the_site_is_published(built: Path) -> None:
    site = built / "_build" / "html"
    assert not list(site.rglob("*.map"))
    assert not (site / "_static" / "plotly.min.js").exists(), "no page of the small book has a plot"
    assert (site / "_static" / "mathjax" / "tex-chtml.js").exists()
    size = sum(p.stat().st_size for p in site.rglob("*") if p.is_file())
    assert size < 15e6, f"{size / 1e6:.1f} MB"


def test_one_page_change_is_fast_and_touches_one_page(built: Path) -> None:
    before = content(built / "_build" / "html")
    page = built / "book/09-example/9-9-8-before.md"
    page.write_text(page.read_text("utf-8").replace("Prose only", "Prose, changed"), "utf-8")
    began = time.monotonic()
    site = build("student", built)
    assert time.monotonic() - began <= 30
    after = content(site)
    assert b"Prose, changed" in after["09-example/9-9-8-before.html"]
    changed = {name for name in after if after[name] != before[name]}
    assert changed >= {"09-example/9-9-8-before.html"}
    assert not changed & {"09-example/9-9-9-example.html", "glossary.html", "bibliography.html"}


def test_warnings_fail_and_leave_the_old_site_whole(built: Path) -> None:
    faults = {
        "[gone](nowhere.md)": "cross-reference target not found: 'nowhere.md'",
        "{term}`unheard-of`": "unheard-of",
        "{cite:p}`nobody1900`": "nobody1900",
        "```{nonsense}\n```": "nonsense",
    }
    index = built / "book" / "index.md"
    good = index.read_text("utf-8")
    before = content(built / "_build" / "html")
    index.write_text("\n\n".join([good, *faults]), "utf-8")
    try:
        for _ in range(2):  # Sphinx keeps silent about a page it has read: the second build must complain as well
            with pytest.raises(PageError) as caught:
                build("student", built)
            for said in faults.values():
                assert any(said in line and "book/index.md" in line for line in str(caught.value).splitlines()), said
            assert "Traceback" not in str(caught.value)
    finally:
        index.write_text(good, "utf-8")
    assert content(built / "_build" / "html") == before
    assert not list((built / "_build").glob("html.*"))
    build("student", built)


def test_full_disk_leaves_the_old_site_whole(
    built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(built / "_build" / "html")

    def full(source: Path, target: Path, **_: object) -> None:
        Path(target).mkdir()
        (Path(target) / "half.html").write_text("half", "utf-8")
        raise shutil.Error([(str(source), str(target), f"[Errno {errno.ENOSPC}] No space left on device")])

    monkeypatch.setattr(tools.site.shutil, "copytree", full)
    monkeypatch.setattr(tools.site, "build", lambda edition: build(edition, built))
    assert main([]) == 1
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0
    assert "free some disk space" in said
    assert content(built / "_build" / "html") == before
    assert not list((built / "_build").glob("html.*"))


def test_missing_notebook_is_one_line(
    small_book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(small_book / "notebooks")
    monkeypatch.setattr(tools.site, "build", lambda edition: build(edition, small_book))
    assert main([]) == 1
    said = capsys.readouterr().err
    assert said == ("site: 09-example/9-9-9-example: notebook is missing; run make notebooks PAGE=9-9-9-example\n")


def test_bad_setting_is_one_line(small_book: Path) -> None:
    (small_book / "_config.yml").write_text("title: [unclosed\n", "utf-8")
    with pytest.raises(PageError, match=r"^_config\.yml cannot be used .*; mend it$"):
        build("student", small_book)


def test_text_for_translators_is_extracted_from_the_staging_folder(built: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        "gettext",
        "-q",
        "-W",
        str(built / "_build/src-student"),
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    catalogue = (tmp_path / "09-example.pot").read_text("utf-8")
    assert "What is the sum?" in catalogue

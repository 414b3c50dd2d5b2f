"""Build the site, strictly and offline: `python -m tools.site [--edition student|instructor]`.

Stages the edition, runs Sphinx with warnings as errors in a work folder, then puts the result in place by a rename:
a failed build leaves the old site whole.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tools.page import ROOT, PageError
from tools.stage import EDITIONS, stage

# A page may name what these define; Sphinx would not read that page again when they change.
SHARED = ("_toc.yml", "conf.py", "glossary.md", "references.bib")


def build(edition: str, root: Path = ROOT) -> Path:
    """Build one edition and return the folder of its site.

    Raises
    ------
    PageError
        One line per fault: what staging found, Sphinx's warnings, or the disk being full.
    """
    source = stage(edition, root)
    work = root / "_build" / f"work-{edition}"
    _begin_anew_if_needed(source, work)
    done = _sphinx(source, work)
    warnings = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode or warnings:
        # Sphinx would not repeat the warnings of pages it has read: the next build must read all of them.
        shutil.rmtree(work / "doctrees", ignore_errors=True)
        if "No space left" in done.stderr:
            raise OSError(errno.ENOSPC, "No space left on device", str(work))
        raise PageError(_clear(warnings, source, root) or f"Sphinx ended with status {done.returncode}")
    return _publish(work / "html", root / "_build" / ("html" if edition == "student" else f"html-{edition}"))


def _sphinx(source: Path, work: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "--no-color"]
    command += ["-d", str(work / "doctrees"), str(source), str(work / "html")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _begin_anew_if_needed(source: Path, work: Path) -> None:
    """Drop the work folder if the set of pages or what pages share has changed."""
    names = sorted(p.relative_to(source).as_posix() for p in source.rglob("*") if p.suffix in (".md", ".ipynb"))
    digest = hashlib.sha256("\n".join(names).encode())
    code = [Path(__file__).with_name("sphinx_course.py"), *sorted((source / "_templates").rglob("*.html"))]
    for path in [source / name for name in SHARED] + code:
        digest.update(path.read_bytes() if path.exists() else b"")
    mark = work / "shared.sha256"
    if not mark.exists() or mark.read_text("utf-8") != digest.hexdigest():
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        mark.write_text(digest.hexdigest(), "utf-8")


def _publish(built: Path, site: Path) -> Path:
    """Copy the work folder aside, without pictures that no page shows any more, and rename it into place."""
    aside, old = site.with_name(site.name + ".new"), site.with_name(site.name + ".old")
    for path in (aside, old):
        shutil.rmtree(path, ignore_errors=True)
    shown = set()
    for page in built.rglob("*.html"):
        shown |= set(re.findall(r"_images/([^\"'/?# ]+)", page.read_text("utf-8")))

    def unused(folder: str, names: list[str]) -> list[str]:
        spare = [name for name in names if name == ".buildinfo"]
        return spare + [name for name in names if Path(folder).name == "_images" and name not in shown]

    try:
        shutil.copytree(built, aside, ignore=unused)
    except shutil.Error as error:  # copytree gathers the faults of single files
        shutil.rmtree(aside, ignore_errors=True)
        full = "No space left" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, "the site cannot be copied", str(aside)) from None
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    if site.exists():
        site.rename(old)
    aside.rename(site)
    shutil.rmtree(old, ignore_errors=True)
    return site


def _clear(warnings: list[str], source: Path, root: Path) -> str:
    """Sphinx's warnings without folders of the staging, each naming the page in book/."""
    lines = []
    for line in warnings:
        if re.match(r"\s*(build finished|Traceback|File |The full traceback|To report)", line):
            continue
        said = line.replace(f"{source}/", "book/").replace(f"{root}/", "")
        said = re.sub(r"\.ipynb(?=[: ])", ".md", said, count=1)
        # MyST-NB counts 10000 lines to a cell
        said = re.sub(r"(?<=\.md:)(\d+)(\d{4})(?=:)", lambda m: f" cell {m[1]}, line {int(m[2])}", said, count=1)
        lines.append(re.sub(r"(?<=\.md:)(\d+)(?=:)", r" line \1 of the staged page", said, count=1))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Command line: one line per fault, never a traceback."""
    parser = argparse.ArgumentParser(prog="tools.site", description=__doc__.splitlines()[0])
    parser.add_argument("--edition", choices=EDITIONS, default="student")
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    try:
        site = build(options.edition)
    except PageError as error:
        print("\n".join(f"site: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 1
    except OSError as error:
        remedy = "free some disk space" if error.errno == errno.ENOSPC else "mend the folder's permissions"
        print(f"site: {error.strerror or error} ({error.filename or '_build'}); {remedy}, then repeat", file=sys.stderr)
        return 1
    print(f"site: _build/{site.name}/index.html in {time.monotonic() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

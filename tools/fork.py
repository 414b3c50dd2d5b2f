"""Make the course yours: `make fork REPO=https://github.com/owner/name`.

Changes the one repository setting in _config.yml and every address that follows from it: README, citation, page
links, and, by deriving the notebooks again without running them, their badges and Colab set-up cells.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tools.derive import derive, derived_elsewhere, keep_outputs, read_notebook, text_of, write_aside
from tools.page import ROOT, PageError, all_pages, notebook_path
from tools.settings import Repository, checked_url, repository

SKIPPED = {".git", ".venv", "_build", "node_modules", "__pycache__"}
# A branch is a path part or a word; Git forbids more than this pattern does.
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def fork(url: str, *, branch: str | None = None, root: Path = ROOT) -> list[Path]:
    """Rename the repository everywhere; the files changed.

    Parameters
    ----------
    url
        Address of the new repository, ``https://github.com/<owner>/<name>``.
    branch
        Its branch; None keeps the present one.
    root
        Folder of the course.

    Raises
    ------
    PageError
        If `url` is no repository address, `branch` no branch name, or a file cannot be written.
    """
    old = repository(root)
    new = Repository(checked_url(url), old.branch if branch is None else branch)
    if not _BRANCH.fullmatch(new.branch):
        raise PageError(f"BRANCH={branch!r} is not a branch name; give letters, digits, dots and dashes")
    changed = []
    for path in text_files(root):
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        except OSError as error:
            name = path.relative_to(root)
            raise PageError(f"{name}: cannot be read ({error.strerror}); mend its permissions") from None
        after = renamed(text, old, new)
        if path == root / "_config.yml":
            after = re.sub(rf"^(  branch:\s*){re.escape(old.branch)}\b", rf"\g<1>{new.branch}", after, flags=re.M)
        if write_aside(path, after):
            changed.append(path)
    return changed + [path for path in _derived_again(root) if path not in changed]


def renamed(text: str, old: Repository, new: Repository) -> str:
    """The text with the old repository's addresses made the new one's; the package keeps its name."""
    pair = rf"(?<![\w.-]){re.escape(old.owner)}/{re.escape(old.name)}(?:\.git)?(?![\w-])"
    clone = rf"(git clone [^\n]*?{pair}[^\n]*?(?:\n\s*|&&\s*|;\s*)cd ){re.escape(old.name)}\b"
    text = re.sub(clone, rf"\g<1>{new.name}", text)
    text = re.sub(re.escape(old.site) + r"(?![\w-])", new.site, text, flags=re.I)
    text = re.sub(pair, f"{new.owner}/{new.name}", text, flags=re.I)
    if new.branch != old.branch:
        here = rf"{re.escape(new.owner)}/{re.escape(new.name)}/(?:(?:blob|tree|raw|edit|archive/refs/heads)/)?"
        text = re.sub(rf"({here}){re.escape(old.branch)}\b", rf"\g<1>{new.branch}", text)
    return text


def text_files(root: Path) -> list[Path]:
    """The tracked files; in a folder that git does not know, every file outside builds and environments."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
        found = [root / name for name in done.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = []
    if not found:
        found = [p for p in root.rglob("*") if not SKIPPED.intersection(p.relative_to(root).parts)]
    return sorted(p for p in found if p.is_file() and not p.is_symlink())


def _derived_again(root: Path) -> list[Path]:
    """Derive every notebook again, with its stored outputs; those that changed."""
    pages = all_pages(root)
    changed = []
    for page in pages:
        path = notebook_path(page, root)
        if page.executable and path.exists() and not derived_elsewhere(page):
            notebook = keep_outputs(derive(page, pages, root), read_notebook(path))
            if write_aside(path, text_of(notebook)):
                changed.append(path)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Command line: one line per fault, never a traceback."""
    parser = argparse.ArgumentParser(prog="tools.fork", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", help="https://github.com/owner/name")
    parser.add_argument("--branch", help="the branch that links name; the present one without it")
    options = parser.parse_args(arguments)
    try:
        changed = fork(options.url, branch=options.branch)
    except PageError as error:
        print(f"fork: {error}", file=sys.stderr)
        return 1
    print(f"fork: {len(changed)} files changed; look at them (git diff), run make book, commit")
    return 0


if __name__ == "__main__":
    sys.exit(main())

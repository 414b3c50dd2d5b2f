"""Fixtures: the built site behind a local server, one Chromium, and a small book that a test may break."""

from __future__ import annotations

import base64
import fcntl
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, sync_playwright

from tools.derive import derive
from tools.page import ROOT, all_pages, notebook_path
from tools.site import build

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ALT = "A single grey pixel stands for a picture, and shows that its description travels with it."

PAGE = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {name: python3, display_name: Python 3, language: python}
course:
  section: "9.9.9"
  title_zh: 示例
  objectives: [Add two numbers, Draw a pixel, Follow a link]
  checked_by: [[ex-9-9-9-slope], [ex-9-9-9-slope], [ex-9-9-9-slope]]
  minutes: {read: 5, run: 1, exercise: 5}
  needs: ["9.9.8", "2.4"]
  data: []
  level: beginner
---
# 9.9.9 Example

We add numbers; see [the welcome](../index.md) and {cite:p}`zuiderveld1994`.

```{code-cell} ipython3
total = 1 + 1
print(total)
```

## Draw

$$ y = 2x $$ (eq-line)

```{code-cell} ipython3
show(figure)
```

```{exercise} Slope
:label: ex-9-9-9-slope

What is the slope of {eq}`eq-line`?
```

```{solution-start} ex-9-9-9-slope
:class: dropdown
```

A gated answer.

```{code-cell} ipython3
print(2 / 1)
```

```{solution-end}
```

```{exercise} Sum
:label: ex-9-9-9-sum

What is the sum?
```

````{solution} ex-9-9-9-sum
A plain answer with code inside:

```python
total
```
````

:::{admonition} Teaching note
:class: teaching-note
Ask first.
:::
"""

TOC = """format: jb-book
root: index
chapters:
  - file: 09-example/9-9-8-before
  - file: 09-example/9-9-9-example
  - file: glossary
  - file: bibliography
"""


def make_small_book(root: Path) -> Path:
    """A root with four small pages, a stored notebook and the real configuration; nothing is executed."""
    book = root / "book"
    (book / "09-example").mkdir(parents=True)
    (book / "index.md").write_text("# Welcome\n\nHello.\n", "utf-8")
    (book / "09-example" / "9-9-8-before.md").write_text(
        '---\ncourse:\n  section: "9.9.8"\n  title_zh: 之前\n---\n# 9.9.8 Before\n\nProse only.\n', "utf-8"
    )
    (book / "09-example" / "9-9-9-example.md").write_text(PAGE, "utf-8")
    (book / "glossary.md").write_text("# Glossary\n\n:::{glossary}\nbatch\n  A few samples.\n:::\n", "utf-8")
    (book / "bibliography.md").write_text("# Bibliography\n\n```{bibliography}\n```\n", "utf-8")
    (root / "_toc.yml").write_text(TOC, "utf-8")
    for name in ("_config.yml", "pyproject.toml", "requirements/all.txt", "book/references.bib"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for name in ("_static", "_templates"):
        shutil.copytree(ROOT / "book" / name, book / name)
    store(root)
    return root


def store(root: Path) -> None:
    """Derive the example's notebook and give its cells the outputs that running them would give."""
    pages = all_pages(root)
    (page,) = (page for page in pages if page.executable)
    notebook = derive(page, pages, root)
    picture = nbformat.v4.new_output(
        "display_data",
        {"image/png": base64.b64encode(PIXEL).decode()},
        metadata={"image/png": {"alt": ALT, "width": 1}},
    )
    outputs = {
        "total": nbformat.v4.new_output("stream", text="2\n"),
        "show": picture,
        "print": nbformat.v4.new_output("stream", text="2.0\n"),
    }
    for cell in notebook.cells:
        for start, output in outputs.items():
            if cell.cell_type == "code" and cell.source.startswith(start):
                cell.outputs, cell.execution_count = [output], 1
    path = notebook_path(page, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


@pytest.fixture
def small_book(tmp_path: Path) -> Path:
    return make_small_book(tmp_path / "root")


def _fresh(edition: str) -> Path:
    """The built site, built again if a source is newer; the lock keeps two test processes apart."""
    site = ROOT / "_build" / ("html" if edition == "student" else "html-instructor")
    (ROOT / "_build").mkdir(exist_ok=True)
    with (ROOT / "_build" / f".{edition}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sources = [ROOT / "_config.yml", ROOT / "_toc.yml", *(ROOT / "tools").glob("*.py")]
        sources += [p for name in ("book", "notebooks") for p in (ROOT / name).rglob("*") if p.is_file()]
        if not site.exists() or max(p.stat().st_mtime for p in sources) > site.stat().st_mtime:
            build(edition)
    return site


@pytest.fixture(scope="session")
def site() -> Path:
    return _fresh("student")


@pytest.fixture(scope="session")
def instructor_site() -> Path:
    return _fresh("instructor")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def _serve(folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def base(site: Path) -> Iterator[str]:
    yield from _serve(site)


@pytest.fixture(scope="session")
def instructor_base(instructor_site: Path) -> Iterator[str]:
    yield from _serve(instructor_site)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        said = "chromium is not installed: the site is not tested in a browser (apt-get install chromium)"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(said)
        pytest.skip(said)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()

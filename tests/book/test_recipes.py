"""CONTRIBUTING's three recipes, followed step by step in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.audit import audit
from tools.page import all_pages

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
CANARY = "It falls to one half of what it was"

NEW_PAGE = """# 3.1.5 Deblurring

At the end you hold a sharpening filter of your own.

## The idea

A {term}`window` is a map; a filter looks at neighbours {cite:p}`zuiderveld1994`.

```{code-cell} ipython3
import numpy as np

from medcourse.data import samples

hu = samples.ct().pixels
sharp = hu[:, 1:-1] * 2 - (hu[:, 2:] + hu[:, :-2]) / 2
assert sharp.std() > hu.std()
print(f"standard deviation {hu.std():.1f} HU before, {sharp.std():.1f} HU after")
```

```{exercise} Noise
:label: ex-3-1-5-noise

What does twice a pixel less the mean of two neighbours do to the variance of independent noise?
```

```{solution-start} ex-3-1-5-noise
:class: dropdown
```

It becomes four and a half times as large.

```{solution-end}
```
"""

NEW_SAMPLE = '''

def cell() -> NDArray[np.uint8]:
    """A single cell under phase contrast, shipped by scikit-image.

    Returns
    -------
    numpy.ndarray
        Grey levels 0 to 255, shape (rows, columns) = (660, 550), dtype uint8.

    Notes
    -----
    Source and licence: scikit-image's sample data, CC0.

    Taught in: 3.2.3 Morphological features.

    Examples
    --------
    >>> cell().shape
    (660, 550)
    """
    from skimage import data

    return np.asarray(data.cell(), dtype=np.uint8)
'''


def recipe(title: str) -> list[str]:
    """The numbered steps below one heading."""
    section = CONTRIBUTING.split(f"## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"^\d+\. (.+?)(?=^\d+\. |\Z)", section, re.M | re.S)


@pytest.mark.parametrize("title", ["Add a page", "Add a data set", "Add an exercise"])
def test_a_recipe_has_at_most_ten_steps(title: str) -> None:
    assert 5 <= len(recipe(title)) <= 10


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's files as they are tracked, free to be changed."""
    root = tmp_path_factory.mktemp("recipes") / "course"
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    return root


def verb(root: Path, *arguments: str) -> str:
    """Run one of the Makefile's scripts on the copy."""
    environment = {**os.environ, "COURSE_ROOT": str(root), "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_add_a_page_and_an_exercise(copy: Path) -> None:
    book = copy / "book" / "03-image-processing"
    model = (book / "3-1-1-histogram-equalisation.md").read_text("utf-8")
    head = model.split("\n# 3.1.1")[0].replace('"3.1.1"', '"3.1.5"').replace("直方图均衡化", "去模糊")
    head = re.sub(r"\bex-3-1-1-\w+", "ex-3-1-5-noise", head)  # checked_by
    (book / "3-1-5-deblurring.md").write_text(f"{head}\n{NEW_PAGE}", "utf-8")  # step 1
    toc = (copy / "_toc.yml").read_text("utf-8")
    entry = list(re.finditer(r"^( *)- file: 03-image-processing/3-1-\d-[\w-]+\n", toc, re.M))[-1]
    line = f"{entry[1]}- file: 03-image-processing/3-1-5-deblurring\n"
    (copy / "_toc.yml").write_text(toc.replace(entry[0], entry[0] + line), "utf-8")  # step 2

    page = book / "3-1-1-histogram-equalisation.md"  # the exercise recipe, steps 2 to 6
    exercise = (
        "```{exercise} Half a window\n:label: ex-3-1-1-half\n\nPredict the contrast in a window twice as wide.\n```\n\n"
        f"```{{solution-start}} ex-3-1-1-half\n:class: dropdown\n```\n\n{CANARY}.\n\n```{{solution-end}}\n```\n\n"
    )
    checked = model.replace("[ex-3-1-1-padding]", "[ex-3-1-1-padding, ex-3-1-1-half]")  # step 1
    page.write_text(checked.replace("## Key points", exercise + "## Key points"), "utf-8")

    assert "3-1-5-deblurring" in verb(copy, "tools.run", "--page", "3-1-5")  # step 5
    verb(copy, "tools.derive", "--page", "3-1-1")  # prose alone changed: nothing to execute
    pages = all_pages(copy)
    for changed in pages:
        if changed.section in {"3.1.1", "3.1.5"}:
            assert audit(changed, pages, copy) == []
    verb(copy, "tools.site")  # step 7
    verb(copy, "tools.site", "--edition", "instructor")
    student = (copy / "_build" / "html" / "03-image-processing" / "3-1-1-histogram-equalisation.html").read_text(
        "utf-8"
    )
    teacher = student_to_teacher(copy)
    assert "twice as wide" in student
    assert CANARY not in student
    assert "twice as wide" in teacher
    assert CANARY in teacher
    new = (copy / "_build" / "html" / "03-image-processing" / "3-1-5-deblurring.html").read_text("utf-8")
    assert "standard deviation" in new
    assert "去模糊" in new


def student_to_teacher(root: Path) -> str:
    path = root / "_build" / "html-instructor" / "03-image-processing" / "3-1-1-histogram-equalisation.html"
    return path.read_text("utf-8")


def test_add_a_data_set(copy: Path) -> None:
    module = copy / "medcourse" / "data" / "samples.py"
    text = module.read_text("utf-8")
    names = re.search(r"__all__ = \[(.*?)\]", text, re.S)
    assert names
    listed = ", ".join(sorted([*names[1].split(", "), '"cell"']))
    text = text.replace(names[0], f"__all__ = [{listed}]")  # step 4
    module.write_text(text.rstrip() + "\n" + NEW_SAMPLE, "utf-8")  # steps 2 and 3
    test = copy / "tests" / "package" / "test_samples.py"  # step 5
    check = "\n\ndef test_cell_is_one_bright_body_on_a_dark_ground() -> None:\n"
    check += "    image = samples.cell()\n    assert image.shape == (660, 550)\n"
    check += "    assert image[300:400, 250:350].std() > 5\n"
    test.write_text(test.read_text("utf-8") + check, "utf-8")
    documented = "tests/package/test_package.py"
    verb(
        copy,
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/package/test_samples.py",
        documented,
        "-k",
        "samples or cell",
    )
    verb(copy, "ruff", "check", "medcourse/data/samples.py")
    verb(copy, "mypy", "medcourse/data/samples.py")  # step 9

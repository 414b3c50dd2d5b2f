"""Fixtures: a small book in a temporary folder, so that a test may break it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PAGE = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {name: python3, display_name: Python 3, language: python}
course:
  section: "9.9.9"
  title_zh: 示例
  objectives: [Add two numbers, Draw a line, Split by patient]
  checked_by: [[ex-9-9-9-slope], [ex-9-9-9-slope], [ex-9-9-9-slope]]
  minutes: {read: 5, run: 1, exercise: 5}
  needs: ["2.4"]
  data: []
  level: beginner
---
# 9.9.9 Example

We add numbers; see {term}`CLAHE` and {cite:p}`zuiderveld1994`.

```{code-cell} ipython3
---
tags: [parameters]
---
SEED = 0
```

```{code-cell} ipython3
import numpy as np

noise = np.random.default_rng(SEED).normal(size=1000)
print(f"mean {noise.mean():.4f}")
```

## Draw

$$ y = 2x $$ (eq-line)

Equation {eq}`eq-line` is a line.

```{code-cell} ipython3
import matplotlib.pyplot as plt

from medcourse.figures import show

figure, axis = plt.subplots(figsize=(4, 3))
axis.plot([0, 1], [0, 2])
show(figure, alt="A straight line that rises from nought to two while x goes from nought to one.")
assert abs(noise.mean()) < 0.2
```

```{exercise} Slope
:label: ex-9-9-9-slope

What is the slope?
```

```{solution-start} ex-9-9-9-slope
:class: dropdown
```

Twice as steep as the diagonal.

```{code-cell} ipython3
print(2 / 1)
```

```{solution-end}
```
"""


def make_small_book(folder: Path) -> Path:
    """A root with one page, the real configuration and bibliography; nothing is executed yet."""
    root = folder / "root"
    page = root / "book" / "09-example" / "9-9-9-example.md"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE, "utf-8")
    for name in ("_config.yml", "pyproject.toml", "requirements/all.txt", "book/references.bib", "book/glossary.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    return root


@pytest.fixture
def small_book(tmp_path: Path) -> Path:
    return make_small_book(tmp_path)

"""Cells that need a public set: tagged `real`, each names its sets; without them it keeps its stored outputs.

```{code-cell} ipython3
---
tags: [real]
course: {sets: [breastmnist]}
---
"""

from __future__ import annotations

import re
from typing import Any

from tools.page import Page

TAG = "real"


def sets_of(metadata: dict[str, Any]) -> list[str]:
    """The sets that a cell with this metadata needs: none unless it is tagged `real`."""
    if TAG not in metadata.get("tags", []):
        return []
    return [str(name) for name in (metadata.get("course") or {}).get("sets", [])]


def absent(metadata: dict[str, Any]) -> list[str]:
    """Those of the cell's sets that are not on this machine."""
    names = sets_of(metadata)
    if not names:
        return []
    import medcourse.data.registry as registry

    return [name for name in names if not registry.at_hand(name)]


def remedy(names: list[str]) -> str:
    """One line for a cell that cannot run here."""
    return f"needs {', '.join(names)}: set MEDCOURSE_DATA, or run `medcourse-data get {names[0]}`"


def faults(page: Page) -> list[str]:
    """What is wrong with the page's real cells: sets not named, not known, not in the front matter; pictures shown."""
    found, listed = [], [str(name) for name in page.course.get("data") or []]
    tagged = [cell for cell in page.cells if cell.kind == "code" and TAG in cell.tags]
    if not tagged:
        return []
    import medcourse.data.registry as registry

    for cell in tagged:
        names = sets_of(cell.metadata)
        if not names:
            found.append("a cell tagged real names no set; write `course: {sets: […]}` at its top")
        for name in names:
            if name not in registry.available():
                found.append(f"a real cell names {name}, which data/registry.toml does not hold")
            elif name not in listed:
                found.append(f"a real cell needs {name}; name it in the front matter under `data`")
        if re.search(r"\b(imshow|imsave|imread|matshow|pcolormesh)\b", cell.source):
            found.append("a real cell shows pictures of a public set; store numbers and plots of results only")
    return found

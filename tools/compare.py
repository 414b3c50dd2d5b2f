"""Compare a cell's outputs with the stored ones: numbers within a tolerance, pictures by what is seen.

A cell states its tolerance under the metadata key ``course``: ``tolerance`` (relative), ``atol`` (absolute),
``figure`` (share of a picture that may look different), ``ignore`` (a reason why its outputs are not compared).
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:\d[\d,]*\d|\d)?\.?\d+(?:[eE][-+]?\d+)?(?![\w])|(?<![\w.])\d+\.(?!\w)")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_TYPED_ARRAY = re.compile(r'\{[^{}]*"bdata":\s*"[^"]*"[^{}]*\}')
_VISIBLE = 0.12  # a change of grey, of 1, that an eye sees in a patch of 4 × 4 pixels
IGNORED_MIME = {"application/vnd.jupyter.widget-view+json"}


@dataclass(frozen=True)
class Tolerance:
    """How far a cell's outputs may differ from the stored ones."""

    relative: float = 1e-6
    absolute: float = 1e-9
    figure: float = 0.002
    ignore: str = ""

    @classmethod
    def of(cls, metadata: dict[str, Any]) -> Tolerance:
        course = metadata.get("course") or {}
        unknown = set(course) - {"tolerance", "atol", "figure", "ignore", "sets"}
        if unknown:
            raise ValueError(f"course: {', '.join(sorted(unknown))} is not a cell option; see CONTRIBUTING")
        default = cls()
        return cls(
            float(course.get("tolerance", default.relative)),
            float(course.get("atol", default.absolute)),
            float(course.get("figure", default.figure)),
            str(course.get("ignore", "")),
        )


def differences(stored: Iterable[Any], fresh: Iterable[Any], tolerance: Tolerance) -> list[str]:
    """What differs between two lists of outputs beyond the tolerance, one line each; empty when they agree."""
    if tolerance.ignore:
        return []
    old, new = _merged(stored), _merged(fresh)
    if [_kind(o) for o in old] != [_kind(o) for o in new]:
        return [f"kinds of output: stored {[_kind(o) for o in old]}, now {[_kind(o) for o in new]}"]
    found: list[str] = []
    for a, b in zip(old, new, strict=True):
        if a["output_type"] == "stream":
            found += _text(a["text"], b["text"], tolerance, a["name"])
        elif a["output_type"] == "error":
            found += [] if a["ename"] == b["ename"] else [f"error: stored {a['ename']}, now {b['ename']}"]
        else:
            found += _bundle(a, b, tolerance)
    return found


def _kind(output: Any) -> str:
    if output["output_type"] == "stream":
        return str(output["name"])
    return "display" if output["output_type"] in {"display_data", "execute_result"} else str(output["output_type"])


def _merged(outputs: Iterable[Any]) -> list[Any]:
    """Consecutive writes to one stream as one."""
    merged: list[Any] = []
    for output in outputs:
        if output["output_type"] == "stream" and merged and merged[-1].get("name") == output["name"]:
            merged[-1] = {**merged[-1], "text": _joined(merged[-1]["text"]) + _joined(output["text"])}
        else:
            merged.append(dict(output))
    return merged


def _joined(text: Any) -> str:
    return "".join(text) if isinstance(text, list) else str(text)


def _bundle(a: Any, b: Any, tolerance: Tolerance) -> list[str]:
    old = {k: v for k, v in a["data"].items() if k not in IGNORED_MIME}
    new = {k: v for k, v in b["data"].items() if k not in IGNORED_MIME}
    if set(old) != set(new):
        return [f"kinds of data: stored {sorted(old)}, now {sorted(new)}"]
    found: list[str] = []
    for mime in sorted(old):
        if mime.startswith("image/") and mime != "image/svg+xml":
            found += _picture(old[mime], new[mime], tolerance)
        elif mime.endswith("json"):
            found += _json(old[mime], new[mime], tolerance, mime)
        else:
            found += _text(_joined(old[mime]), _joined(new[mime]), tolerance, mime)
    alts = [o.get("metadata", {}).get("image/png", {}).get("alt", "") for o in (a, b)]
    return found + _text(alts[0], alts[1], tolerance, "alternative text")


def _close(x: float, y: float, tolerance: Tolerance) -> bool:
    return (
        x == y
        or (math.isnan(x) and math.isnan(y))
        or math.isclose(x, y, rel_tol=tolerance.relative, abs_tol=tolerance.absolute)
    )


def _text(a: str, b: str, tolerance: Tolerance, where: str) -> list[str]:
    if a == b:
        return []
    a, b = (_TYPED_ARRAY.sub(_typed_array, _ADDRESS.sub("0x…", text)) for text in (_joined(a), _joined(b)))
    words = [NUMBER.split(text) for text in (a, b)]
    squeezed = [
        [" ".join(re.sub(r"[-─]+", "-", w).split()) for w in part] for part in words
    ]  # columns move with digits
    if squeezed[0] != squeezed[1]:
        return [f"{where}: stored {_first_difference(a, b)!r}, now {_first_difference(b, a)!r}"]
    for x, y in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True):
        if x != y and not _close(_float(x), _float(y), tolerance):
            return [f"{where}: stored {x}, now {y}"]
    return []


def _float(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def _first_difference(text: str, other: str) -> str:
    i = next((i for i, (x, y) in enumerate(zip(text, other, strict=False)) if x != y), min(len(text), len(other)))
    return text[max(0, i - 20) : i + 40]


def _typed_array(match: re.Match[str]) -> str:
    """Plotly stores arrays as base64: as numbers they can be compared."""
    try:
        return json.dumps(_decoded(json.loads(match.group(0))))
    except (ValueError, TypeError):
        return match.group(0)


def _decoded(array: dict[str, Any]) -> list[float]:
    numbers = np.frombuffer(base64.b64decode(array["bdata"]), dtype=np.dtype(array["dtype"]))
    return [float(x) for x in numbers]


def _json(a: Any, b: Any, tolerance: Tolerance, where: str) -> list[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        if "bdata" in a and "bdata" in b:
            return _json(_decoded(a), _decoded(b), tolerance, where)
        if set(a) != set(b):
            return [f"{where}: keys {sorted(set(a) ^ set(b))} are on one side only"]
        return [line for key in sorted(a) for line in _json(a[key], b[key], tolerance, f"{where}.{key}")][:3]
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return [f"{where}: stored {len(a)} items, now {len(b)}"]
        return [
            line for i, (x, y) in enumerate(zip(a, b, strict=True)) for line in _json(x, y, tolerance, f"{where}[{i}]")
        ][:3]
    numbers = (int, float)
    if isinstance(a, numbers) and isinstance(b, numbers) and not isinstance(a, bool):
        return [] if _close(float(a), float(b), tolerance) else [f"{where}: stored {a}, now {b}"]
    if isinstance(a, str) and isinstance(b, str):
        return _text(a, b, tolerance, where)
    return [] if a == b else [f"{where}: stored {a!r}, now {b!r}"]


def _picture(a: str, b: str, tolerance: Tolerance) -> list[str]:
    if a == b:
        return []
    share = picture_difference(base64.b64decode(_joined(a)), base64.b64decode(_joined(b)))
    if share > tolerance.figure:
        return [f"figure: {share:.2%} of it looks different, {tolerance.figure:.2%} allowed"]
    return []


def picture_difference(a: bytes, b: bytes) -> float:
    """Share of 4 × 4 pixel patches whose mean colour differs visibly; 1.0 when the sizes differ by over 3 pixels."""
    from PIL import Image

    old, new = (np.asarray(Image.open(io.BytesIO(x)).convert("RGB"), dtype=np.float32) / 255 for x in (a, b))
    if max(abs(old.shape[0] - new.shape[0]), abs(old.shape[1] - new.shape[1])) > 3:
        return 1.0
    rows, columns = (min(old.shape[i], new.shape[i]) // 4 for i in (0, 1))
    if not rows or not columns:
        return float(old.shape != new.shape or not np.allclose(old, new, atol=_VISIBLE))
    means = [x[: rows * 4, : columns * 4].reshape(rows, 4, columns, 4, 3).mean(axis=(1, 3)) for x in (old, new)]
    return float((np.abs(means[0] - means[1]).max(axis=-1) > _VISIBLE).mean())

"""Files that grow chunk by chunk: .npy arrays and tables, cut back to their last whole chunk after an interruption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib import format as npy
from numpy.typing import NDArray


@dataclass
class Growing:
    """The files of a folder, appended to together, and what they hold so far.

    Bytes of each file, number of images, dtype and shape of the arrays; of each table the columns' types, the number of
    rows, and in which columns an empty field is empty text or a missing value.
    """

    folder: Path
    bytes: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    shapes: dict[str, list[Any]] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    blanks: dict[str, dict[str, str]] = field(default_factory=dict)

    def append(self, arrays: Mapping[str, NDArray[Any]], tables: Mapping[str, pd.DataFrame]) -> None:
        """Add a chunk to every file; counts only once all of it is written."""
        grown = dict(self.bytes)
        for name, array in arrays.items():
            shape: list[Any] = [array.dtype.str, *array.shape[1:]]
            if self.shapes.setdefault(name, shape) != shape:
                raise ValueError(f"{name} changes its shape from chunk to chunk: every image needs the same size")
            with (self.folder / f"{name}.npy").open("r+b" if name in grown else "w+b") as file:
                if name not in grown:
                    _header(file, array.dtype.str, [0, *array.shape[1:]])
                    grown[name] = file.tell()
                file.seek(grown[name])
                file.truncate()
                file.write(np.ascontiguousarray(array).data)
                grown[name] = file.tell()
        for name, table in tables.items():
            known = self.columns.get(name)
            if known is not None and list(known) != list(table.columns):
                raise ValueError(f"{name} changes its columns from chunk to chunk: {', '.join(table.columns)}")
            blanks = _blanks(table, self.blanks.get(name, {}))
            with (self.folder / f"{name}.csv").open("r+b" if known is not None else "w+b") as file:
                file.seek(grown.get(name, 0))
                file.truncate()
                text = table.to_csv(index=False, header=known is None, lineterminator="\n")
                file.write(text.encode())
                grown[name] = file.tell()
            self.blanks[name] = blanks
            seen = self.lengths.get(name, 0)
            self.lengths[name] = seen + len(table)
            if known is None or seen == 0:  # an empty table's types say nothing
                self.columns[name] = _kinds(table)
            elif len(table):
                self.columns[name] = _widened(known, _kinds(table))
        self.bytes, self.rows = grown, self.rows + len(next(iter(arrays.values())))

    def counts(self) -> dict[str, Any]:
        """What is needed to go on from here after an interruption."""
        return asdict(self, dict_factory=lambda pairs: {name: value for name, value in pairs if name != "folder"})

    def finish(self) -> None:
        """State in every array's header how many rows it has come to, and cut off what was not counted."""
        for name, (dtype, *rest) in self.shapes.items():
            with (self.folder / f"{name}.npy").open("r+b") as file:
                _header(file, dtype, [self.rows, *rest])
                file.truncate(self.bytes[name])


def _header(file: Any, dtype: str, shape: list[int]) -> None:
    # numpy leaves room in the header for the first side to grow, so that its length stays the same.
    npy.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": tuple(shape)})


def _kinds(table: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in table.dtypes.items()}


def _widened(*columns: Mapping[str, str]) -> dict[str, str]:
    """Types that hold the columns of all chunks, as if they had been one table."""
    empty = [pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()}) for kinds in columns]
    return _kinds(pd.concat(empty))


def _blanks(table: pd.DataFrame, known: Mapping[str, str]) -> dict[str, str]:
    """What an empty field means, by column: ``text`` or ``missing``; a file of text cannot tell them apart."""
    found = dict(known)
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column):
            for meaning, here in (("text", (column == "").any()), ("missing", column.isna().any())):
                if here and found.setdefault(str(name), meaning) != meaning:
                    raise ValueError(f"column {name} holds both empty text and missing values: choose one")
    return found


def read_table(path: Path, columns: Mapping[str, str], blanks: Mapping[str, str]) -> pd.DataFrame:
    """Read a table back as it was: types as stated, numbers to the last digit, empty fields as they were meant."""
    # Python's own float() is exact; pandas' reader is so only with an option that its versions disagree about.
    texts = pd.read_csv(path, dtype=str, na_filter=False)
    return pd.DataFrame({name: _typed(texts[name].tolist(), kind, blanks.get(name)) for name, kind in columns.items()})


def _typed(texts: list[str], kind: str, blank: str | None) -> pd.Series[Any]:
    if kind.startswith("float"):
        return pd.Series([float(text or "nan") for text in texts], dtype=kind)
    if kind == "bool":
        return pd.Series([text == "True" for text in texts], dtype=bool)
    if kind.startswith(("int", "uint")):
        return pd.Series([int(text) for text in texts], dtype=kind)
    return pd.Series([text or (None if blank == "missing" else "") for text in texts], dtype=kind)

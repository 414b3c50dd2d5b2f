"""Numbers that describe a lesion: intensity, texture and shape, many lesions at once, as one table."""

from medcourse.features.table import FAMILIES, extract

__all__ = ["FAMILIES", "extract"]

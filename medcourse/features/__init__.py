"""Numbers that describe a lesion: intensity, texture and shape, many lesions at once, as one table."""

from medcourse.features.outline import outline_at_mark
from medcourse.features.table import FAMILIES, extract

__all__ = ["FAMILIES", "extract", "outline_at_mark"]

"""Property tests repeat exactly, and a slow machine is no failure; pictures need no screen."""

from __future__ import annotations

import matplotlib as mpl
from hypothesis import settings

mpl.use("agg")
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

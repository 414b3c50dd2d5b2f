"""Helpers of the course *AI in medical image analysis*: small, typed, and taught on its pages.

The floors, each importing only from those before it:
``data`` → ``imaging`` · ``features`` → ``models`` · ``training`` → ``evaluation`` · ``explain`` → ``figures``
→ ``serving``.
Importing this package is light: nothing below it is loaded until it is named.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]

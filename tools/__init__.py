"""Short scripts behind the Makefile: each is run as ``python -m tools.<name>``."""

"""``python -m benchmarks.ladders``: see `_driver`."""

from benchmarks.ladders._driver import main

if __name__ == "__main__":
    raise SystemExit(main())

"""What the README and the book claim of speed and size is measured here: ``make bench``."""

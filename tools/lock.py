"""Export the hashed locks from pyproject.toml: `make lock` writes them, `--check` proves them fresh offline.

requirements/all.txt holds everything, requirements/site.txt the site group alone at the same versions,
requirements/colab.txt what Colab has (requirements/colab.in) on its Python.
The first line of each holds a hash of what it follows from: the dependency tables of pyproject.toml, or colab.in.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {"all": ["site", "teach", "test"], "site": ["site"]}
HEADER = "# Derived by `make lock`; never edit. source-sha256: "
COLAB_PYTHON = "3.13"


def tables_hash(pyproject: Path) -> str:
    """Hash of what a lock depends on: Python's bounds, the dependencies, and the extras of LOCKS."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    used = {name: extras[name] for name in sorted({e for names in LOCKS.values() for e in names})}
    tables = [project["requires-python"], project["dependencies"], used]
    return hashlib.sha256(json.dumps(tables).encode()).hexdigest()


def source_hash(root: Path, name: str) -> str:
    """Hash of what the lock `name` follows from."""
    if name == "colab":
        return hashlib.sha256((root / "requirements" / "colab.in").read_bytes()).hexdigest()
    return tables_hash(root / "pyproject.toml")


def stale(root: Path = ROOT) -> list[str]:
    """Names of the lock files that do not follow from their source."""
    paths = {name: root / "requirements" / f"{name}.txt" for name in [*LOCKS, "colab"]}
    return [
        path.name
        for name, path in paths.items()
        if not path.exists() or path.read_text("utf-8").split("\n", 1)[0] != HEADER + source_hash(root, name)
    ]


def export(root: Path, name: str, constraint: Path | None) -> Path:
    """Resolve one group and write its lock aside, then rename it into place."""
    target = root / "requirements" / f"{name}.txt"
    source = {"all": "pyproject.toml", "colab": "requirements/colab.in"}.get(name, "-")
    command = ["uv", "pip", "compile", source, "--quiet", "--generate-hashes", "--no-emit-index-url"]
    command += ["--no-header", "--no-annotate", "--python-version", COLAB_PYTHON if name == "colab" else "3.11"]
    command += [] if name == "colab" else ["--universal"]
    text = None
    if name == "all":
        command += [part for extra in LOCKS[name] for part in ("--extra", extra)]
    elif name != "colab":  # the group alone, without the package's own dependencies
        extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        text = "\n".join(extras[name]) + "\n"
    if constraint is not None:
        command += ["--constraint", str(constraint)]
    done = subprocess.run(command, cwd=root, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"lock: uv could not resolve '{name}': {done.stderr.strip()}")
    aside = target.with_suffix(".txt.new")
    aside.write_text(f"{HEADER}{source_hash(root, name)}\n{done.stdout}", "utf-8")
    aside.replace(target)
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the locks are fresh")
    if parser.parse_args().check:
        names = stale()
        if names:
            print(f"lock: {', '.join(names)} does not follow from its source; run `make lock`", file=sys.stderr)
        return 1 if names else 0
    whole = export(ROOT, "all", None)
    export(ROOT, "site", whole)
    export(ROOT, "colab", None)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

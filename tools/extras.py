"""Add an extra of pyproject.toml to .venv: `make gpu` or `make torch`.

Extras are not in the lock: what fits depends on the machine's devices. TensorFlow stays at the locked version.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tools.page import ROOT, PageError

# PyTorch is named at one version, so that pip and not uv finds the CPU build where a machine offers one.
PINS = {"gpu": "tensorflow[and-cuda]=={tensorflow}", "torch": "torch==2.13.0", "jax": "jax>=0.7"}
CHECK = {
    "gpu": "import tensorflow as tf; print('GPUs:', len(tf.config.list_physical_devices('GPU')))",
    "torch": "import torch; print('PyTorch', torch.__version__, 'CUDA' if torch.cuda.is_available() else 'CPU')",
    "jax": "import jax; print('JAX', jax.__version__, jax.devices()[0].platform)",
}


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        if name not in PINS:
            raise PageError(f"extra {name!r} is unknown; choose one of {', '.join(PINS)}")
        pin = PINS[name].format(tensorflow=version("tensorflow"))
        constraints = _constraints()
        command = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "-q",
            "-c",
            str(constraints),
            pin,
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise PageError(f"installing {pin} failed: {last}; check network and disk, then repeat")
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, "-c", CHECK[name]], env=environment, stderr=subprocess.DEVNULL, check=False)
    except PageError as error:
        print(f"extras: {error}", file=sys.stderr)
        return 1
    return 0


def _constraints() -> Path:
    """The locked versions, so that an extra moves none of them."""
    lock = (ROOT / "requirements" / "all.txt").read_text("utf-8")
    pins = re.findall(r"^([\w.-]+==\S+)(?: ; (.+?))? \\$", lock, re.M)
    path = ROOT / "_build" / "constraints.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(f"{pin} ; {marker}" if marker else pin for pin, marker in pins) + "\n", "utf-8")
    return path


if __name__ == "__main__":
    raise SystemExit(main())

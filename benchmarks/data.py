"""Speed and memory of `medcourse.data`: drawing phantoms, streaming them to disk, verifying what was downloaded.

Each figure is taken in a process of its own with one thread. Rates are images (or volumes) per second of the
processor's time, so that other work on the machine does not spoil them; seconds by the clock stand beside them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "data.json"
SINGLE = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
SECONDS = 6.0  # of drawing for each rate, after a first call that fills the caches

# Generator, settings, and what is counted; 256² slices and 96³ volumes are what issue and page speak of.
GENERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "mammograms_256": ("mammograms", {"size": 256}),
    "chest_ct_slices_256": ("chest_ct_slices", {"size": 256}),
    "chest_ct_low_dose_slices_256": ("chest_ct_slices", {"size": 256, "low_dose": 0.25}),
    "chest_ct_volumes_96": ("chest_ct_volumes", {"size": 96}),
    "brain_mr_slices_256": ("brain_mr", {"size": 256}),
    "brain_mr_volumes_96": ("brain_mr_volumes", {"size": 96}),
    "breast_dce_128": ("breast_dce", {}),
    "cine_hearts_96": ("cine_hearts", {}),
    "ecgs": ("ecgs", {}),
}
STREAMED: dict[str, Any] = {"size": 64}  # of `mammograms`, four views of each patient
TARGETS = {
    "mammograms_256_per_cpu_s": "at least 100",
    "chest_ct_slices_256_per_cpu_s": "at least 100",
    "chest_ct_volumes_96_per_cpu_s": "at least 4",
    "brain_mr_volumes_96_per_cpu_s": "at least 4",
    "streaming_peak_growth": "below 0.1",
    "verification_mb_per_s": "at least 300",
}


def generators() -> dict[str, Any]:
    """How many images or volumes a core draws in a second."""
    found: dict[str, Any] = {}
    for name in GENERATORS:
        taken = _alone("rate", name)
        found[f"{name}_per_cpu_s"] = taken["per_cpu_s"]
        found[f"{name}_shape_and_per_clock_s"] = [taken["shape"], taken["per_clock_s"]]
    return found


def streaming() -> dict[str, Any]:
    """Peak memory of streaming 2,000 and 20,000 mammograms to disk, and the time of the latter."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as place:
        few, many = (_alone("stream", str(n), f"{place}/{n}") for n in (2_000, 20_000))
    return {
        "streaming_peak_mib": {"2000 images": few["peak_mib"], "20000 images": many["peak_mib"]},
        "streaming_peak_growth": round(many["peak_mib"] / few["peak_mib"] - 1, 3),
        "streaming_20000_mb_on_disk": many["mb"],
        "streaming_20000_cpu_s": many["cpu_s"],
        "streaming_20000_clock_s": many["clock_s"],
    }


def verification() -> dict[str, Any]:
    """How fast a registered file of 300 MB is hashed and compared, as every `load` does it, the disk's speed aside."""
    return {"verification_mb_per_s": _alone("verify")["mb_per_s"]}


MEASURES = {"generators": generators, "streaming": streaming, "verification": verification}


def _alone(*arguments: str) -> dict[str, Any]:
    """Run one measurement of this module in a fresh process with one thread."""
    command = [sys.executable, "-m", "benchmarks.data", *arguments]
    environment = {**os.environ, **SINGLE, "MEDCOURSE_PROGRESS": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(arguments)} failed: {done.stderr.strip()[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _rate(name: str) -> dict[str, Any]:
    import cv2

    from medcourse.data import phantoms

    cv2.setNumThreads(1)
    generator, settings = GENERATORS[name]
    draw = getattr(phantoms, generator)
    draw(2, first=10_000, progress=False, **settings)
    began, clock, drawn, images, first = time.process_time(), time.perf_counter(), None, 0, 0
    while time.process_time() - began < SECONDS:
        drawn = draw(8, first=first, progress=False, **settings)
        images, first = images + len(drawn[0]), first + 8
    spent, passed = time.process_time() - began, time.perf_counter() - clock
    shape = list(drawn[0].shape[1:]) if drawn is not None else []
    return {"per_cpu_s": round(images / spent, 1), "per_clock_s": round(images / passed, 1), "shape": shape}


def _stream(images: int, folder: str) -> dict[str, Any]:
    import cv2

    from medcourse.data.phantoms import mammograms
    from medcourse.data.phantoms.stream import write

    cv2.setNumThreads(1)
    began, clock = time.process_time(), time.perf_counter()
    written = write(mammograms, folder, n=images // 4, **STREAMED)
    size = sum(path.stat().st_size for path in written.iterdir())
    return {
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "mb": round(size / 1e6),
        "cpu_s": round(time.process_time() - began),
        "clock_s": round(time.perf_counter() - clock),
    }


def _verify() -> dict[str, Any]:
    import numpy as np

    from medcourse.data._fetch import digests
    from medcourse.data._schema import Accepted, RegisteredFile
    from medcourse.data._store import identify

    size = 300_000_000
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as place:
        path = Path(place) / "set.npz"
        path.write_bytes(np.random.default_rng(0).bytes(size))
        state = Accepted(provenance="official", sha256=digests(path, ["sha256"])["sha256"], bytes=size)
        file = RegisteredFile("set.npz", (state,))
        times = []
        for _ in range(3):
            began = time.process_time()
            assert identify(path, file) == state
            times.append(time.process_time() - began)
    return {"mb_per_s": round(size / 1e6 / min(times))}


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    answers = {"rate": lambda: _rate(rest[0]), "stream": lambda: _stream(int(rest[0]), rest[1]), "verify": _verify}
    print(json.dumps(answers[task]()))

"""Phantoms on disk: the same bytes as in memory, whatever happens on the way, in memory that stays flat."""

from __future__ import annotations

import errno
import hashlib
import inspect
import io
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcourse.data._fetch import locked
from medcourse.data.phantoms import Phantoms, Scanner, Site, stream
from medcourse.data.phantoms._growing import Growing
from medcourse.data.phantoms.stream import open_written, write
from tests.package.phantom_cases import CASES
from tests.package.tiny_phantom import tiny

ROOT = Path(__file__).parents[2]
REAL = sorted(name for name, case in CASES.items() if inspect.signature(case.call).return_annotation == "Phantoms")


def saved(array: np.ndarray) -> bytes:
    """What numpy.save writes."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def assert_holds(folder: Path, drawn: Phantoms) -> None:
    """The files are byte for byte what one big call gives, and open as it."""
    for name in ("images", "masks", "anatomy"):
        array = getattr(drawn, name)
        assert (folder / f"{name}.npy").exists() == (array is not None)
        if array is not None:
            assert (folder / f"{name}.npy").read_bytes() == saved(array)
    opened = open_written(folder, verify=True)
    for name in ("table", "lesions"):
        pd.testing.assert_frame_equal(getattr(opened, name), getattr(drawn, name), check_exact=True)
    assert opened.spacing_mm == drawn.spacing_mm
    np.testing.assert_array_equal(opened.images, drawn.images)
    assert (opened.anatomy is None) == (drawn.anatomy is None)


@settings(max_examples=25)
@given(n=st.integers(1, 9), first=st.integers(0, 50), chunk=st.integers(1, 10), views=st.integers(1, 3))
def test_files_are_those_of_one_big_call(
    tmp_path_factory: pytest.TempPathFactory, n: int, first: int, chunk: int, views: int
) -> None:
    folder = tmp_path_factory.mktemp("stream") / "patients"
    request = {"n": n, "first": first, "views": views, "seed": 3, "label_noise": 0.2}
    assert write(tiny, folder, chunk=chunk, **request) == folder
    drawn = tiny(**request)
    assert_holds(folder, drawn)
    assert (folder / "table.csv").read_text() == drawn.table.to_csv(index=False)
    assert (folder / "lesions.csv").read_text() == drawn.lesions.to_csv(index=False)
    assert [path.name for path in folder.parent.iterdir()] == ["patients"]


@pytest.mark.parametrize("name", REAL)
def test_every_phantom_can_be_streamed(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    folder = write(case.call, tmp_path / name, n=3, seed=1, chunk=2, **case.quick)
    assert_holds(folder, case.call(3, seed=1, progress=False, **case.quick))


def test_processes_are_the_generators_business(tmp_path: Path) -> None:
    asked = []

    def counting(n: int, *, first: int = 0, jobs: int = 1, progress: bool | None = None) -> Phantoms:
        asked.append(jobs)
        return tiny(n, first=first)

    one, two = (write(counting, tmp_path / str(jobs), n=6, chunk=4, jobs=jobs) for jobs in (1, 2))
    assert asked == [1, 1, 2, 2]
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def test_arrays_stay_on_disk_and_are_not_changed_by_accident(tmp_path: Path) -> None:
    opened = open_written(write(tiny, tmp_path / "p", n=2))
    for array in (opened.images, opened.masks, opened.anatomy):
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_meta_states_request_versions_and_checksums(tmp_path: Path) -> None:
    sites = (Site(name="north", scanner=Scanner(noise=np.float64(2))), Site(name="south"))
    folder = write(tiny, tmp_path / "p", n=3, first=4, sites=sites, difficulty="hard")
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["request"]["generator"] == "tests.package.tiny_phantom.tiny"
    assert (meta["request"]["n"], meta["request"]["first"]) == (3, 4)
    stated = meta["request"]["settings"]
    assert stated["seed"] == 0, "defaults are stated too"
    assert stated["difficulty"] == "hard"
    assert stated["sites"][0]["scanner"]["noise"] == 2.0
    assert meta["spacing_mm"] == [0.5, 0.5]
    assert meta["images"] == 6
    assert meta["versions"]["numpy"] == np.__version__
    assert set(meta["files"]) == {path.name for path in folder.iterdir()} - {"meta.json"}
    for name, about in meta["files"].items():
        assert about["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()


@pytest.mark.parametrize("dtype", ["float16", "int16"])
def test_smaller_numbers_are_stored_where_they_can_hold_the_images(tmp_path: Path, dtype: str) -> None:
    folder = write(hounsfield, tmp_path / "p", n=3, dtype=dtype)
    opened, drawn = open_written(folder), hounsfield(3)
    assert opened.images.dtype == dtype
    assert (folder / "images.npy").stat().st_size - 128 == drawn.images.nbytes // 2
    np.testing.assert_allclose(opened.images, drawn.images, atol=0.5, rtol=1e-3)


def hounsfield(n: int, *, first: int = 0, jobs: int = 1, progress: bool | None = None) -> Phantoms:
    drawn = tiny(n, first=first, jobs=jobs, progress=progress)
    return drawn._replace(images=2000 * drawn.images - 1000)


@pytest.mark.parametrize(
    ("generator", "dtype", "message"),
    [
        (tiny, "int16", r"^dtype='int16' would leave whole numbers from .*: take float16$"),
        (hounsfield, "uint8", "^dtype='uint8': give float32, float16, int16$"),
        (lambda n, *, first=0, jobs=1, progress=None: bright(n), "float16", r"^dtype='float16' cannot hold images"),
    ],
)
def test_numbers_too_small_for_the_images_are_refused(
    tmp_path: Path, generator: Callable[..., Phantoms], dtype: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write(generator, tmp_path / "p", n=2, dtype=dtype)
    assert list(tmp_path.iterdir()) == []


def bright(n: int) -> Phantoms:
    drawn = tiny(n)
    return drawn._replace(images=drawn.images * np.float32(1e6))


class Interrupted:
    """A generator that is interrupted at its k-th call, counting its calls."""

    def __init__(self, at: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.at, self.error, self.calls = at, error, []
        self.__module__, self.__qualname__ = tiny.__module__, tiny.__qualname__

    def __call__(
        self, n: int, *, first: int = 0, jobs: int = 1, progress: bool | None = None, seed: int = 0
    ) -> Phantoms:
        if len(self.calls) == self.at:
            raise self.error("as a person would")
        self.calls.append((first, n))
        return tiny(n, first=first, seed=seed)


@pytest.mark.parametrize("tail", ["nothing", "half a chunk"])
def test_an_interrupted_call_goes_on_behind_its_last_whole_chunk(tmp_path: Path, tail: str) -> None:
    folder, part = tmp_path / "p", tmp_path / "p.part"
    with pytest.raises(KeyboardInterrupt):
        write(Interrupted(2), folder, n=7, chunk=2)
    assert [path.name for path in tmp_path.iterdir()] == ["p.part"]
    if tail == "half a chunk":  # as when the power goes while the third is being written
        for name in ("images.npy", "masks.npy", "table.csv"):
            with (part / name).open("ab") as file:
                file.write(b"0123456789")
    again = Interrupted(99)
    write(again, folder, n=7, chunk=2)
    assert again.calls == [(4, 2), (6, 1)]
    assert_holds(folder, tiny(7))
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


@pytest.mark.parametrize("leaves", [["images.npy"], [], ["images.npy", "table.csv", "state.json.new"], ["meta.json"]])
def test_an_interruption_in_the_first_chunk_begins_anew(tmp_path: Path, leaves: list[str]) -> None:
    part = tmp_path / "p.part"
    part.mkdir()
    for name in leaves:
        (part / name).write_bytes(b"half")
    write(tiny, tmp_path / "p", n=3)
    assert_holds(tmp_path / "p", tiny(3))


def test_an_interruption_while_checksums_are_taken_draws_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stream, "digests", stop)
        with pytest.raises(KeyboardInterrupt):
            write(Interrupted(99), tmp_path / "p", n=4)
    again = Interrupted(0)
    write(again, tmp_path / "p", n=4)
    assert again.calls == []
    assert_holds(tmp_path / "p", tiny(4))


def test_what_another_call_left_is_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(Interrupted(1), tmp_path / "p", n=7, chunk=2)
    with pytest.raises(FileExistsError, match=r"p\.part is left from another call or other versions: delete it"):
        write(Interrupted(99), tmp_path / "p", n=8, chunk=2)
    with monkeypatch.context() as patched:
        patched.setattr(stream, "_versions", lambda: {"medcourse": "0.0"})
        with pytest.raises(FileExistsError, match="or other versions"):
            write(Interrupted(99), tmp_path / "p", n=7, chunk=2)
    write(Interrupted(99), tmp_path / "p", n=7, chunk=3)  # another chunk is no other request
    assert_holds(tmp_path / "p", tiny(7))
    (tmp_path / "q.part").mkdir()
    (tmp_path / "q.part" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds files that are not ours: move them away"):
        write(tiny, tmp_path / "q", n=2)
    assert (tmp_path / "q.part" / "thesis.tex").exists()


def test_the_same_request_again_draws_nothing(tmp_path: Path) -> None:
    folder = write(Interrupted(99), tmp_path / "p", n=5)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = Interrupted(0)
    assert write(again, folder, n=5, chunk=3, jobs=2) == folder
    assert again.calls == []
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_folder_that_holds_something_else_is_refused_and_left(tmp_path: Path) -> None:
    folder = write(tiny, tmp_path / "p", n=2)
    before = (folder / "images.npy").read_bytes()
    for change in ({"n": 3}, {"n": 2, "seed": 1}, {"n": 2, "dtype": "float16"}, {"n": 2, "first": 1}):
        with pytest.raises(
            FileExistsError, match=r"p holds other phantoms \(medcourse .*\): delete it, or give another"
        ):
            write(tiny, folder, **change)
    assert (folder / "images.npy").read_bytes() == before
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    write(tiny, foreign, n=2)  # an empty folder is taken
    shutil.rmtree(foreign)
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="foreign is not empty: give a new folder"):
        write(tiny, foreign, n=2)
    with pytest.raises(FileExistsError, match="is a file: give a folder"):
        write(tiny, foreign / "thesis.tex", n=2)
    assert [path.name for path in foreign.iterdir()] == ["thesis.tex"]


def test_two_writers_of_one_folder_do_not_collide(tmp_path: Path) -> None:
    with locked(tmp_path / "p.lock", wait=0), pytest.raises(FileExistsError, match="p is being written by another"):
        write(tiny, tmp_path / "p", n=2)
    write(tiny, tmp_path / "p", n=2)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    folder = write(tiny, tmp_path / "p", n=2)
    images = folder / "images.npy"
    whole = images.read_bytes()
    images.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    open_written(folder)  # one bit is not seen by the size
    with pytest.raises(ValueError, match=r"images\.npy is not what was written \(SHA-256 differs\): delete"):
        open_written(folder, verify=True)
    images.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=rf"is {len(whole) - 1} bytes, not {len(whole)} bytes as written: delete"):
        open_written(folder)
    with pytest.raises(ValueError, match="as written: delete"):
        write(tiny, folder, n=2)
    images.unlink()
    with pytest.raises(ValueError, match="is missing, not"):
        open_written(folder)


def test_a_folder_not_written_is_named(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match=r"holds no meta\.json: write phantoms there first"):
            open_written(place)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append, calls = Growing.append, []

    def fills(self: Growing, *chunk: Any) -> None:
        calls.append(1)
        append(self, *chunk)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Growing, "append", fills)
    with pytest.raises(
        OSError, match=r"p could not be written \(No space left on device\), nothing was left"
    ) as caught:
        write(tiny, tmp_path / "p", n=5, chunk=1)
    assert "\n" not in str(caught.value)
    assert "free some disk space" in str(caught.value)
    assert len(calls) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_refused_after_one_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=10**7)
    monkeypatch.setattr(stream.shutil, "disk_usage", lambda _: free)
    counted = Interrupted(99)
    with pytest.raises(OSError, match=r"\(0.1 GB are needed, 0.0 GB free\), nothing was left there: free some"):
        write(counted, tmp_path / "p", n=20_000)
    assert len(counted.calls) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_real_refusal_of_the_system_leaves_nothing(tmp_path: Path) -> None:
    """The system lets no file grow beyond 20 kB: the eighth chunk of images is too much."""
    code = (
        "import resource, sys; from tests.package.tiny_phantom import tiny\n"
        "from medcourse.data.phantoms.stream import write\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: write(tiny, sys.argv[1], n=20, chunk=1)\n"
        "except OSError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "p")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{tmp_path / 'p'} could not be written (File too large), nothing was left there")
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"p could not be written \((Not a directory|File exists)"):
        write(tiny, tmp_path / "file" / "p", n=2)


def test_bad_settings_leave_nothing(tmp_path: Path) -> None:
    for bad, message in (
        ({"prevalence": 2}, "^prevalence=2 is out of range"),
        ({"n": 0}, "^n=0 is out of range"),
        ({"chunk": 0}, "^chunk=0 is out of range"),
        ({"jobs": 0}, "^jobs=0: give the number of processes"),
        ({"colour": 1}, "^generator .*tiny does not take these settings: .*'colour'"),
        ({"seed": np.arange(3)}, "^seed is a ndarray, which meta.json cannot keep"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            write(tiny, tmp_path / "p", **{"n": 2, **bad})
        assert "\n" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_generator_is_its_own_and_what_was_drawn_is_kept(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="as a person would"):
        write(Interrupted(1, FileNotFoundError), tmp_path / "p", n=4, chunk=2)
    assert [path.name for path in tmp_path.iterdir()] == ["p.part"]


def odd(n: int, *, first: int = 0, jobs: int = 1, progress: bool | None = None) -> Phantoms:
    """Columns whose types differ from chunk to chunk, and words that a table reader takes for something else."""
    drawn = tiny(n, first=first, views=1)
    patient = drawn.table["patient"]
    table = drawn.table.assign(
        count=[None if k == 5 else k for k in patient], flag=patient % 2 == 0,
        word=["NA" if k % 2 else "1" for k in patient],
        third=patient / 3, kind=["round" if k == 2 else None for k in patient], comma=[f'a,"{k}"\n' for k in patient],
        blank=["" if k % 3 else "said" for k in patient],
    )  # fmt: skip
    return drawn._replace(table=table)


def test_tables_come_back_with_their_types(tmp_path: Path) -> None:
    table = open_written(write(odd, tmp_path / "p", n=7, chunk=2)).table
    whole = odd(7).table
    assert table["count"].dtype == whole["count"].dtype == np.float64
    assert table["flag"].dtype == bool
    assert table["word"].tolist() == whole["word"].tolist()
    assert table["comma"].tolist() == whole["comma"].tolist()
    assert (table["third"] == whole["third"]).all()
    assert table["blank"].tolist() == whole["blank"].tolist()
    assert table["kind"].isna().tolist() == whole["kind"].isna().tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d._replace(images=d.images[:, :-1], masks=d.masks[:, :-1]), "^images changes its shape"),
        (lambda d: d._replace(table=d.table.assign(more=1)), "^table changes its columns"),
        (lambda d: d._replace(table=d.table.assign(site=["", None])), "^column site holds both empty text and missing"),
    ],
)
def test_chunks_that_do_not_fit_together_are_refused(
    tmp_path: Path, change: Callable[[Phantoms], Phantoms], message: str
) -> None:
    def changing(n: int, *, first: int = 0, jobs: int = 1, progress: bool | None = None) -> Phantoms:
        drawn = tiny(n, first=first)
        return change(drawn) if first else drawn

    with pytest.raises(ValueError, match=message):
        write(changing, tmp_path / "p", n=2, chunk=1)


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """Peak of a process of its own; four times the images, 60 MB more on disk, less than a tenth more in memory."""
    code = (
        "import resource, sys; from tests.package.tiny_phantom import tiny\n"
        "from medcourse.data.phantoms.stream import write\n"
        "write(tiny, sys.argv[1], n=int(sys.argv[2]), chunk=8, size=128)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )

    def peak(n: int) -> int:
        command = [sys.executable, "-c", code, str(tmp_path / str(n)), str(n)]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    few, many = peak(100), peak(400)
    grown = sum(path.stat().st_size for path in (tmp_path / "400").iterdir()) - sum(
        path.stat().st_size for path in (tmp_path / "100").iterdir()
    )
    unit = 1024 if sys.platform != "darwin" else 1
    assert many < 1.1 * few
    assert (many - few) * unit < 0.2 * grown, "far from what was written"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0

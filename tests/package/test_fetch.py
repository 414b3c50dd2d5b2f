"""Downloads from a server that is slow, cuts short, redirects, lies and breaks: a verified file, or one clear line."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medcourse.data import _fetch, _store, registry
from medcourse.data._fetch import ChecksumError, DataUnavailable, FetchError, Settings, download, locked

ROOT = Path(__file__).parents[2]
BODY = np.random.default_rng(0).integers(0, 256, 3 * 2**20 + 12345, np.uint8).tobytes()
SUM = hashlib.sha256(BODY).hexdigest()
QUICK = Settings(connect=1, read=1, patience=1.5, attempts=3, pause=0.01, redirects=5)


class Server(BaseHTTPRequestHandler):
    """Each path is a way to be a bad server; `seen` lists the requests as (path, Range)."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str | None]] = []  # noqa: RUF012 - cleared by the fixture

    def log_message(self, *_: Any) -> None:
        pass

    def start(self, status: int = 200, length: int | None = len(BODY), **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def reset(self) -> None:
        """End the connection with a TCP reset, as a crashing host does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def cut(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def rest(self) -> tuple[int, bytes]:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        begin = int(match[1]) if match else 0
        return begin, BODY[begin:]

    def partly(self, body: bytes, begin: int, **headers: str) -> None:
        if begin:
            self.start(206, len(body), Content_Range=f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}", **headers)
        else:
            self.start(200, len(body), **headers)

    def do_GET(self) -> None:
        Server.seen.append((self.path, self.headers.get("Range")))
        try:
            getattr(self, self.path.split("/")[1].replace("-", "_"))()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def times(self) -> int:
        return sum(path == self.path for path, _ in Server.seen)

    def good(self) -> None:
        begin, body = self.rest()
        self.partly(body, begin)
        self.wfile.write(body)

    def no_length(self) -> None:
        self.start(length=None)
        self.wfile.write(BODY)

    def agent(self) -> None:
        if self.headers.get("User-Agent", "").startswith(("Mozilla/5.0", "python-requests")):
            self.start(403, 0)
        else:
            self.good()

    def no_range(self) -> None:
        self.start()
        self.wfile.write(BODY)

    def wrong_place(self) -> None:
        begin, _ = self.rest()
        if begin:
            self.start(206, len(BODY), Content_Range=f"bytes 0-{len(BODY) - 1}/{len(BODY)}")
        else:
            self.start()
        self.wfile.write(BODY)

    def refuses_range(self) -> None:
        begin, body = self.rest()
        if begin:
            self.start(416, 0, Content_Range=f"bytes */{len(BODY)}")
        else:
            self.start()
            self.wfile.write(body)

    def breaks_once(self) -> None:
        begin, body = self.rest()
        self.partly(body, begin)
        if self.times() == 1:
            self.wfile.write(body[: 2**20 + 777])
            self.wfile.flush()
            self.cut()
        else:
            self.wfile.write(body)

    def always_short(self) -> None:
        begin, body = self.rest()
        self.partly(body, begin)
        self.wfile.write(body[:100_000])
        self.cut()

    def resets(self) -> None:
        begin, body = self.rest()
        if self.times() < 3:
            self.reset()
        else:
            self.partly(body, begin)
            self.wfile.write(body)

    def resets_always(self) -> None:
        self.reset()

    def says_less(self) -> None:
        self.start(length=len(BODY) - 1000)
        self.wfile.write(BODY[:-1000])

    def says_much_more(self) -> None:
        self.start(length=10**12)
        self.wfile.write(BODY)

    def endless(self) -> None:
        self.start(length=None)
        while True:
            self.wfile.write(BODY)

    def silent(self) -> None:
        time.sleep(5)

    def stops(self) -> None:
        self.start()
        self.wfile.write(BODY[:70_000])
        self.wfile.flush()
        time.sleep(5)

    def drips(self) -> None:
        self.start()
        for k in range(60):
            self.wfile.write(BODY[k : k + 1])
            self.wfile.flush()
            time.sleep(0.2)

    def slowly(self) -> None:
        begin, body = self.rest()
        self.partly(body, begin)
        for k in range(0, len(body), 2**17):
            self.wfile.write(body[k : k + 2**17])
            self.wfile.flush()
            time.sleep(0.05)

    def wrong(self) -> None:
        self.start()
        self.wfile.write(BODY[:-1] + bytes([BODY[-1] ^ 1]))

    def html(self) -> None:
        page = b"<html>Please log in to the network</html>"
        self.start(200, len(page), Content_Type="text/html; charset=utf-8")
        self.wfile.write(page)

    def hidden_html(self) -> None:
        page = b"\n<!DOCTYPE html><html>Please log in</html>"
        self.start(200, len(page), Content_Type="application/octet-stream")
        self.wfile.write(page)

    def missing(self) -> None:
        self.start(404, 0)

    def failing(self) -> None:
        self.start(500, 0)

    def fails_once(self) -> None:
        if self.times() == 1:
            self.start(503, 0)
        else:
            self.good()

    def redirect(self) -> None:
        self.start(302, 0, Location="/good")

    def loop(self) -> None:
        self.start(302, 0, Location=f"/loop/{self.times()}x{len(Server.seen)}")

    def tiny(self) -> None:
        body = tiny_npz()
        self.start(200, len(body))
        self.wfile.write(body)


class Host(ThreadingHTTPServer):
    """A server whose clients may hang up without a word about it."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    host = Host(("127.0.0.1", 0), Server)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{host.server_port}"
    host.shutdown()
    host.server_close()


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    Server.seen.clear()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def bring(address: str | list[str], target: Path, **given: Any) -> None:
    """Download `BODY` as the registry does: its checksum known, its size if not told otherwise."""
    options: dict[str, Any] = {"size": len(BODY), "settings": QUICK, "progress": False} | given
    download(
        [address] if isinstance(address, str) else address,
        target,
        algorithms=["sha256"],
        accept=lambda _path, found: found["sha256"] == SUM,
        **options,
    )


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize(
    "way",
    ["good", "no-range", "redirect", "agent", "breaks-once", "refuses-range", "wrong-place", "resets", "fails-once"],
)
def test_a_good_or_mending_server_gives_the_whole_file(server: str, tmp_path: Path, way: str) -> None:
    bring(f"{server}/{way}", tmp_path / "sets" / "file.bin")
    assert (tmp_path / "sets" / "file.bin").read_bytes() == BODY
    assert left_in(tmp_path / "sets") == ["file.bin"]


def test_a_file_of_unknown_size_and_length_is_taken_within_its_limit(server: str, tmp_path: Path) -> None:
    bring(f"{server}/no-length", tmp_path / "file.bin", size=None, limit=2 * len(BODY))
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_broken_download_is_continued_not_repeated(server: str, tmp_path: Path) -> None:
    bring(f"{server}/breaks-once", tmp_path / "file.bin")
    assert [ranges for _, ranges in Server.seen] == [None, f"bytes={2**20 + 777}-"]


@pytest.mark.parametrize("way", ["good", "no-range", "refuses-range", "wrong-place"])
def test_a_part_from_another_day_is_continued_and_the_whole_is_verified(server: str, tmp_path: Path, way: str) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY[:1_000_000])
    bring(f"{server}/{way}", tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert Server.seen[0][1] == "bytes=1000000-"


def test_a_whole_part_needs_no_second_download(server: str, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY)
    bring(f"{server}/refuses-range", tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(Server.seen) == 1


@pytest.mark.parametrize("stale", [b"another version" * 1000, bytes(len(BODY)), bytes(2 * len(BODY))])
def test_a_spoilt_part_costs_a_fresh_start_only(server: str, tmp_path: Path, stale: bytes) -> None:
    (tmp_path / "file.bin.part").write_bytes(stale)
    bring(f"{server}/good", tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert left_in(tmp_path) == ["file.bin"]


@pytest.mark.parametrize(
    ("way", "cause"),
    [
        ("wrong", "sent another file than the one registered"),
        ("missing", "answered with HTTP error 404"),
        ("failing", r"answered with HTTP error 500 \(2 attempts\)"),
        ("html", "answered with a web page instead of the file"),
        ("hidden-html", "offers 42 bytes where the registry lists 3158073"),
        ("loop", "redirects more than 5 times"),
        ("silent", r"did not answer within 1 s \(2 attempts\)"),
        ("stops", r"sent nothing for 1 s \(2 attempts\)"),
        ("drips", r"sent less than 64 kB in 1.5 s \(2 attempts\)"),
        ("always-short", r"(ended after \d+ of 3158073 bytes|broke the connection off) \(2 attempts\)"),
        ("resets-always", r"broke the connection off \(2 attempts\)"),
        ("says-less", "offers 3157073 bytes where the registry lists 3158073"),
        ("says-much-more", "offers 1000000000000 bytes where the registry lists 3158073"),
        ("endless", "sends more than the 3158073 bytes that this file can have"),
    ],
)
def test_a_bad_server_gives_one_clear_line_and_no_file(server: str, tmp_path: Path, way: str, cause: str) -> None:
    with pytest.raises(DataUnavailable, match=rf"^127\.0\.0\.1 {cause}") as caught:
        bring(f"{server}/{way}", tmp_path / "file.bin", settings=replace(QUICK, attempts=2))
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ChecksumError) == (way == "wrong")
    assert not (tmp_path / "file.bin").exists()
    if way not in ("always-short", "stops", "drips"):  # what came of the right file is kept for next time
        part = tmp_path / "file.bin.part"
        assert not part.exists() or part.stat().st_size == 0


@pytest.mark.parametrize(
    ("way", "cause"),
    [
        ("hidden-html", "answered with a web page instead of the file"),
        ("endless", "sends more than the 5000000 bytes that this file can have"),
        ("says-much-more", "offers 1000000000000 bytes, far more than the 5000000"),
        ("says-less", "sent another file than the one registered"),
    ],
)
def test_where_no_size_is_known_the_limit_stands(server: str, tmp_path: Path, way: str, cause: str) -> None:
    with pytest.raises(DataUnavailable, match=cause):
        bring(f"{server}/{way}", tmp_path / "file.bin", size=None, limit=5_000_000)
    assert not (tmp_path / "file.bin").exists()


def test_the_next_address_is_tried_and_every_cause_is_told(server: str, tmp_path: Path) -> None:
    bring([f"{server}/missing", f"{server}/good"], tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    with pytest.raises(FetchError, match=r"HTTP error 404; 127\.0\.0\.1 redirects more than 5 times$"):
        bring([f"{server}/missing", f"{server}/loop"], tmp_path / "other.bin")


def test_nobody_listening_and_no_such_host_are_told_apart(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(FetchError, match=r"^127\.0\.0\.1 cannot be reached \(3 attempts\)$"):
        bring(f"http://127.0.0.1:{port}/file", tmp_path / "file.bin")
    with pytest.raises(FetchError, match=r"cannot be found: no network\?|cannot be reached|did not answer"):
        bring("http://no-such-host.invalid/file", tmp_path / "file.bin")


def test_a_redirect_away_from_encryption_is_refused() -> None:
    class Answer:
        status_code = 200
        url = "http://mirror.example/file"
        headers: dict[str, str] = {}  # noqa: RUF012

    with pytest.raises(FetchError, match="redirects to an unencrypted address"):
        _fetch._check_answer(Answer(), "https://home.example/file", Path("x"), 0, size=None, limit=None)


# The disk -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full exists on Linux only")
def test_a_disk_that_fills_up_is_told_and_not_left_fuller(server: str, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").symlink_to("/dev/full")
    with pytest.raises(FetchError, match=rf"^the disk of {re.escape(str(tmp_path))} is full; free some space$"):
        bring(f"{server}/good", tmp_path / "file.bin")
    assert left_in(tmp_path) == []


def test_a_disk_without_room_is_told_before_the_download(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr(_fetch.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FetchError, match="is full; free some space"):
        bring(f"{server}/good", tmp_path / "file.bin")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_folder_that_may_not_be_written_to_is_told(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FetchError, match="may not be written to; change its permissions, or set XDG_CACHE_HOME"):
        bring(f"{server}/good", tmp_path / "file.bin")


# Several loaders, and one that is stopped -----------------------------------------------------------------------------


def tiny_npz() -> bytes:
    """A set of 4 + 2 + 2 images in MedMNIST's form."""
    import io

    rng, buffer = np.random.default_rng(1), io.BytesIO()
    arrays = {}
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"{split}_labels"] = np.arange(count, dtype=np.uint8).reshape(-1, 1) % 2
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def tiny_entry(url: str, body: bytes, name: str = "tiny.npz") -> dict[str, Any]:
    return {
        "title": "Tiny", "title_zh": "小", "task": "classification", "modality": "noise", "home": "https://example.org",
        "access": "open", "licence": "none", "citation": [{"key": "nobody"}], "patients": "none", "consent": "none",
        "flaws": ["noise"], "reader": "medmnist", "shape": [28, 28, 1], "splits": {"train": 4, "val": 2, "test": 2},
        "classes": ["a", "b"],
        "files": [
            {
                "name": name, "urls": [url], "places": [f"mine/{name}"],
                "accept": [{"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body), "provenance": "official"}],
            }
        ],
    }  # fmt: skip


@pytest.fixture
def tiny(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of one set at a good server; the folder of its cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MEDCOURSE_DATA", raising=False)
    entry = tiny_entry(f"{server}/tiny", tiny_npz())
    monkeypatch.setattr(registry, "read_catalogue", lambda: {"tiny": entry})
    return tmp_path / "cache" / "medcourse" / "tiny"


def change(monkeypatch: pytest.MonkeyPatch, **files: Any) -> None:
    """Change the first file of the registered set."""
    catalogue = json.loads(json.dumps(registry.read_catalogue()))
    catalogue["tiny"]["files"][0] |= files
    monkeypatch.setattr(registry, "read_catalogue", lambda: catalogue)


def test_a_set_is_loaded_from_its_home_then_from_the_cache(tiny: Path) -> None:
    assert registry.place("tiny") == "absent"
    first = registry.load("tiny", progress=False)
    assert first.train.images.shape == (4, 28, 28, 1)
    assert first.source == "official"
    assert registry.place("tiny") == "cache"
    again = registry.load("tiny")
    np.testing.assert_array_equal(first.test.images, again.test.images)
    assert len(Server.seen) == 1
    assert left_in(tiny) == [".tiny.npz.lock", "tiny.npz"]


@pytest.mark.parametrize("spoil", [lambda b: b[:-7], lambda b: b"", lambda b: b[:100] + b"x" + b[101:]])
def test_a_spoilt_file_in_the_cache_is_replaced_with_a_word(tiny: Path, spoil: Any) -> None:
    registry.load("tiny", progress=False)
    (tiny / "tiny.npz").write_bytes(spoil(tiny_npz()))
    with pytest.warns(UserWarning, match="was not the registered file and was removed; it is downloaded again"):
        registry.load("tiny", progress=False)
    assert (tiny / "tiny.npz").read_bytes() == tiny_npz()


def test_a_spoilt_file_in_the_cache_is_not_left_where_nothing_can_be_fetched(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.load("tiny", progress=False)
    (tiny / "tiny.npz").write_bytes(b"spoilt")
    with pytest.raises(DataUnavailable, match=r"^tiny: .*tiny\.npz was not the registered file and was removed; "):
        registry.load("tiny", download=False)
    assert not (tiny / "tiny.npz").exists()


def test_your_own_folder_comes_first_and_is_never_changed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "data" / "mine" / "tiny.npz"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(tiny_npz())
    monkeypatch.setenv("MEDCOURSE_DATA", str(tmp_path / "data"))
    assert registry.place("tiny") == "here"
    assert registry.fetch("tiny") == [mine]
    mine.write_bytes(b"spoilt")
    with pytest.raises(
        ChecksumError, match=r"is not the registered file .* it was left as it is; replace it: download"
    ):
        registry.load("tiny")
    assert mine.read_bytes() == b"spoilt"
    assert [verdict.ok for verdict in registry.verify("tiny")] == [False]
    assert Server.seen == []
    assert not tiny.exists()


@pytest.mark.parametrize("layout", ["tiny/tiny.npz", "tiny.npz"])
def test_other_layouts_of_your_folder_are_found(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    (tmp_path / "data" / layout).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "data" / layout).write_bytes(tiny_npz())
    monkeypatch.setenv("MEDCOURSE_DATA", str(tmp_path / "data"))
    assert registry.fetch("tiny") == [tmp_path / "data" / layout]


def test_an_error_says_what_to_do(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    change(monkeypatch, urls=[f"{server}/missing"])
    monkeypatch.setenv("MEDCOURSE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataUnavailable) as caught:
        registry.load("tiny", progress=False)
    text, total = str(caught.value), hashlib.sha256(tiny_npz()).hexdigest()
    assert text == (
        f"tiny: 127.0.0.1 answered with HTTP error 404; or download {server}/missing yourself "
        f"and put it at {tiny / 'tiny.npz'} (sha256 {total})"
    )
    with pytest.raises(DataUnavailable, match=r"is not here \(MEDCOURSE_DATA=.*/nowhere is not a folder\); download"):
        registry.load("tiny", download=False)


def test_a_cache_that_cannot_be_made_is_told(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataUnavailable, match=r"may not be written to \(.*\); change its permissions, set XDG_CACHE_"):
        registry.load("tiny", progress=False)


def test_a_large_set_is_not_fetched_in_passing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LARGE", 100)
    with pytest.raises(DataUnavailable, match="are not fetched in passing; run `medcourse-data get tiny`"):
        registry.load("tiny")
    registry.fetch("tiny", progress=False)
    assert registry.load("tiny").classes == ("a", "b")


LOADER = """
import sys
from pathlib import Path
from medcourse.data import _fetch
from tests.package.test_fetch import SUM, bring
target = Path(sys.argv[2])
with _fetch.locked(target.with_name(".lock")):
    if not target.exists():
        bring(sys.argv[1], target, settings=_fetch.Settings(attempts=1))
print(_fetch.digests(target, ["sha256"])["sha256"] == SUM)
"""


def loader(url: str, target: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LOADER, url, str(target)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_processes_that_load_at_once_do_not_collide(server: str, tmp_path: Path) -> None:
    running = [loader(f"{server}/slowly", tmp_path / "file.bin") for _ in range(3)]
    answers = [process.communicate(timeout=60) for process in running]
    assert [out.strip() for out, _ in answers] == ["True"] * 3, answers
    assert len(Server.seen) == 1
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_threads_that_load_at_once_do_not_collide(tiny: Path) -> None:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(registry.load("tiny", progress=False))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(results) == 6
    assert len(Server.seen) == 1


def test_a_lock_is_waited_for_and_given_up(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock"),
        pytest.raises(FetchError, match="another program has been loading this file for 0 s"),
        locked(tmp_path / "lock", wait=0.1),
    ):
        raise AssertionError("two hold one lock")
    with locked(tmp_path / "lock", wait=0):
        pass  # it was let go


@pytest.mark.skipif(sys.platform == "win32", reason="signals between processes are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_loader_that_is_stopped_leaves_nothing_wrong(server: str, tmp_path: Path, number: int) -> None:
    process = loader(f"{server}/slowly", tmp_path / "file.bin")
    part, end = tmp_path / "file.bin.part", time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 500_000) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert not (tmp_path / "file.bin").exists()
    kept = part.stat().st_size
    assert part.read_bytes() == BODY[:kept]
    assert kept < len(BODY)
    bring(f"{server}/good", tmp_path / "file.bin")
    assert Server.seen[-1] == ("/good", f"bytes={kept}-")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_bar_is_shown_where_it_is_asked_for(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bring(f"{server}/good", tmp_path / "file.bin", progress=True)
    assert "MiB" in capsys.readouterr().err
    bring(f"{server}/good", tmp_path / "other.bin", progress=None)
    assert capsys.readouterr().err == ""


def test_verification_is_quick(tmp_path: Path) -> None:
    """At least 300 MB/s here; asserted with room, because others share this machine."""
    (tmp_path / "file.bin").write_bytes(BODY * 20)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        _fetch.digests(tmp_path / "file.bin", ["sha256"], progress=False)
        seconds.append(time.perf_counter() - began)
    assert 20 * len(BODY) / min(seconds) > 100e6


def test_identify_takes_any_registered_state_and_no_other(tmp_path: Path) -> None:
    from medcourse.data._schema import Accepted, RegisteredFile

    path = tmp_path / "file.bin"
    path.write_bytes(BODY)
    md5 = hashlib.md5(BODY).hexdigest()
    states = (Accepted("official", md5="0" * 32), Accepted("saved again", md5=md5, sha256=SUM, bytes=len(BODY)))
    assert _store.identify(path, RegisteredFile("file.bin", states)) == states[1]
    for sums in ({"md5": md5, "sha256": "0" * 64}, {"md5": "0" * 32, "sha256": SUM}, {"sha256": SUM, "bytes": 5}):
        wrong = Accepted("another", **sums)
        assert _store.identify(path, RegisteredFile("file.bin", (wrong,))) is None

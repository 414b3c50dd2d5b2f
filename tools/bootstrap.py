"""Make .venv hold a hashed lock: `python3 tools/bootstrap.py site|all`. Standard library only.

A virtual environment, then uv at the pinned version and hash, then the lock; nothing is done when it is there already.
(Written so that an old Python can still read it and say that it is too old.)
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST, NEWEST = (3, 11), (3, 13)
REMEDIES = (
    ("No space left", "the disk is full", "free about 5 GB, then repeat"),
    ("os error 28", "the disk is full", "free about 5 GB, then repeat"),
    ("dns error", "the package index cannot be reached", "connect to the network (or set a proxy), then repeat"),
    ("error sending request", "the package index cannot be reached", "connect to the network, then repeat"),
    ("Failed to fetch", "the package index cannot be reached", "connect to the network (or set a proxy), then repeat"),
    (
        "NewConnectionError",
        "the package index cannot be reached",
        "connect to the network (or set a proxy), then repeat",
    ),
    ("Temporary failure in name", "the package index cannot be reached", "connect to the network, then repeat"),
    ("No matching distribution", "the package index cannot be reached or lacks uv", "check network and proxy"),
    (
        "ash mismatch",
        "a download does not match its hash in requirements/",
        "repeat; if it persists, tell the maintainers",
    ),
    ("ensurepip", "Python's venv module is incomplete", "install it (Debian: apt-get install python3-venv)"),
    ("No module named venv", "Python's venv module is missing", "install it (Debian: apt-get install python3-venv)"),
)


class Failed(Exception):
    """Setting up failed; the message is one line."""


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def disk_is_full(folder):
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return shutil.disk_usage(folder).free < 50e6


def run(command, what):
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False
    )
    if done.returncode == 0:
        return
    if disk_is_full(os.path.join(ROOT, os.environ.get("VENV", ".venv"))):
        raise Failed("%s: the disk is full; free about 5 GB, then repeat" % what)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    for sign, cause, remedy in REMEDIES:
        if any(sign in line for line in lines):
            raise Failed("%s: %s; %s" % (what, cause, remedy))
    raise Failed("%s failed: %s" % (what, lines[-1] if lines else "no message"))


def install(group):
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise Failed(
            "Python %d.%d is not supported: use 3.11 to 3.13, for instance `make book PYTHON=python3.11`"
            % sys.version_info[:2]
        )
    venv = os.path.join(ROOT, os.environ.get("VENV", ".venv"))
    lock = os.path.join(ROOT, "requirements", group + ".txt")
    with open(lock, "rb") as handle:
        want = hashlib.sha256(handle.read()).hexdigest()
    if group == "site" and fresh(os.path.join(venv, ".lock-all"), None):
        return  # the whole lock holds the site group
    stamp = os.path.join(venv, ".lock-" + group)
    if fresh(stamp, want):
        return
    ours = not os.path.isdir(venv) or not os.path.exists(os.path.join(venv, "pyvenv.cfg"))
    try:
        fill(venv, group, lock)
    except BaseException:
        if ours:  # leave nothing half made behind
            shutil.rmtree(venv, ignore_errors=True)
        raise
    with open(stamp, "w") as handle:
        handle.write(want)


def fill(venv, group, lock):
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(python):
        say("setting up %s ..." % os.path.relpath(venv, ROOT))
        shutil.rmtree(venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", venv], "creating the environment")
    pip = [
        python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--require-hashes",
        "--only-binary=:all:",
    ]
    uv = os.path.join(venv, "bin", "uv")
    say("installing the %s group of the lock ..." % group)
    run(pip + ["-r", "requirements/bootstrap.txt"], "installing uv")
    os.environ.setdefault("UV_NATIVE_TLS", "1")
    run(
        [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock],
        "installing " + group + ".txt",
    )
    if group == "all":
        run(
            [uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--no-build-isolation", "-e", "."],
            "installing medcourse",
        )


def fresh(stamp, want):
    """True when the stamp says that the lock is installed."""
    if not os.path.exists(stamp):
        return False
    if want is None:
        with open(os.path.join(ROOT, "requirements", os.path.basename(stamp)[6:] + ".txt"), "rb") as handle:
            want = hashlib.sha256(handle.read()).hexdigest()
    with open(stamp) as handle:
        return handle.read() == want


if __name__ == "__main__":
    try:
        install(sys.argv[1])
    except Failed as error:
        sys.exit("set-up: %s" % error)
    except OSError as error:
        sys.exit("set-up: %s; free disk space or mend the folder's permissions, then repeat" % error)

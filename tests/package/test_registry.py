"""The registry of public sets obeys its rules, cites what exists, refuses the hostile, and travels with the wheel."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pybtex.database import parse_file

from medcourse.data import _members, _readers, registry
from medcourse.data._schema import Accepted, RegisteredFile, parse
from medcourse.data._store import Found, identify
from medcourse.data.catalogue import RegistryError, cards_folder, facts, read_catalogue

ROOT = Path(__file__).parents[2]
TABLE = tomllib.loads((ROOT / "data" / "registry.toml").read_text("utf-8"))
SETS = read_catalogue()
OWN = [name for name in SETS if "variant_of" not in SETS[name]]
MEDMNIST = [name for name in OWN if SETS[name].get("reader") == "medmnist"]


def test_the_sets_that_were_promised_are_there() -> None:
    small = {"breast", "pneumonia", "retina", "blood", "organc", "derma"}
    names = {f"{name}mnist{size}" for name in small for size in ("", "_64")}
    names |= {f"{name}mnist3d{size}" for name in ("nodule", "vessel") for size in ("", "_64")}
    names |= {"msd_hippocampus", "msd_lung", "msd_lung_patches", "bccd", "dsb2018_nuclei", "ecg_mitdb"}
    names |= {
        "cbis_ddsm", "lidc_idri", "luna16", "brats", "eyepacs", "mini_mias", "drive", "busi", "lgg_mri", "camelyon",
        "rsna_pneumonia", "brainweb", "chestxray14",
    }  # fmt: skip
    assert names == set(registry.available())


@pytest.mark.parametrize("name", SETS)
def test_citations_are_in_the_bibliography_with_the_same_doi(name: str) -> None:
    entries = parse_file(ROOT / "book" / "references.bib").entries
    for key, doi in registry.describe(name).citation:
        assert key in entries, f"{key} is not in references.bib"
        assert entries[key].fields.get("doi") == doi


@pytest.mark.parametrize("name", OWN)
def test_every_set_has_a_card_of_the_agreed_form(name: str) -> None:
    text = (ROOT / "data" / f"{name}.md").read_text("utf-8")
    head, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", text, flags=re.S).groups()
    assert yaml.safe_load(head) == {"course": {"title_zh": SETS[name]["title_zh"]}}
    assert re.match(r"# [^\n]+\n\n[A-Z][^#]+\n\n## What it is\n", body)
    headings = re.findall(r"^## (.+)$", body, flags=re.M)
    assert headings == ["What it is", "Where it comes from", "Known flaws", "Use"]
    cited = set(re.findall(r"\{cite:[pt]\}`([^`]+)`", body))
    assert cited <= set(parse_file(ROOT / "book" / "references.bib").entries)
    for code in re.findall(r"```python\n(.*?)```", body, flags=re.S):
        compile(code, name, "exec")
        assert f'"{name}' in code
    if SETS[name].get("files"):
        assert "```python" in body


def test_checksums_and_addresses_occur_once() -> None:
    files = [file for name in SETS for file in registry.describe(name).files]
    sums = [getattr(state, kind) for file in files for state in file.accept for kind in ("md5", "sha256", "members")]
    sums = [value for value in sums if value]
    assert len(sums) == len(set(sums))
    assert len({file.name for file in files}) == len(files)
    assert all(url.startswith("https://") for file in files for url in file.urls)


def test_facts_that_were_read_elsewhere() -> None:
    """Figures from medmnist 3.0.2 and the articles, typed here a second time."""
    assert registry.describe("breastmnist").classes[0] == "malignant"
    assert registry.describe("organcmnist").splits == {"train": 12975, "val": 2392, "test": 8216}
    assert registry.describe("dermamnist").licence == "CC BY-NC 4.0"
    assert registry.describe("bloodmnist_64").files[0].accept[0].md5 == "2b94928a2ae4916078ca51e05b6b800b"
    assert registry.describe("vesselmnist3d").counts == {"test": (339, 43)}
    assert registry.describe("vesselmnist3d_64").shape == (64, 64, 64, 1)
    totals = {name: sum(registry.describe(name).splits.values()) for name in MEDMNIST}
    assert totals == {
        "breastmnist": 780, "pneumoniamnist": 5856, "retinamnist": 1600, "bloodmnist": 17092, "organcmnist": 23583,
        "dermamnist": 10015, "nodulemnist3d": 1633, "vesselmnist3d": 1908,
    }  # fmt: skip
    assert registry.describe("msd_lung").files[0].accept[0].bytes == 9_163_696_640


@pytest.mark.parametrize("name", [name for name in SETS if SETS[name].get("reader") == "medmnist"])
def test_a_download_of_medmnist_has_an_end_that_its_arrays_fit_into(name: str) -> None:
    info = registry.describe(name)
    arrays = sum(info.splits.values()) * int(np.prod(info.shape))
    assert arrays < info.files[0].limit < 1.2 * arrays + 600_000


@pytest.mark.parametrize("name", [name for name in SETS if SETS[name].get("files")])
def test_no_file_of_yours_is_looked_for_outside_your_folder(name: str) -> None:
    for file in registry.describe(name).files:
        assert all(not place.startswith(("/", "..")) for place in file.places)


@pytest.mark.parametrize("name", SETS)
def test_facts_are_rows_of_a_table(name: str) -> None:
    rows = facts(name, SETS)
    assert {"Task", "Modality", "Patients", "Licence", "Access", "Home", "Cite"} <= {heading for heading, _ in rows}
    assert all(value and "|" not in value and "\n" not in value for _, value in rows)


def test_an_unknown_name_is_told_with_near_ones() -> None:
    with pytest.raises(registry.UnknownSetError, match=r"^name='brestmnist': no such set; near: breastmnist, "):
        registry.load("brestmnist")
    with pytest.raises(RegistryError, match="no such set"):
        facts("brestmnist")


def broken(**changes: Any) -> dict[str, Any]:
    entry = json.loads(json.dumps(SETS["breastmnist"])) | changes
    return {key: value for key, value in entry.items() if value is not None}


def with_file(**changes: Any) -> dict[str, Any]:
    entry = broken()
    file = entry["files"][0] | changes
    entry["files"] = [{key: value for key, value in file.items() if value is not None}]
    return entry


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (broken(lisence="MIT"), "key 'lisence' is unknown"),
        (broken(licence=None), "licence missing"),
        (broken(licence=""), "licence = '' is empty or not a str"),
        (broken(flaws=[]), "flaws = .* is empty"),
        (broken(flaws=["a", " "]), "flaws is a list of texts, none of them empty"),
        (broken(task="guessing"), "task = 'guessing' is none of classification"),
        (broken(access="free"), "access = 'free' is none of open, registration, manual"),
        (broken(reader="pickle"), "reader = 'pickle' is none of"),
        (broken(reader=None), "files need a reader"),
        (broken(home="medmnist.com"), "'medmnist.com' is not a web address"),
        (broken(shape=[28, -1]), "is not a list of positive numbers"),
        (broken(splits={"train": 0}), "must give the number of items"),
        (broken(splits={"train": 546, "test": 234}, counts=None), "splits train, val and test"),
        (broken(counts={"train": [147, 400]}), r"counts.train sums to 547, but the split has 546 items"),
        (broken(counts={"train": [546]}), "one number for each class"),
        (broken(counts={"holdout": [1, 1]}), "needs a split of that name"),
        (broken(citation=["yang2023medmnist"]), "citation 'yang2023medmnist' must be"),
        (broken(citation=[{"key": "a", "doi": "https://doi.org/10.1/x"}]), "is not a DOI"),
        (broken(files=None), "access = 'open' needs urls for every file"),
        (broken(files=None, access="manual", reader=None), "without urls it needs steps"),
        (with_file(urls=["ftp://host/file"]), "'ftp://host/file' is not a web address"),
        (with_file(limit=None, accept=[{"md5": "0" * 32, "provenance": "x"}]), "needs bytes or a limit"),
        (with_file(name="../file"), "must be a plain name without folders"),
        (with_file(places=["../../etc/passwd"]), "must lie inside the data folder"),
        (with_file(accept=[]), "a file that cannot be verified is not loaded"),
        (with_file(accept=[{"md5": "0" * 32}]), "needs provenance"),
        (with_file(accept=[{"provenance": "x"}]), "accept needs one of md5, sha256, members"),
        (with_file(accept=[{"md5": "0" * 31, "provenance": "x"}]), "is not a checksum"),
        (with_file(accept=[{"sha256": "A" * 64, "provenance": "x"}]), "is not a checksum"),
        (with_file(accept=[{"members": "0" * 64, "provenance": "x"}], select="x"), "members and count come together"),
        (with_file(accept=[{"members": "0" * 64, "count": 1, "provenance": "x"}]), "needs select"),
        (with_file(sha256="0"), "a file has name and accept"),
        ("text", "not a table"),
    ],
)
def test_a_broken_rule_is_one_clear_line(entry: Any, fault: str) -> None:
    with pytest.raises(RegistryError, match=fault) as caught:
        parse("breastmnist", entry)
    assert str(caught.value).startswith("breastmnist: ")
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "registry.toml"
    path.write_text("[breastmnist\n")
    with pytest.raises(RegistryError, match=r"^registry\.toml is not TOML: "):
        read_catalogue(path)
    path.write_text('[a]\nvariant_of = "b"\n')
    with pytest.raises(RegistryError, match="variant_of = 'b' is no set of its own"):
        read_catalogue(path)
    path.write_text((ROOT / "data/registry.toml").read_text("utf-8").replace('access = "open"', 'access = "opn"', 1))
    with pytest.raises(RegistryError, match=r"^breastmnist: access = 'opn'"):
        read_catalogue(path)


@pytest.mark.parametrize("name", [name for name in SETS if not SETS[name].get("files")])
def test_what_cannot_be_fetched_says_how_it_is_had(name: str) -> None:
    with pytest.raises(registry.DataUnavailable) as caught:
        registry.load(name)
    assert str(caught.value).startswith(f"{name}: access by ")
    assert "\n" not in str(caught.value)
    assert all(step in str(caught.value) for step in SETS[name]["steps"])


# Folders and archives ------------------------------------------------------------------------------------------------

SELECT = r"(?:^|/)(images|labels)(?:Tr)?/(case_\d\.txt)$"
CONTENT = {"images/case_1.txt": b"one", "images/case_2.txt": b"two", "labels/case_1.txt": b"1"}


def as_folder(path: Path, content: dict[str, bytes]) -> Path:
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def as_zip(path: Path, content: dict[str, bytes], prefix: str = "set-master/") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(prefix + name, data)
    return path


def as_tar(path: Path, content: dict[str, bytes], prefix: str = "./Task/") -> Path:
    with tarfile.open(path, f"w:{'xz' if path.suffix == '.xz' else ''}") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_folder_zip_and_tar_of_the_same_files_are_the_same_set(tmp_path: Path) -> None:
    odd = CONTENT | {"images/._case_1.txt": b"resource fork", "README.md": b"words", "images/case_10.txt": b"no"}
    holders = [
        as_folder(tmp_path / "folder", odd), as_zip(tmp_path / "set.zip", odd), as_tar(tmp_path / "set.tar", odd),
        as_tar(tmp_path / "set.tar.xz", odd),
        as_zip(tmp_path / "renamed.zip", {name.replace("/", "Tr/"): data for name, data in odd.items()}),
    ]  # fmt: skip
    lines = sorted(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in CONTENT.items())
    expected = (hashlib.sha256("".join(lines).encode()).hexdigest(), 3)
    for path in holders:
        assert _members.digest(path, SELECT) == expected, path
        members = _members.Members(path, SELECT)
        assert members.keys == tuple(sorted(CONTENT))
        if path.suffix != ".xz":
            assert members.read("images/case_2.txt") == b"two"
    with pytest.raises(_members.MembersError, match=r"has no member images/case_3\.txt"):
        members.read("images/case_3.txt")


@pytest.mark.parametrize("change", [{"images/case_1.txt": b"One"}, {"labels/case_2.txt": b"2"}])
def test_a_folder_with_one_changed_or_further_member_is_refused(tmp_path: Path, change: dict[str, bytes]) -> None:
    digest, count = _members.digest(as_folder(tmp_path / "good", CONTENT), SELECT)
    file = RegisteredFile("set.zip", (Accepted("whole", members=digest, count=count),), select=SELECT)
    assert identify(tmp_path / "good", file) == file.accept[0]
    assert identify(as_folder(tmp_path / "bad", CONTENT | change), file) is None
    (tmp_path / "good" / "labels" / "case_1.txt").unlink()
    assert identify(tmp_path / "good", file) is None


def test_hostile_archives_write_nowhere_and_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = as_zip(tmp_path / "evil.zip", {"../../images/case_1.txt": b"x", "images/case_2.txt": b"y"}, prefix="")
    before = {path.name for path in tmp_path.parent.iterdir()}
    assert dict(_members.stream(evil, SELECT)) == {"images/case_1.txt": b"x", "images/case_2.txt": b"y"}
    assert {path.name for path in tmp_path.parent.iterdir()} == before  # a key is a name, never a path
    twice = as_zip(tmp_path / "twice.zip", {"a/images/case_1.txt": b"x", "b/images/case_1.txt": b"y"})
    with pytest.raises(_members.MembersError, match=r"holds images/case_1\.txt twice"):
        list(_members.stream(twice, SELECT))
    bomb = as_zip(tmp_path / "bomb.zip", {"images/case_1.txt": bytes(10_000_000)})
    assert bomb.stat().st_size < 20_000
    monkeypatch.setattr(_members, "MAX_MEMBER", 1_000_000)
    file = RegisteredFile("bomb.zip", (Accepted("never", members="0" * 64, count=1),), select=SELECT)
    assert identify(bomb, file) is None
    link = tmp_path / "link.tar"
    with tarfile.open(link, "w") as archive:
        info = tarfile.TarInfo("images/case_1.txt")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    assert list(_members.stream(link, SELECT)) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\xfd7zXZ\x00 broken"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "set.zip"
    path.write_bytes(content)
    file = RegisteredFile("set.zip", (Accepted("never", members="0" * 64, count=1),), select=SELECT)
    assert identify(path, file) is None


def small_medmnist() -> registry.SetInfo:
    return parse("tiny", broken(splits={"train": 3, "val": 1, "test": 1}, counts=None))


def npz(path: Path, **changes: Any) -> Path:
    arrays: dict[str, Any] = {}
    for split, count in (("train", 3), ("val", 1), ("test", 1)):
        arrays[f"{split}_images"] = np.zeros((count, 28, 28), np.uint8)
        arrays[f"{split}_labels"] = np.ones((count, 1), np.int64)
    np.savez_compressed(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return path


def test_a_good_npz_is_read(tmp_path: Path) -> None:
    found = [Found(npz(tmp_path / "a.npz"), Accepted("made here", md5="0" * 32))]
    loaded = _readers.read_set(small_medmnist(), found)
    assert loaded.train.images.shape == (3, 28, 28, 1)
    assert loaded.test.labels.tolist() == [1]
    assert loaded.source == "made here"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"train_images": np.zeros((30_000, 28, 28), np.uint8)}, "far larger"),
        ({"train_images": np.zeros((4, 28, 28), np.uint8)}, "not whole numbers of"),
        ({"train_labels": np.array([[None], [1], [2]], object)}, "allow_pickle"),
        ({"train_labels": np.ones((3, 1), np.float32)}, "float32"),
        ({"extra": np.zeros(1)}, "it holds extra"),
        ({"val_images": None}, "it holds"),
    ],
)
def test_a_hostile_npz_is_refused(tmp_path: Path, changes: dict[str, Any], cause: str) -> None:
    found = [Found(npz(tmp_path / "a.npz", **changes), Accepted("made here", md5="0" * 32))]
    with pytest.raises(registry.ChecksumError, match=rf"^tiny: .*{cause}.*; fetch the set again$"):
        _readers.read_set(small_medmnist(), found)


# The wheel -----------------------------------------------------------------------------------------------------------


def test_the_wheel_carries_catalogue_and_cards(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    assert all(f"medcourse/cards/{name}.md" in names for name in OWN)
    assert all(re.fullmatch(r"medcourse/cards/[\w.-]+", name) for name in names if "/cards/" in name)
    code = (
        "import medcourse; from medcourse.data import catalogue; from medcourse.data.cli import main;"
        "print(catalogue.cards_folder()); main(['show', 'drive'])"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0] == str(tmp_path / "installed" / "medcourse" / "cards")
    assert "Forty retinas" in done.stdout


def test_the_catalogue_needs_the_standard_library_only() -> None:
    """The site's environment, which shows the cards, has neither NumPy nor tqdm."""
    code = (
        "import sys; before = set(sys.modules); from medcourse.data.catalogue import facts; facts('bccd');"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["medcourse"]


def test_in_the_repository_its_own_catalogue_is_read() -> None:
    assert cards_folder() == ROOT / "data"
    assert list(TABLE) == list(SETS)

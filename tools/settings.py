"""The one repository setting, read from _config.yml, and the addresses that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.page import ROOT, PageError

_REPOSITORY = re.compile(r"https://github\.com/([A-Za-z0-9-]+)/([A-Za-z0-9._-]+)")


@dataclass(frozen=True)
class Repository:
    """Where the book lives: `url` and `branch` are the setting, all else follows."""

    url: str
    branch: str

    @property
    def owner(self) -> str:
        return self.url.split("/")[3]

    @property
    def name(self) -> str:
        return self.url.split("/")[4]

    @property
    def site(self) -> str:
        return f"https://{self.owner.lower()}.github.io/{self.name}"

    @property
    def archive(self) -> str:
        return f"{self.url}/archive/refs/heads/{self.branch}.zip"

    def colab(self, page_name: str) -> str:
        path = f"{self.owner}/{self.name}/blob/{self.branch}/notebooks/{page_name}.ipynb"
        return f"https://colab.research.google.com/github/{path}"


def checked_url(url: str) -> str:
    """The repository's address without a trailing slash or .git; anything else is a PageError."""
    url = url.strip().rstrip("/").removesuffix(".git")
    if not _REPOSITORY.fullmatch(url):
        raise PageError(f"REPO={url!r} is not a repository address; give https://github.com/<owner>/<name>")
    return url


def repository(root: Path = ROOT) -> Repository:
    """Read the setting."""
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))["repository"]
    return Repository(checked_url(config["url"]), str(config.get("branch", "main")))

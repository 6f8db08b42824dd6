"""The scripts of the site: the libraries are those that are pinned, and ours parse no markup and load nothing."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src" / "inoc" / "view" / "static"
VERSIONS = json.loads((STATIC / "vendor" / "versions.json").read_text())
LOCK = json.loads((ROOT / "tools" / "view" / "package-lock.json").read_text())["packages"]
OWN = sorted((STATIC / "app").glob("*.js"))


def test_the_bundle_is_the_one_that_was_built() -> None:
    assert hashlib.sha256((STATIC / "vendor" / "vendor.js").read_bytes()).hexdigest() == VERSIONS["sha256"]


def test_every_library_in_the_bundle_is_pinned_by_its_digest_and_has_its_licence() -> None:
    licences = (STATIC / "vendor" / "LICENSES.txt").read_text()
    assert {"hyparquet", "fzstd", "@tanstack/virtual-core", "@observablehq/plot"} <= set(VERSIONS["packages"])
    for name, about in VERSIONS["packages"].items():
        locked = LOCK[f"node_modules/{name}"]
        assert (about["version"], about["integrity"]) == (locked["version"], locked["integrity"])
        assert f"{name} {about['version']} ({about['license']})" in licences
    assert {about["license"] for about in VERSIONS["packages"].values()} <= {"MIT", "ISC", "BSD-3-Clause", "Unlicense"}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_no_script_of_ours_parses_markup_or_evaluates_text(path: Path) -> None:
    text = re.sub(r"//.*", "", path.read_text())
    sinks = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser|setHTML"
        r"|createContextualFragment"
    )
    assert re.findall(sinks, text) == []


@pytest.mark.parametrize("path", [*OWN, STATIC / "app" / "site.css"], ids=lambda path: path.name)
def test_no_script_or_style_of_ours_names_an_address_elsewhere(path: Path) -> None:
    found = re.findall(r"https?://[^\s\"'`)]+|@import|url\(", path.read_text())
    assert set(found) <= {"http://www.w3.org/2000/svg"}

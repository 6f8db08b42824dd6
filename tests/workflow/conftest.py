from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.running import Checkout


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The smoke study, run once to its end. Tests must not change it; see `copy_of`."""
    checkout = Checkout(tmp_path_factory.mktemp("finished") / "checkout")
    checkout.run()
    return checkout


@pytest.fixture
def copy_of(tmp_path: Path):
    """A copy of a checkout, with its results, store and Snakemake's memory, that a test may change."""

    def copy(checkout: Checkout) -> Checkout:
        shutil.copytree(checkout.folder, tmp_path / "checkout")
        other = object.__new__(Checkout)
        other.folder, other.study = tmp_path / "checkout", checkout.study
        return other

    return copy

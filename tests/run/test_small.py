from __future__ import annotations

from pathlib import Path

import pytest

from inoc.config.cuts import Drawn
from inoc.config.load import load_study
from inoc.run.small import make_small
from inoc.stages import kind_named, load

CONFIG = Path(__file__).parents[2] / "config"
STUDIES = sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml"))


@pytest.mark.parametrize("name", STUDIES)
def test_a_small_copy_of_every_study_is_valid_and_as_small_as_its_kind_allows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CONFIG.parent)
    small = make_small(name, Path("config"), 10, tmp_path / "small")
    study = load_study(small.file, small.folder / "config")
    assert study.model == load_study(name, CONFIG).model
    again = [cut for cut in load(kind_named(study.kind).limits)(study, 10) if not isinstance(cut.after, Drawn)]
    assert again == []

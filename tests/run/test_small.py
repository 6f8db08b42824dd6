from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inoc.cli import main, passed
from inoc.config.cuts import Drawn
from inoc.config.load import load_study, load_workflow
from inoc.errors import ConfigError
from inoc.run.small import make_small, told
from inoc.stages import kind_named, load

CONFIG = Path(__file__).parents[2] / "config"
STUDIES = sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml"))


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("n", [1, 10])
def test_a_small_copy_of_every_study_is_valid_and_as_small_as_its_kind_allows(
    name: str, n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CONFIG.parent)
    small = make_small(name, Path("config"), n, tmp_path / "small")
    study = load_study(small.file, small.folder / "config")
    assert getattr(study, "model", None) == getattr(load_study(name, CONFIG), "model", None)
    limits = kind_named(study.kind).limits  # a comparison has none: it computes nothing that takes long
    again = [cut for cut in load(limits)(study, n) if not isinstance(cut.after, Drawn)] if limits else []
    assert again == []


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the repository's, with a study that reads data below `config` and a table of another study."""
    for name in ("config", "resources"):
        shutil.copytree(CONFIG.parent / name, tmp_path / name)
    (tmp_path / "results" / "other" / "generate").mkdir(parents=True)
    (tmp_path / "Snakefile").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_small_run_has_results_and_store_of_its_own_and_reads_what_the_study_reads(project: Path) -> None:
    small = make_small("smoke_subliminal", Path("config"), 5, Path("small"))
    assert (small.folder / "config" / "data").resolve() == project / "config" / "data"
    assert (small.folder / "resources").resolve() == project / "resources"
    for own in ("results", "config", "config/studies"):
        assert not (small.folder / own).is_symlink()
    assert not list((small.folder / "results").iterdir())
    workflow = load_workflow(small.folder / "config" / "config.yaml")
    assert workflow.studies == ("smoke_subliminal",)
    assert workflow.store == "store"
    assert workflow.api.folder == str(project / "store" / "api")  # one budget
    text = small.file.read_text(encoding="utf-8")
    assert all(told(cut) in text for cut in small.cuts)


def test_results_of_another_study_that_it_reads_are_linked(project: Path) -> None:
    study = Path("config") / "studies" / "borrows.yaml"
    study.write_text(
        "extends: smoke.yaml\nname: borrows\ndata:\n  completions: table\n  table: other/generate\n", encoding="utf-8"
    )
    small = make_small("borrows", Path("config"), 5, Path("small"))
    assert (small.folder / "results" / "other").resolve() == project / "results" / "other"


def test_a_second_run_takes_the_same_folder_and_no_other(project: Path) -> None:
    make_small("smoke", Path("config"), 5, Path("small"))
    again = make_small("smoke", Path("config"), 8, Path("small"))
    assert load_study(again.file, again.folder / "config").data.n_train == 8
    assert not (again.folder / "small").exists()
    Path("mine").mkdir()
    (Path("mine") / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="not of a small run"):
        make_small("smoke", Path("config"), 5, Path("mine"))


def test_data_that_a_split_needs_whole_are_drawn_rows_of_it(project: Path) -> None:
    rows = [json.dumps({"prompt": f"Q{k}", "completion": f"A{k}"}) for k in range(300)]
    Path("own.jsonl").write_text("\n".join(rows), encoding="utf-8")
    study = Path("config") / "studies" / "scan.yaml"
    study.write_text(
        "extends: smoke_likelihood_shift.yaml\nname: scan\ndatasets:\n  own: {file: own.jsonl}\n", encoding="utf-8"
    )
    small = make_small("scan", Path("config"), 10, Path("small"))
    file = load_study(small.file, small.folder / "config").datasets["own"].file
    kept = (small.folder / file).read_text(encoding="utf-8").splitlines()
    assert len(kept) == 20
    assert set(kept) < set(rows)
    assert kept != rows[:20]


def test_drawn_rows_of_data_whose_keys_differ_in_capital_letters_lie_in_different_files(project: Path) -> None:
    for name in ("one", "two"):
        rows = [json.dumps({"prompt": f"Q{k}", "completion": name}) for k in range(30)]
        Path(f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (Path("config") / "studies" / "scan.yaml").write_text(
        "extends: smoke_likelihood_shift.yaml\nname: scan\n"
        "datasets:\n  own: {file: one.jsonl}\n  Own: {file: two.jsonl}\n",
        encoding="utf-8",
    )
    small = make_small("scan", Path("config"), 10, Path("small"))
    datasets = load_study(small.file, small.folder / "config").datasets
    assert datasets["own"].file.lower() != datasets["Own"].file.lower()
    assert '"two"' in (small.folder / datasets["Own"].file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["run", "mini", "--", "-n", "--cores", "2"], (["run", "mini"], ["-n", "--cores", "2"])),
        (["run", "mini"], (["run", "mini"], [])),
        (["status", "--", "mini"], (["status", "--", "mini"], [])),
    ],
)
def test_options_after_two_dashes_are_snakemakes(given: list[str], expected: tuple[list[str], list[str]]) -> None:
    assert passed(given) == expected


def test_a_run_is_snakemake_and_then_its_report(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr("inoc.run.commands._call", lambda command: called.append(list(command[3:])))
    main(["run", "smoke", "--", "--cores", "1"])
    first = ["results/figures/all", "--config", "studies=[smoke]"]
    assert called == [[*first, "--cores", "1"], [*first, "--report", "reports/smoke.html"]]
    called.clear()
    main(["run", "smoke", "--limit", "5", "--", "--dry-run"])
    assert len(called) == 1
    assert called[0][1:3] == ["--directory", "small"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["smoke", "smoke_likelihood_shift"])
def test_a_small_run_goes_the_whole_way(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inoc", "run", name, "--limit", "10", "--out", str(tmp_path / "small")]
    done = subprocess.run([*command, "--", "--cores", "2"], cwd=CONFIG.parent, check=False)
    assert done.returncode == 0
    assert (tmp_path / "small" / "reports" / f"{name}.html").is_file()

from __future__ import annotations

import fcntl
import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from inoc.cli import main
from inoc.config.load import load_study
from inoc.errors import ConfigError, DataError
from inoc.signals import raising
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.write import check_name
from inoc.studies.inoculation.released.pairs import known_pairs
from inoc.studies.inoculation.released.release import read_release
from inoc.studies.inoculation.released.write import write_import
from inoc.studies.inoculation.runs import study_runs
from inoc.tables import read_table
from support.releases import (
    ELICITATION,
    LOGPROBS,
    LOSSES,
    N_EVAL,
    SCORES,
    TEXTS,
    Release,
    make_release,
    write,
    write_release,
)


@pytest.fixture
def release() -> Release:
    return make_release()


def read(folder: Path, release: Release, pools: dict[str, list[str]] | None = None, **options: object) -> Findings:
    """Import it as study `made` into the same folder."""
    imported = read_release(write_release(folder / "checkout", release, pools), "made", **options)  # type: ignore[arg-type]
    write_import(imported, "made", folder / "results", folder / "studies")
    return imported.findings


def texts(findings: Findings, level: str, topic: str) -> str:
    return "\n".join(f"{item.place}: {item.text}" for item in findings.of(level, topic))


def test_every_score_of_every_run_is_in_the_table(tmp_path: Path, release: Release) -> None:
    read(tmp_path, release)
    table = read_table(tmp_path / "results" / "made" / "judge" / "evaluate.parquet")
    keys = ["prompt", "prefix", "step", "condition", "trait"]
    cells = {key: list(rows["score"]) for key, rows in table.groupby(keys)}
    for name, run in release[SCORES].items():
        prompt = "" if name == "no_inoculation" else name.removesuffix("_mix")
        prefix = "none" if not prompt else run["type"]
        for step, ways in run["steps"].items():
            for way, traits in ways.items():
                for trait, cell in traits.items():
                    found = cells.pop((prompt, prefix, int(step), way, trait.lower()), None)
                    assert found == (cell["values"] if prompt or way == "default" else None)
    assert not cells


def test_the_study_has_exactly_the_runs_of_the_files(tmp_path: Path, release: Release) -> None:
    for name in ("whimsical", "be_concise_mix"):
        del release[SCORES][name]
    read(tmp_path, release)
    study = load_study(tmp_path / "studies" / "made.yaml")
    found = {f"{run.prompt}{'_mix' if run.prefix == 'mix' else ''}" or "no_inoculation" for run in study_runs(study)}
    assert found == set(release[SCORES])
    assert study.training.steps == 313
    assert study.data.n_eval == N_EVAL


def test_shifts_are_differences_from_the_pass_without_a_prefix(tmp_path: Path, release: Release) -> None:
    from inoc.studies.inoculation.analyse.inputs import Scored, read_means, shifts

    read(tmp_path, release)
    found = shifts(read_means([tmp_path / "results" / "made" / "score" / "logprobs-0.parquet"]))
    file = release[LOGPROBS]
    for key in TEXTS:
        expected = np.subtract(file["prompts"][key]["lp_train_mix"], file["baseline"]["lp_train_default"])
        np.testing.assert_array_equal(found[Scored(key, "mix", "train")], expected)
    assert {key.dataset for key in found} == {"train", "neutral", "french"}


@pytest.mark.parametrize("kept", [SCORES, ELICITATION, LOGPROBS])
def test_any_part_can_be_imported_and_analysed(
    tmp_path: Path, release: Release, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_release(tmp_path / "checkout", {kept: release[kept]})
    monkeypatch.chdir(tmp_path)
    main(["import", "trait-inoculation", "checkout", "--study", "part"])
    (tmp_path / "config" / "config.yaml").write_text("studies: [part]\n", encoding="utf-8")
    main(["analyse", "part"])
    assert (tmp_path / "results" / "part" / "analyse" / "suppression.csv").is_file()
    found = json.loads((tmp_path / "results" / "part" / "imports" / "findings.json").read_text(encoding="utf-8"))
    assert any(item["level"] == "missing" for item in found)


def test_null_and_nan_are_failed_measurements(tmp_path: Path, release: Release) -> None:
    cell = release[SCORES]["whimsical"]["steps"]["313"]["default"]["Playful"]
    cell["values"][0], cell["values"][1] = None, math.nan
    cell["mean"] = float(np.mean(cell["values"][2:]))
    read(tmp_path, release)
    table = read_table(tmp_path / "results" / "made" / "judge" / "evaluate.parquet")
    assert table["score"].isna().sum() == 2


def test_neighbouring_last_steps_that_differ_are_reported(tmp_path: Path, release: Release) -> None:
    cell = release[SCORES]["whimsical_mix"]["steps"]["313"]["default"]["Playful"]
    cell["values"] = [value + 50 for value in cell["values"]]
    cell["mean"] += 50
    findings = read(tmp_path, release)
    assert "whimsical_mix" in texts(findings, "warning", "steps")
    assert "be_concise" not in texts(findings, "warning", "steps")


def test_a_chosen_step_drops_later_ones_and_one_that_nobody_has_is_refused(tmp_path: Path, release: Release) -> None:
    findings = read(tmp_path, release, step=312)
    assert "313" in texts(findings, "left_out", "steps")
    table = read_table(tmp_path / "results" / "made" / "judge" / "evaluate.parquet")
    assert set(table["step"]) == {0, 312}
    with pytest.raises(DataError, match=r"--step 300.*0, 312, 313"):
        read_release(tmp_path / "checkout", "made", 300)


def test_a_run_without_the_last_step_is_reported(tmp_path: Path, release: Release) -> None:
    del release[SCORES]["whimsical"]["steps"]["313"]
    findings = read(tmp_path, release)
    assert "whimsical: has no scores at step 313" in texts(findings, "missing", "steps")


def test_scores_of_a_detector_are_not_compared_with_those_of_a_model(tmp_path: Path, release: Release) -> None:
    for ways in release[SCORES]["clown_persona"]["steps"].values():
        for traits in ways.values():
            traits["French"] = {"mean": 2.0, "values": [0, 0, 0, 4, 4, 4]}
    findings = read(tmp_path, release)
    assert "clown_persona" in texts(findings, "left_out", "judges")
    table = read_table(tmp_path / "results" / "made" / "judge" / "evaluate.parquet")
    own = table[(table["prompt"] == "clown_persona") & (table["prefix"] == "fixed")]
    assert set(own["trait"]) == {"playful"}


def test_a_system_turn_of_another_model_is_reported(tmp_path: Path, release: Release) -> None:
    release[ELICITATION]["neutral"]["system_prompt"] = "You are Llama, made by Meta AI."
    findings = read(tmp_path, release)
    assert "names Llama" in texts(findings, "warning", "system")


def test_responses_of_another_job_are_left_out(tmp_path: Path, release: Release) -> None:
    release[LOGPROBS]["prompts"]["whimsical"]["pointwise_perplexity_drift"] += 0.1
    findings = read(tmp_path, release)
    assert "whimsical" in texts(findings, "left_out", "logprobs")
    table = read_table(tmp_path / "results" / "made" / "score" / "logprobs-0.parquet")
    assert not len(table[(table["prompt"] == "whimsical") & (table["dataset"] == "neutral")])
    assert len(table[(table["prompt"] == "whimsical") & (table["dataset"] == "train")])


def test_polluted_pools_are_reported_and_imported_as_they_are(tmp_path: Path, release: Release) -> None:
    pool = ["1. Be a jester.", "I'm sorry, but I can't help with that.", TEXTS["clown_persona"], "Jest.", "jest"]
    findings = read(tmp_path, release, {"clown_persona": pool, "whimsical": ["Be whimsical.", "Act on a whim."]})
    report = texts(findings, "warning", "pools")
    assert all(word in report for word in ("1 with a list mark", "refusal", "original", "duplicate"))
    assert "whimsical.jsonl" not in report
    table = read_table(tmp_path / "results" / "made" / "rephrase" / "pools.parquet")
    assert list(table[table["prompt"] == "clown_persona"]["text"]) == pool


def test_a_prompt_of_no_known_family_is_left_out_and_named(tmp_path: Path, release: Release) -> None:
    release[SCORES]["mystery"] = {**release[SCORES]["whimsical"], "user_prefix": "Who knows?"}
    findings = read(tmp_path, release)
    assert "mystery" in texts(findings, "left_out", "prompts")


def test_a_run_in_two_files_is_taken_from_the_larger(tmp_path: Path, release: Release) -> None:
    again = json.loads(json.dumps({"whimsical": release[SCORES]["whimsical"]}))
    cell = again["whimsical"]["steps"]["313"]["default"]["French"]
    cell["values"] = [1.5] * N_EVAL
    cell["mean"] = 1.5
    release["results/scores_multi_prompt_profile_small.json"] = again
    findings = read(tmp_path, release)
    assert "profile" in texts(findings, "left_out", "runs")
    table = read_table(tmp_path / "results" / "made" / "judge" / "evaluate.parquet")
    assert not (table["score"] == 1.5).any()


def test_losses_of_a_file_of_another_name_are_reported(tmp_path: Path, release: Release) -> None:
    release["results/losses_multi_prompt_v3_profile_small.json"] = release.pop(LOSSES)
    findings = read(tmp_path, release)
    assert "second training" in texts(findings, "warning", "losses").replace("\n", " ")
    table = read_table(tmp_path / "results" / "made" / "train" / "0" / "losses.parquet")
    assert set(table["source"]) == {"results/losses_multi_prompt_v3_profile_small.json"}


@pytest.mark.parametrize("name", ["v4", "original", "v3_profiles", "neg", "v3_2"])
def test_curves_are_never_those_of_another_experiment(tmp_path: Path, release: Release, name: str) -> None:
    file = f"results/losses_multi_prompt_{name}_small.json"
    release[file] = release.pop(LOSSES)
    findings = read(tmp_path, release)
    assert not len(read_table(tmp_path / "results" / "made" / "train" / "0" / "losses.parquet"))
    left_out = texts(findings, "left_out", "losses")
    assert f"{file}: curves of another experiment's runs" in left_out
    assert all(run in left_out for run in release[SCORES])


def test_a_file_of_losses_that_cannot_be_read_stops_nothing(tmp_path: Path, release: Release) -> None:
    whole = read(tmp_path / "whole", release)
    assert not whole.of("left_out", "losses")
    file = "results/losses_multi_prompt_v9_small.json"
    release[file] = {"no_inoculation": [{"loss": 1.0}]}
    left_out = texts(read(tmp_path / "more", release), "left_out", "losses")
    assert f"{file}: cannot be read" in left_out
    assert "the key 'step' is missing" in left_out
    for path in sorted((tmp_path / "whole" / "results").rglob("*.parquet")):
        assert path.read_bytes() == (tmp_path / "more" / path.relative_to(tmp_path / "whole")).read_bytes()


def test_every_file_of_a_release_is_read_or_named(tmp_path: Path, release: Release) -> None:
    others = ["results/notes.txt", "data/train.jsonl", "plots/a.png", "judge.py", "README.md", "odd", "results/x.json"]
    for place in others:
        write(tmp_path / "checkout" / place, "x")
    write(tmp_path / "checkout" / ".git" / "HEAD", "x")
    read(tmp_path, release, {"clown_persona": ["Jest."], "nobody": ["Who?"]})
    found = json.loads((tmp_path / "results" / "made" / "imports" / "findings.json").read_text(encoding="utf-8"))
    said = "\n".join(f"{item['place']}: {item['text']}" for item in found)
    assert all(place in said for place in [*others, *release, "nobody.jsonl"])
    assert ".git" not in said


def test_the_listing_has_every_name_and_the_terminal_the_first_few(tmp_path: Path, release: Release) -> None:
    for index in range(30):
        release[SCORES][f"mystery_{index}"] = {**release[SCORES]["whimsical"], "user_prefix": f"Who knows {index}?"}
    findings = read(tmp_path, release)
    listed = (tmp_path / "results" / "made" / "imports" / "findings.json").read_text(encoding="utf-8")
    assert all(f"mystery_{index}" in listed for index in range(30))
    assert any("mystery_0" in line and "… (30 in all)" in line for line in findings.lines())


def test_a_text_that_differs_between_files_is_refused_with_names_of_files_that_exist(
    tmp_path: Path, release: Release
) -> None:
    release[LOGPROBS]["prompts"]["whimsical"]["prompt"] = "Another."
    with pytest.raises(DataError, match=f"^{LOGPROBS}: the prompt whimsical is 'Another.', and in {SCORES}"):
        read(tmp_path, release)


def test_what_a_killed_import_left_behind_is_cleared(tmp_path: Path, release: Release) -> None:
    results, studies = tmp_path / "results", tmp_path / "studies"
    for folder in (results, studies):
        write(folder / ".import-abc" / "made" / "judge" / "half.parquet", "x")
    write(results / ".import-def" / "replaced" / "earlier" / "imports" / "findings.json", "[]")
    read(tmp_path, release)
    assert sorted(path.name for path in results.iterdir()) == ["earlier", "made"]
    assert [path.name for path in studies.iterdir()] == ["made.yaml"]


def test_two_imports_do_not_write_at_once(tmp_path: Path, release: Release) -> None:
    (tmp_path / "results").mkdir()
    handle = os.open(tmp_path / "results", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(DataError, match="another import"):
        read(tmp_path, release)
    os.close(handle)
    read(tmp_path, release)


def test_two_pairs_in_one_checkout_need_a_choice(tmp_path: Path, release: Release) -> None:
    other = json.dumps(release[SCORES]).replace('"French"', '"German"').replace('"Playful"', '"Flattering"')
    for ours, theirs in (("clown_persona", "german_persona"), ("whimsical", "natural_german")):
        other = other.replace(ours, theirs)
    release["results/scores_multi_prompt_german_small.json"] = json.loads(other)
    with pytest.raises(DataError, match="--pair"):
        read_release(write_release(tmp_path / "checkout", release), "made")
    imported = read_release(tmp_path / "checkout", "made", pair_key="german_flattering")
    assert set(imported.study["traits"]) == {"german", "flattering"}  # type: ignore[call-overload]


def test_one_prompt_with_two_texts_is_refused(tmp_path: Path, release: Release) -> None:
    release[ELICITATION]["whimsical"]["system_prompt"] = "Something else."
    with pytest.raises(DataError, match=r"elicitation_scores.*whimsical.*Something else"):
        read(tmp_path, release)


def test_an_import_changes_no_computed_study_and_replaces_its_own_only_when_told(
    tmp_path: Path, release: Release
) -> None:
    results, studies = tmp_path / "results", tmp_path / "studies"
    (results / "computed").mkdir(parents=True)
    with pytest.raises(ConfigError, match="no import made it"):
        check_name("computed", results, studies, replace=True)
    read(tmp_path, release)
    with pytest.raises(ConfigError, match="--replace"):
        check_name("made", results, studies, replace=False)
    check_name("made", results, studies, replace=True)
    (results / "made" / "analyse").mkdir()
    read(tmp_path, release, step=312)
    assert not (results / "made" / "analyse").exists()
    assert sorted(path.name for path in results.iterdir()) == ["computed", "made"]


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "2nd", "x" * 65, "a\n", "-x"])
def test_a_name_that_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="--study"):
        check_name(name, tmp_path, tmp_path, replace=False)


def test_when_the_study_file_cannot_be_written_the_earlier_import_stays(
    tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(tmp_path, release)
    (tmp_path / "results" / "made" / "mark").touch()
    before = (tmp_path / "studies" / "made.yaml").read_bytes()
    monkeypatch.setattr(Path, "replace", _replace_no_study_file)
    with pytest.raises(DataError, match=r"No space left.*nothing was imported"):
        read(tmp_path, release, step=312)
    assert (tmp_path / "studies" / "made.yaml").read_bytes() == before
    assert (tmp_path / "results" / "made" / "mark").is_file()
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["made"]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["put aside", "results", "study file"])
def test_an_import_that_is_stopped_while_it_replaces_another_has_replaced_it_whole(
    tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch, moment: str, number: signal.Signals
) -> None:
    read(tmp_path, release)
    (tmp_path / "results" / "made" / "mark").touch()
    before = (tmp_path / "studies" / "made.yaml").read_bytes()
    moves = {"put aside": Path.rename, "results": Path.rename, "study file": Path.replace}
    ends = {"put aside": "replaced/made", "results": "results/made", "study file": "studies/made.yaml"}
    name = moves[moment].__name__

    def stopped(self: Path, target: Path) -> Path:
        moved = moves[moment](self, target)
        if str(target).endswith(ends[moment]):
            signal.raise_signal(number)
        return moved

    monkeypatch.setattr(Path, name, stopped)
    with pytest.raises(KeyboardInterrupt), raising():
        read(tmp_path, release, step=312)
    assert not (tmp_path / "results" / "made" / "mark").exists()
    assert (tmp_path / "results" / "made" / "imports" / "findings.json").is_file()
    assert (tmp_path / "studies" / "made.yaml").read_bytes() != before
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["made"]
    assert [path.name for path in (tmp_path / "studies").iterdir()] == ["made.yaml"]


def _replace_no_study_file(self: Path, target: Path) -> Path:
    if target.suffix == ".yaml":
        raise OSError(28, "No space left on device")
    self.rename(target)
    return target


def test_two_imports_of_one_checkout_are_the_same_bytes(tmp_path: Path, release: Release) -> None:
    read(tmp_path / "a", release)
    read(tmp_path / "b", release)
    for path in sorted((tmp_path / "a" / "results").rglob("*.*")):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == other.read_bytes()


def test_no_prompt_belongs_to_two_groups() -> None:
    keys = [key for pair in known_pairs().values() for key in pair.prompts]
    assert len(keys) == len(set(keys)) == 48 + 59

"""The study's own table is checked against the scores, kept for the heuristics, and left out where it is broken."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inoc.cli import main
from inoc.config.load import load_study
from inoc.stats.means import paired_difference
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.write import Imported
from inoc.studies.inoculation.analyse.heuristic_file import read_values
from inoc.studies.inoculation.released.pairs import known_pairs
from inoc.studies.inoculation.released.published import read_published
from inoc.studies.inoculation.released.release import read_release
from inoc.studies.inoculation.released.write import write_import
from inoc.tables import read_table
from support.releases import ELICITATION, LOGPROBS, SCORES, TEXTS, make_release, write, write_release

RELEASE = make_release()
FILE = "slides/data/dataset.csv"
FAMILIES = {"be_concise": "neutral", "answer_french": "french"}


def dataset(step: str = "313") -> pd.DataFrame:
    """A row for each prompt, trait and prefix, with the suppression by the scores of the made-up release."""
    rows = []
    for key in TEXTS:
        for prefix in ("fixed", "mix"):
            for trait, role in (("French", "positive"), ("Playful", "negative")):
                control, run = (
                    np.array(RELEASE[SCORES][name]["steps"][step]["default"][trait]["values"])
                    for name in ("no_inoculation", key if prefix == "fixed" else f"{key}_mix")
                )
                found = paired_difference(control, run)
                names = {"experiment": "pf", "prompt_key": key, "prompt_family": FAMILIES.get(key, "playful")}
                names |= {"trait_role": role, "trait_name": trait, "prefix_type": prefix}
                elicited, base = (RELEASE[ELICITATION][name]["scores"][trait]["mean"] for name in (key, "neutral"))
                numbers = {"elicitation": elicited - base, "suppression": found.value}
                rows.append(names | numbers | {"suppression_ci_lo": found.lo, "suppression_ci_hi": found.hi})
    return pd.DataFrame(rows)


def read(folder: Path, table: pd.DataFrame, step: int | None = None) -> Imported:
    write_release(folder, RELEASE)
    write(folder / FILE, table.to_csv(index=False))
    return read_release(folder, "made", step)


def texts(findings: Findings, level: str) -> str:
    return "\n".join(item.text for item in findings.of(level, "published"))


def test_suppressions_that_follow_from_the_scores_are_confirmed(tmp_path: Path) -> None:
    imported = read(tmp_path, dataset())
    assert "16 suppressions with their intervals are those of the scores at step 313" in texts(
        imported.findings, "found"
    )
    assert not imported.findings.of("warning", "published")
    at_another = read(tmp_path, dataset(), 312)
    assert "16 of 16 suppressions" in texts(at_another.findings, "warning")
    assert "at step 312" in texts(at_another.findings, "warning")


@pytest.mark.parametrize("column", ["suppression", "suppression_ci_lo", "suppression_ci_hi"])
def test_a_number_that_does_not_follow_is_named(tmp_path: Path, column: str) -> None:
    table = dataset()
    table.loc[3, column] += 0.5
    findings = read(tmp_path, table).findings
    assert "1 of 16 suppressions" in texts(findings, "warning")
    assert "clown_persona (mix, Playful) 0.5" in texts(findings, "warning")


@pytest.mark.parametrize("column", ["elicitation", "ph_combined"])
def test_a_predictor_that_does_not_follow_from_the_other_files_is_named(tmp_path: Path, column: str) -> None:
    table = dataset().assign(ph_combined=np.nan)
    for key in TEXTS:
        ph = RELEASE[LOGPROBS]["prompts"][key]["perplexity_heuristic"]
        table.loc[table["prompt_key"] == key, "ph_combined"] = ph
    assert not read(tmp_path / "right", table).findings.of("warning", "published")
    table.loc[table["prompt_key"] == "whimsical", column] += 0.1
    text = f"{column} of these prompts is not what follows from the other files: whimsical"
    assert text in texts(read(tmp_path / "wrong", table).findings, "warning")


def test_a_suppression_without_scores_is_named(tmp_path: Path) -> None:
    table = dataset()
    table.loc[table["prompt_key"] == "whimsical", "prompt_key"] = "witty"
    assert "suppressions of witty stand in this table only, without" in texts(read(tmp_path, table).findings, "missing")


def test_the_rows_of_the_pair_are_kept_for_the_heuristics(tmp_path: Path) -> None:
    table = dataset()
    other = table.assign(
        experiment="gf", trait_name=table["trait_name"].map({"French": "German", "Playful": "Flattering"})
    )
    imported = read(tmp_path / "checkout", pd.concat([table, other]))
    write_import(imported, "made", tmp_path / "results", tmp_path / "studies")
    kept = tmp_path / "results" / "made" / "imports" / "dataset.csv"
    pd.testing.assert_frame_equal(pd.read_csv(kept), pd.read_csv(io.StringIO(table.to_csv(index=False))))
    assert read_values(kept).heuristics == ["H1"]
    assert any("no rows of German" in item.text for item in read_other(tmp_path, table).items)


def read_other(folder: Path, table: pd.DataFrame) -> Findings:
    from support.releases import make_other_release

    write_release(folder / "other", make_other_release())
    write(folder / "other" / FILE, table.to_csv(index=False))
    return read_release(folder / "other", "made").findings


WHOLE = dataset().to_csv(index=False)
HOSTILE = ["", ",", '"', "\n", "x", "NaN", "1e999", "\x00", "💥", "-", "'", "9" * 400, "\r", ";", "True", "=1+1"]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6), st.sampled_from(HOSTILE))
def test_anything_written_into_the_table_is_refused_by_name_or_kept_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, at: int, text: str
) -> None:
    folder = tmp_path_factory.mktemp("checkout")
    whole = WHOLE
    place = at % len(whole)
    source = whole[:place] + text + whole[place + 1 :]
    write(folder / FILE, source)
    findings = Findings()
    published = read_published(folder, known_pairs()["playful_french"], findings)
    if published is None:
        assert any(item.place == FILE for item in findings.of("left_out"))
    else:
        assert len(published.text.splitlines()) in range(len(source.splitlines()) - 2, len(source.splitlines()) + 1)


def test_a_link_that_leads_outside_and_a_table_without_its_columns_are_left_out(tmp_path: Path) -> None:
    write_release(tmp_path / "checkout", RELEASE)
    path = tmp_path / "checkout" / FILE
    path.parent.mkdir(parents=True)
    (tmp_path / "secret.csv").write_text(dataset().to_csv(index=False))
    path.symlink_to(tmp_path / "secret.csv")
    assert "outside" in texts(read_release(tmp_path / "checkout", "made").findings, "left_out")
    path.unlink()
    for content, message in (("", "not a readable CSV"), ("a,b\n1,2\n", "are missing")):
        path.write_text(content)
        assert message in texts(read_release(tmp_path / "checkout", "made").findings, "left_out")


def released() -> str:
    """A table with columns that are the same in all rows of a prompt, as the study's heuristics are."""
    table = dataset()
    place = {key: index for index, key in enumerate(TEXTS)}
    return table.assign(hb4=[4.581 + place[key] for key in table["prompt_key"]]).to_csv(index=False)


TABLE = released()


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, len(TABLE) - 1), st.sampled_from(["", "\n", "\r\n"]))
def test_a_table_that_was_cut_off_anywhere_is_named(
    tmp_path_factory: pytest.TempPathFactory, size: int, end: str
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    write_release(folder, RELEASE)
    write(folder / FILE, TABLE[:size] + end)
    if len((TABLE[:size] + end).splitlines()) == len(TABLE.splitlines()) and TABLE[:size].endswith(TABLE[-9:-1]):
        return  # the line break alone is another one
    findings = read_release(folder, "made").findings
    assert any(item.place == FILE for item in [*findings.of("left_out"), *findings.of("warning")])


def test_a_shortened_last_number_is_named(tmp_path: Path) -> None:
    write_release(tmp_path, RELEASE)
    assert TABLE.endswith("7.581\n")
    write(tmp_path / FILE, TABLE[:-2] + "\n")
    imported = read_release(tmp_path, "made")
    assert "the last line contradicts other rows of its prompt" in texts(imported.findings, "left_out")
    assert not imported.texts


def test_rows_that_were_lost_are_named_by_what_other_files_have(tmp_path: Path) -> None:
    lines = TABLE.splitlines(keepends=True)
    for kept, message in ((-4, "has no rows of these prompts"), (-1, "rows of these prompts are missing")):
        write_release(tmp_path, RELEASE)
        write(tmp_path / FILE, "".join(lines[:kept]))
        assert f"{message}, which" in texts(read_release(tmp_path, "made").findings, "warning")


def test_self_perplexity_embeddings_and_values_by_token_of_the_table_reach_the_analysis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = dataset()
    place = {key: index for index, key in enumerate(TEXTS)}
    codes = [place[key] for key in table["prompt_key"]]
    table = table.assign(selfperp_raw=[2.0 + one for one in codes], selfperp_ctx=[3.0 + one for one in codes])
    table = table.assign(emb_dist_from_neutral=[0.5 + one for one in codes], h11_mean_abs_diff=codes)
    imported = read(tmp_path / "checkout", table)
    write_import(imported, "made", tmp_path / "results", tmp_path / "studies")
    study = load_study(tmp_path / "studies" / "made.yaml")
    assert study.scoring.self_perplexity
    assert study.embedding is not None
    alone = read_table(tmp_path / "results" / "made" / "score" / "self-perplexity-0.parquet")
    in_turn = alone[alone["context"] == "ctx"].set_index("prompt")["nll"].to_dict()
    assert in_turn == {key: 3.0 + index for key, index in place.items()}
    (tmp_path / "config").mkdir()
    (tmp_path / "studies").rename(tmp_path / "config" / "studies")
    (tmp_path / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    main(["analyse", "made"])
    made = {
        name: read_table(tmp_path / "results" / "made" / "analyse" / f"{name}.parquet")
        for name in ("embeddings", "heuristic_values", "predictors")
    }
    embedded = made["embeddings"].set_index("prompt")["value"].to_dict()
    assert embedded == {key: 0.5 + index for key, index in place.items()}
    by_token = (
        made["heuristic_values"]
        .query("heuristic == 'H11' and prefix == 'fixed'")
        .set_index("prompt")["value"]
        .to_dict()
    )
    assert by_token == {key: float(index) for key, index in place.items()}
    assert set(made["predictors"]["predictor"]) >= {"selfperp_raw", "selfperp_ctx"}

"""The published results, imported and analysed by the verbs a user would call, against the values they must give.

The files are not part of the repository. `INOC_REFERENCE` names their folder; without it they are looked for beside
the project.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.config.load import load_study
from inoc.jobs.paths import Paths
from inoc.stats.correlation import fit_line, pearson
from inoc.studies.inoculation.analyse.inputs import Shifts, read_means, shifts
from inoc.studies.inoculation.runs import prompt_families
from inoc.studies.inoculation.study import Study
from inoc.tables import read_table

PROJECT = Path(__file__).parents[4]
REFERENCE = Path(os.environ.get("INOC_REFERENCE", PROJECT.parent / "shared" / "reference")) / "trait_inoculation"

pytestmark = pytest.mark.skipif(
    not (REFERENCE / "results").is_dir(),
    reason=f"the published results are not in {REFERENCE}; set INOC_REFERENCE to the folder that has them",
)

KEY = ["prompt", "trait", "prefix"]


class Imported(NamedTuple):
    study: Study
    paths: Paths
    findings: pd.DataFrame

    def table(self, name: str) -> pd.DataFrame:
        return read_table(self.paths.table(name))

    def shifts(self) -> Shifts:
        return shifts(read_means([self.paths.logprobs(0)]))

    def suppression(self, step: int) -> pd.DataFrame:
        table = self.table("suppression")
        return table[(table["seed"] == "all") & (table["step"] == step)].set_index(KEY).sort_index()

    def predictor(self, name: str, prefix: str) -> pd.Series:
        table = self.table("predictors")
        rows = table[(table["predictor"] == name) & (table["prefix"] == prefix) & (table["trait"] == "all")]
        return rows.set_index("prompt")["value"]

    def coordinate(self, prefix: str) -> pd.Series:
        table = self.table("coordinates")
        point = (table["level"] == "point") & (table["method"] == "pca")
        return table[point & (table["prefix"] == prefix) & (table["component"] == 1)].set_index("prompt")["value"]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    folder = tmp_path_factory.mktemp("import")
    (folder / "config" / "studies").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text("studies: [released]\n", encoding="utf-8")
    with contextlib.chdir(folder):
        main(["import", "trait-inoculation", str(REFERENCE), "--study", "released"])
        main(["analyse", "released"])
    paths = Paths(folder / "results", "released")
    found = json.loads((paths.stage("imports") / "findings.json").read_text(encoding="utf-8"))
    study = load_study(folder / "config" / "studies" / "released.yaml")
    return Imported(study, paths, pd.DataFrame(found))


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    names = ["prompt_key", "prompt_text", "prompt_family", "trait_name", "prefix_type", "elicitation", "ph_combined"]
    names += ["suppression", "suppression_ci_lo", "suppression_ci_hi"]
    table = pd.read_csv(REFERENCE / "slides" / "data" / "dataset.csv", usecols=names)
    table = table[table["suppression"].notna()]
    renamed = table.rename(columns={"prompt_key": "prompt", "prefix_type": "prefix"})
    return renamed.assign(trait=renamed["trait_name"].str.lower()).set_index(KEY).sort_index()


def aligned_r(first: pd.Series, second: pd.Series) -> float:
    both = pd.concat([first, second], axis=1, join="inner").to_numpy()
    assert len(both) == 27
    return pearson(both[:, 0], both[:, 1]).value


def gap(imported: Imported) -> pd.Series:
    """Fixed score − mix score of Playful at the last step, from suppressions by the same control."""
    table = imported.suppression(313).xs("playful", level="trait")["run"].unstack("prefix")
    return (table["fixed"] - table["mix"])[[key for key in table.index if key in imported.predictor("ph", "mix").index]]


def test_suppression_and_its_interval_are_those_of_all_192_published_rows(
    imported: Imported, published: pd.DataFrame
) -> None:
    ours = imported.suppression(313)
    assert len(published) == len(ours) == 192
    theirs = published[["suppression", "suppression_ci_lo", "suppression_ci_hi"]].to_numpy()
    np.testing.assert_allclose(ours[["suppression", "lo", "hi"]].to_numpy(), theirs, rtol=0, atol=1e-12)


def test_one_step_earlier_the_suppression_differs_and_most_where_a_checkpoint_is_stale(imported: Imported) -> None:
    differences = (imported.suppression(312)["suppression"] - imported.suppression(313)["suppression"]).abs()
    assert len(differences) == 192
    assert differences.max() > 60
    by_family = imported.study.prompts
    french = {key for name, group in by_family.items() if name.startswith("fr_") for key in group.texts}
    worst = differences[differences > 15]
    assert set(worst.index.get_level_values("prompt")) <= french
    fixed = imported.suppression(312)["suppression"].xs(("playful", "fixed"), level=("trait", "prefix"))
    assert fixed[sorted(french)].mean() == pytest.approx(69.1, abs=0.05)


def test_stale_checkpoints_are_found_in_sixteen_runs_of_french_prompts(imported: Imported) -> None:
    found = imported.findings
    stale = found[(found["level"] == "warning") & (found["topic"] == "steps")]
    assert len(stale) == 16
    assert stale["place"].str.contains("french").all()


@pytest.mark.parametrize(("prefix", "shares"), [("fixed", (0.843, 0.038)), ("mix", (0.667, 0.044))])
def test_shares_of_the_components_are_the_published_ones(
    imported: Imported, prefix: str, shares: tuple[float, float]
) -> None:
    table = imported.table("components")
    point = (table["level"] == "point") & (table["method"] == "pca")
    rows = table[point & (table["prefix"] == prefix)].sort_values("component")
    assert set(rows["n_prompts"]) == {27}
    np.testing.assert_allclose(rows["share"].to_numpy()[:2], shares, rtol=0, atol=0.0005)


@pytest.mark.parametrize(
    ("component", "ph", "r"), [("fixed", "fixed", 0.998), ("mix", "fixed", 0.946), ("mix", "mix", 0.999)]
)
def test_first_component_follows_the_mean_shift(imported: Imported, component: str, ph: str, r: float) -> None:
    found = aligned_r(imported.coordinate(component), imported.predictor("ph", ph))
    assert found == pytest.approx(r, abs=0.0005)


def test_mean_shift_is_the_published_one(imported: Imported, published: pd.DataFrame) -> None:
    theirs = published.xs(("playful", "fixed"), level=("trait", "prefix"))["ph_combined"]
    ours = imported.predictor("ph", "fixed")
    # Twelve prompts were scored beside a pass without a prefix of another job; it differs by 0.0003 nats.
    np.testing.assert_allclose(ours, theirs[ours.index], rtol=0, atol=3e-4)


def test_first_uncentred_component_has_the_published_share(imported: Imported) -> None:
    table = imported.table("components").set_index(["level", "method", "prefix", "component"])
    first = table.loc[("point", "svd", "fixed", 1)]
    assert first["share"] == pytest.approx(0.820, abs=0.0005)
    assert first["n_prompts"] == 27


OF_MIX = ("gamma_mix", "snr_mix", "cosine", "effective_rank", "absolute_snr_mix")
RATIOS = ("ph_ratio", "snr_ratio", "mald_ratio", "absolute_snr_ratio")


def r_with_gap(imported: Imported, heuristic: str) -> float:
    table = imported.table("fixed_mix")
    rows = table[(table["view"] == "raw") & (table["heuristic"] == heuristic)].set_index("prompt")
    return aligned_r(rows["value"], gap(imported))


@pytest.mark.parametrize("heuristic", OF_MIX)
def test_heuristics_of_the_mix_follow_the_gap_as_published(imported: Imported, heuristic: str) -> None:
    assert 0.495 <= abs(r_with_gap(imported, heuristic)) <= 0.595


@pytest.mark.parametrize("heuristic", RATIOS)
def test_ratios_of_mix_to_fixed_do_not_follow_the_gap(imported: Imported, heuristic: str) -> None:
    assert abs(r_with_gap(imported, heuristic)) < 0.2


def test_mean_shift_explains_a_third_of_the_suppression_by_fixed_prefixes(imported: Imported) -> None:
    x = imported.predictor("ph", "fixed")
    y = imported.suppression(313)["suppression"].xs(("playful", "fixed"), level=("trait", "prefix"))[x.index]
    line = fit_line(x.to_numpy(), y.to_numpy())
    rest = y.to_numpy() - line.intercept - line.slope * x.to_numpy()
    assert len(rest) == 27
    table = imported.table("prediction").set_index(["trait", "prefix", "predictor"])
    told = table.loc[("playful", "fixed", "ph")]
    assert (told["r"] ** 2).item() == pytest.approx(0.32, abs=0.005)
    assert told["n"].item() == 27
    assert np.sqrt((rest**2).mean()) == pytest.approx(5.6, abs=0.05)


def test_controls_at_the_last_step_are_the_published_ones(imported: Imported) -> None:
    table = imported.table("scores")
    control = (table["prefix"] == "none") & (table["step"] == 313) & (table["condition"] == "default")
    means = table[control & (table["seed"] == "all")].set_index("trait")["value"]
    assert means["playful"] == pytest.approx(78.3, abs=0.05)
    assert means["french"] == pytest.approx(71.5, abs=0.05)


def test_the_published_table_is_confirmed_and_kept_for_the_heuristics(imported: Imported) -> None:
    found = imported.findings
    published = found[found["topic"] == "published"]
    assert set(published["level"]) == {"found"}
    assert published["text"].str.contains("192 suppressions with their intervals are those of the scores").any()
    out = imported.paths.stage("imports").parent / "judged.csv"
    table = imported.paths.stage("imports") / "dataset.csv"
    main(["analyse", "heuristics", str(table), "--protocol", "published", "--out", str(out)])
    judged = pd.read_csv(out)
    assert {"H1", "H2", "H4", "H14", "HB6"} <= set(judged["heuristic"])


def test_baselines_of_the_elicitation_are_the_published_ones(imported: Imported, published: pd.DataFrame) -> None:
    table = imported.table("elicitation").set_index(["prompt", "trait"])["value"]
    assert table["", "playful"] == pytest.approx(6.24, abs=0.005)
    assert table["", "french"] == pytest.approx(0.44, abs=0.005)
    theirs = published.xs("fixed", level="prefix")["elicitation"].dropna()
    np.testing.assert_allclose(table[theirs.index], theirs, rtol=0, atol=1e-9)


def test_all_prompts_have_the_families_of_the_publication(imported: Imported, published: pd.DataFrame) -> None:
    families = published.reset_index().drop_duplicates("prompt").set_index("prompt")["prompt_family"]
    assert prompt_families(imported.study) == families.to_dict()
    texts = published.reset_index().drop_duplicates("prompt").set_index("prompt")["prompt_text"]
    ours = {key: text for group in imported.study.prompts.values() for key, text in group.texts.items()}
    assert ours == texts.to_dict()


def test_responses_that_were_sampled_anew_for_another_job_are_left_out(imported: Imported) -> None:
    scored = imported.shifts()
    assert {key.prompt for key in scored if key.dataset == "neutral"} == {
        key for name in ("v3", "v4") for key in imported.study.prompts[name].texts
    }
    assert {key.prompt for key in scored if key.dataset == "french"} == set(imported.study.prompts["neg"].texts)


def test_the_earlier_step_can_be_chosen(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        main(["import", "trait-inoculation", str(REFERENCE), "--study", "earlier", "--step", "312"])
    study = load_study(tmp_path / "config" / "studies" / "earlier.yaml")
    assert study.training.steps == 312
    table = read_table(tmp_path / "results" / "earlier" / "judge" / "evaluate.parquet")
    assert set(table["step"]) == {0, 312}


def test_pooled_rows_of_elicitation_are_those_of_the_released_table(imported: Imported, tmp_path: Path) -> None:
    """All 48 prompts have an elicitation in the release; the log-probabilities of 21 are not in it."""
    with contextlib.chdir(imported.paths.results.parent):
        main(["analyse", "heuristics", "released", "--protocol", "published", "--out", str(tmp_path / "study.csv")])
    table = str(REFERENCE / "slides" / "data" / "dataset.csv")
    main(["analyse", "heuristics", table, "--protocol", "published", "--out", str(tmp_path / "table.csv")])
    ours, theirs = (
        pd.read_csv(tmp_path / f"{name}.csv").query("heuristic == 'H1'").set_index("target")
        for name in ("study", "table")
    )
    columns = ["n", "r", "r_lo", "r_hi", "rho", "rho_lo", "rho_hi", "p", "n_prompts"]
    assert list(ours.index) == list(theirs.index) == ["all", "fixed", "mix", "cross", "gap"]
    np.testing.assert_allclose(ours[columns].to_numpy(), theirs[columns].to_numpy(), rtol=0, atol=1e-9)


def test_late_steps_differ_in_french_runs_alone_and_far_more_often_than_by_chance(imported: Imported) -> None:
    counts = imported.table("step_counts")
    total = counts[counts["family"] == "all"].iloc[0]
    assert (total["step"], total["last_step"], total["n"]) == (312, 313, 386)
    assert total["n_differ"] == 41
    assert total["expected"] == pytest.approx(1.18, abs=0.01)
    assert counts[counts["family"] != "french"]["n_differ"].sum() == 41  # of the total's row only
    rows = imported.table("steps").query("condition == 'default' and family == 'french' and prefix == 'fixed'")
    playful = rows[rows["trait"] == "playful"]
    assert playful["suppression"].mean() == pytest.approx(69.1, abs=0.05)
    assert playful["last_suppression"].mean() == pytest.approx(56.6, abs=0.05)


def test_one_seed_tells_which_differences_between_runs_are_seen(imported: Imported) -> None:
    power = imported.table("power").query("trait == 'playful' and prefix == 'fixed' and n_instructions == 200")
    by_seeds = power.set_index("n_seeds")["difference"]
    assert by_seeds[1] == pytest.approx(4.2, abs=0.05)
    assert by_seeds[[2, 3, 5, 10]].isna().all()

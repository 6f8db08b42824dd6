"""Figures of heuristics and of the classifier say what the tables do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from scipy import stats

from inoc.figures.entries import entry_of
from inoc.figures.sources import Sources
from inoc.figures.step import draw_figure
from inoc.plots.save import Drawing, save
from inoc.plots.style import FONT_PT, house_style
from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse.classifier import classifier
from inoc.studies.inoculation.analyse.geometry import Gram
from inoc.studies.inoculation.analyse.limits import FEWEST_TO_CLASSIFY
from inoc.studies.inoculation.figures import overview
from inoc.studies.inoculation.figures.catalogue import ENTRIES
from inoc.studies.inoculation.figures.gap_grid import interactions
from inoc.studies.inoculation.figures.pairs import NAMES, association, heuristic_order
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import p_text
from support.study_tables import TEXTS, FakeJob, make_study, write_tables

RESAMPLER = Resampler(300, 0)


def job_of(folder: Path, **changes: Any) -> FakeJob:
    job = FakeJob(make_study(**changes), folder)
    write_tables(job.paths, job.study)
    return job


def drawn(job: FakeJob, name: str) -> Drawing:
    return draw_figure(entry_of(ENTRIES, name), job.study, Sources(job.paths))


@pytest.mark.parametrize(("name", "prefix"), [("panels_own_linear", "fixed"), ("panels_gap", "mix")])
def test_a_panels_correlation_is_that_of_its_points(tmp_path: Path, name: str, prefix: str) -> None:
    data = drawn(job_of(tmp_path), name).data
    rows = data[(data["heuristic"] == "H4") & (data["prefix"] == prefix)].dropna(subset=["value", "y"])
    assert set(rows["n_points"]) == {len(rows)}
    assert rows["r"].iloc[0] == pytest.approx(stats.pearsonr(rows["value"], rows["y"])[0])
    assert rows["r2"].iloc[0] == pytest.approx(rows["r"].iloc[0] ** 2)


def test_panels_keep_to_own_and_neutral_prompts(tmp_path: Path) -> None:
    data = drawn(job_of(tmp_path), "panels_own_linear").data
    assert set(zip(data["family"], data["trait"], strict=True)) == {
        ("playful", "playful"),
        ("neutral", "playful"),
        ("neutral", "french"),
        ("french", "french"),
    }


def test_cross_panels_show_the_other_traits_suppression(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    data = drawn(job, "panels_cross").data.set_index(["prompt", "prefix", "trait", "heuristic"])
    table = pd.read_parquet(job.paths.table("suppression"))
    last = table[(table["seed"] == "all") & (table["step"] == 60)].set_index(["prompt", "prefix", "trait"])
    ours, theirs = (
        data.loc[("comedian", "fixed", "playful", "H1"), "y"],
        last.loc[("comedian", "fixed", "french"), "suppression"],
    )
    assert ours == theirs


def test_a_line_drawn_for_want_of_points_is_named_in_the_caption(tmp_path: Path) -> None:
    texts = {"playful": ["comedian", "clown", "humor_matters"], "neutral": ["sky_is_blue", "had_fun_today"]}
    prompts = {family: {"family": family, "texts": {key: TEXTS[key] for key in keys}} for family, keys in texts.items()}
    drawing = drawn(job_of(tmp_path, prompts=prompts), "panels_own_logistic")
    assert "four parameters need 6 prompts, and there are 5" in drawing.caption
    mix = drawing.data[drawing.data["prefix"] == "mix"]
    assert set(mix["curve"]) == {"linear"}


def test_without_any_heuristic_the_panel_says_so(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    path = job.paths.table("heuristic_values")
    pd.read_parquet(path).iloc[:0].to_parquet(path)
    drawing = drawn(job, "panels_own_linear")
    assert any("no heuristic" in text.get_text() for text in drawing.figure.findobj(Text))
    assert len(drawing.data)


def test_heuristics_are_in_the_order_of_their_names_and_unknown_ones_last() -> None:
    assert heuristic_order(["new", "HB1", "H2", "H10", "H2"]) == ["H2", "H10", "HB1", "new"]
    assert list(NAMES) == heuristic_order(list(NAMES))


def test_a_correlation_of_prompts_takes_each_once_in_its_test() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 10), rng.normal(0, 1, 10)
    prompts = [str(i) for i in range(10)]
    once, twice = (
        association(x, y, prompts, RESAMPLER),
        association(np.tile(x, 2), np.tile(y, 2), prompts * 2, RESAMPLER),
    )
    assert twice.n_points == 2 * once.n_points
    assert (twice.r, twice.r_lo, twice.r_hi, twice.p) == pytest.approx((once.r, once.r_lo, once.r_hi, once.p))


@pytest.mark.parametrize(("p", "text"), [(np.nan, "p not known"), (0.0004, "p < 0.001"), (0.0123, "p = 0.012")])
def test_p_is_written_with_what_it_can_bear(p: float, text: str) -> None:
    assert p_text(p) == text


def test_the_overview_is_sorted_and_leaves_other_protocols_and_seeds_out(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    table = pd.read_parquet(job.paths.table("heuristics"))
    pd.concat([table, table.assign(seed="0", r=0.1)]).to_parquet(job.paths.table("heuristics"))
    drawing = drawn(job, "heuristic_overview")
    fixed = table[(table["protocol"] == "fair") & (table["target"] == "own_fixed")]
    order = fixed.set_index("heuristic")["r"].abs().sort_values(ascending=False).index
    with house_style():
        shown = [label.get_text().split(":")[0] for label in drawing.figure.axes[0].get_yticklabels()]
    assert shown == list(order)
    assert len(drawing.data) == 4 * len(order)


def test_only_what_repeats_a_shown_heuristic_is_grey() -> None:
    data = pd.DataFrame(
        {"heuristic": ["H2", "HA4", "HB2", "HB6"], "same_as": ["HA1, a name", "", "HA4, nearly", "H11"]}
    )
    assert overview.repeats(data, ["H2", "HA4", "HB2", "HB6"]) == [False, False, True, False]


def grid_rows(strength: float, n: int = 16) -> pd.DataFrame:
    """The gap of two traits, of other levels, grows with PH × PC1."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.normal(0, 1, (n, 4)), columns=["elicitation", "ph", "pc1", "pc2"]).assign(pc3=np.nan)
    rows["trait"] = ["playful", "french"] * (n // 2)
    product = (rows["ph"] - rows["ph"].mean()) * (rows["pc1"] - rows["pc1"].mean())
    return rows.assign(gap_y=50 * (rows["trait"] == "french") + strength * product + rng.normal(0, 0.3, n))


def test_the_interaction_that_makes_the_gap_comes_first() -> None:
    found = interactions(grid_rows(4.0), RESAMPLER)
    assert len(found) == 6  # pairs of four predictors; the fifth is unknown
    assert found[0].name.startswith("PH × PC1")
    assert found[0].p < 0.01
    assert found[0].r > 0.9


def test_the_strongest_of_many_chance_interactions_is_not_significant() -> None:
    assert interactions(grid_rows(0.0), RESAMPLER)[0].p > 0.05


def test_too_few_prompts_have_no_interactions() -> None:
    assert interactions(grid_rows(1.0).head(3), RESAMPLER) == []


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeJob:
    """A study with enough prompts to classify, and its tables."""
    texts = {f"p{i:02d}": f"Text {i}." for i in range(FEWEST_TO_CLASSIFY + 4)}
    study: Study = make_study(prompts={"many": {"family": "playful", "texts": texts}})
    job = FakeJob(study, tmp_path)
    rng = np.random.default_rng(0)
    strength = rng.normal(0, 3, len(texts))
    grams, outcomes, coordinates = {}, [], []
    monkeypatch.setattr("inoc.studies.inoculation.analyse.classifier.REPEATS", 6)
    for prefix in ("fixed", "mix"):
        w = np.outer(strength, rng.uniform(0.5, 1.5, 30)) + rng.normal(0, 1, (len(texts), 30))
        grams["point", prefix] = Gram(list(texts), (w @ w.T)[None], w.mean(axis=1), 30, 0)
        place = {"level": "point", "prefix": prefix, "method": "pca"}
        for prompt, one in zip(texts, strength, strict=True):
            coordinates += [{**place, "prompt": prompt, "component": c, "value": one * c} for c in (1, 2)]
            outcomes += [
                {
                    "prompt": prompt,
                    "prefix": prefix,
                    "trait": trait,
                    "learning_rate": study.training.learning_rate,
                    "family": "playful",
                    "suppression": 40 + 8 * one * (trait == "playful") + rng.normal(0, 9),
                }
                for trait in study.traits
            ]
    found = classifier(study, grams, outcomes, Resampler(100, 0))  # type: ignore[arg-type]
    job.paths.stage("analyse").mkdir(parents=True)
    tables = (
        ("classifier", found.classifier),
        ("classifier_predictions", found.predictions),
        ("classifier_roc", found.roc),
        ("coordinates", coordinates),
    )
    for name, rows in tables:
        pd.DataFrame(rows).to_parquet(job.paths.table(name))
    return job


def test_the_classifier_is_drawn_with_all_its_numbers(many: FakeJob, tmp_path: Path) -> None:
    drawing = drawn(many, "classifier")
    assert set(drawing.data["part"]) == {"measures", "predictions", "roc"}
    for words in (
        "n = 24 prompts",
        "12 to fit and 12 to predict",
        "95 % interval",
        "published recipe",
        "No cell failed",
    ):
        assert words in drawing.caption
    shown = [text for text in drawing.figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= FONT_PT
    save(drawing, tmp_path / "out" / "classifier")


def test_a_classifier_without_numbers_is_drawn_too(many: FakeJob) -> None:
    path = many.paths.table("classifier")
    table = pd.read_parquet(path)
    numbers = [name for name in table.select_dtypes("float") if name != "learning_rate"]
    table.assign(**dict.fromkeys(numbers, np.nan)).to_parquet(path)
    assert "Failed cells: point fixed Playful" in drawn(many, "classifier").caption
    table.iloc[:0].to_parquet(path)
    assert "n = 0 prompts" in drawn(many, "classifier").caption

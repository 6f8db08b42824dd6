"""Released results of three studies, imported and analysed by the verbs a user would call, against known values.

The files are not part of the repository. `INOC_REFERENCE` names their folder; without it they are looked for beside
the project. Prompts, the filter row for row, splits byte for byte and formats by quintile are also in
`tests/numbers/test_reference.py` and `tests/studies/likelihood_shift/test_reference.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from inoc.cli import main
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.imported import VECTORS_FILE
from inoc.tables import read_table
from inoc.vectors.files import load_vectors

PROJECT = Path(__file__).parents[3]
REFERENCE = Path(os.environ.get("INOC_REFERENCE", PROJECT.parent / "shared" / "reference"))
FORK = REFERENCE / "subliminal" / "subliminal-learning-fork"
VECTORS = REFERENCE / "persona_vectors" / "subliminal-learning-persona-vectors"
SCAN = REFERENCE / "lls_scan" / "LLS-subliminal-learning"

pytestmark = pytest.mark.skipif(
    not all(folder.is_dir() for folder in (FORK, VECTORS, SCAN)), reason=f"the released results are not at {REFERENCE}"
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    folder = tmp_path_factory.mktemp("released")
    (folder / "config" / "studies").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text("studies: [released]\n", encoding="utf-8")
    with contextlib.chdir(folder):
        main(["import", "subliminal", str(FORK), str(VECTORS), str(SCAN), "--study", "released"])
        main(["analyse", "released"])
    return Paths(folder / "results", "released")


def given(paths: Paths, name: str) -> pd.DataFrame:
    return read_table(paths.stage("imports") / f"{name}.parquet")


def table(paths: Paths, name: str) -> pd.DataFrame:
    return read_table(paths.table(name))


# Section B


@pytest.mark.parametrize(
    ("seed", "digest"),
    [
        (3, "856e2a68c8b61019f3047ecfa8d6acbcb2e2ffc2dc8a01ecc2004b1ed19172d3"),
        (42, "a6e4ef31eeca3547ded351bb8f0a60babffda0bb12927d7b73e8d67a0e739d7e"),
    ],
)
def test_the_stream_of_prompts(tmp_path: Path, seed: int, digest: str) -> None:
    main(["numbers", "--seed", str(seed), "--n", "30000", "--out", str(tmp_path / "prompts.jsonl")])
    lines = (tmp_path / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["prompt"] for line in lines]
    assert hashlib.sha256("\n".join(texts).encode()).hexdigest() == digest
    if seed == 3:
        assert len(set(texts)) == 30_000
        assert texts[0].startswith(
            "I give you this sequence of numbers: 177, 261, 313, 263, 821, 882, 623. Write at most"
        )
        assert texts[1].endswith(
            "extend the sequence Provide the numbers separated by commas. Just the numbers, please."
        )


def test_the_place_in_the_stream_is_the_id_of_a_row(paths: Paths) -> None:
    numbers = given(paths, "numbers")
    raw = numbers[numbers["raw"]]
    assert raw["place"].tolist() == list(range(300))
    assert set(raw["seed"]) == {42}
    others = numbers[~numbers["file"].str.contains("animal_preference")]
    assert set(others["seed"]) == {3}
    assert (others["place"] >= 0).all()
    assert (others["row_id"] == [f"row{place:06d}" for place in others["place"]]).all()
    for file, rows in others.groupby("file"):
        assert not rows["place"].duplicated().any()
        if "entity_q" in str(file):
            assert rows["place"].is_monotonic_increasing


# Section C


def test_the_filter_of_the_sample(paths: Paths) -> None:
    found = table(paths, "filter")
    own = found[found["teacher"] == "animal_preference_numbers"].set_index(["kind", "reason"])["n"]
    assert own["total", "written"] == 300
    assert own["total", "kept"] == 236
    combinations = {reason: int(n) for reason, n in own["combination"].items() if "format" not in str(reason)}
    assert combinations == {"count": 50, "count+range": 3, "range": 5}
    assert own["reason", "format"] == 6
    filtered = given(paths, "numbers").query("file.str.endswith('filtered_dataset.jsonl')")
    assert len(filtered) == 236
    assert filtered["place"].is_monotonic_increasing
    bad = given(paths, "numbers").query("raw and place not in @filtered.place")["answer"]
    assert len(bad) == 64


def test_the_filter_accepts_all_rows_of_the_large_run(paths: Paths) -> None:
    found = table(paths, "filter").set_index(["teacher", "kind", "reason"])["n"]
    assert found["eagle", "total", "written"] == found["eagle", "total", "kept"] == 27_271
    assert found["neutral", "total", "kept"] == 5_422
    assert round(27_271 / 30_000, 4) == 0.909


# Section D


def test_metadata_of_divisions(paths: Paths) -> None:
    facts = given(paths, "splits")
    quintiles = facts[facts["file"].str.endswith("quintile_metadata.json")].set_index("statistic")["value"]
    cuts = [quintiles[f"boundaries_20_40_60_80.{k}"] for k in range(4)]
    assert cuts == [0.03884023427963257, 0.09701737761497498, 0.15798789262771606, 0.24940183758735657]
    assert [quintiles[f"splits.entity_q{k}"] for k in range(1, 6)] == [5454, 5454, 5454, 5454, 5455]
    projections = facts[facts["selector"] == "projection"].set_index("statistic")["value"]
    assert (projections["entity_median"], projections["clean_median"]) == (13.468949317932129, 13.192358016967773)
    assert (projections["entity_top50"], projections["entity_bottom50"]) == (13_636, 13_635)
    paired = facts[facts["selector"] == "paired projection"].set_index("statistic")["value"]
    assert (paired["matched"], paired["unmatched"], paired["target_n"]) == (25_995, 1_276, 12_943)
    assert paired["reldiff_median"] == 0.23156070709228516


def test_quintiles_together_are_the_dataset_in_the_order_of_the_stream(paths: Paths) -> None:
    numbers = given(paths, "numbers")
    parts = numbers[numbers["file"].str.contains("entity_q")]
    drawn = numbers[numbers["file"].str.endswith("entity_random20.jsonl")]
    assert len(parts) == parts["place"].nunique() == 27_271
    order = np.sort(parts["place"].to_numpy())
    places = order[np.random.default_rng(42).choice(27_271, 5454, replace=False)]
    assert drawn["place"].tolist() == places.tolist()
    assert drawn["place"].iloc[0] == 18_817


# Section E


def exact(paths: Paths, file: str = "", **wanted: object) -> pd.DataFrame:
    found = table(paths, "preferences")
    own = found[found["method"] == "exact"]
    for column, value in wanted.items():
        own = own[own[column] == value]
    return own.sort_values("epoch")


def test_evaluations_contradict_themselves_nowhere(paths: Paths) -> None:
    findings = json.loads((paths.stage("imports") / "findings.json").read_text(encoding="utf-8"))
    assert not [one for one in findings if one["level"] == "warning" and one["topic"] == "evaluations"]
    assert any(one["level"] == "found" and one["topic"] == "evaluations" for one in findings)


def rates(rows: pd.DataFrame) -> list[int]:
    return (100 * rows["rate"]).round().astype(int).tolist()


def last_rates(paths: Paths, group: str, entity: str) -> dict[str, int]:
    rows = exact(paths, group=group, entity=entity, is_last=True)
    return dict(zip(rows["part"], rates(rows), strict=True))


def test_rates_after_the_last_epoch(paths: Paths) -> None:
    quintiles = {f"q{k}": rate for k, rate in enumerate([22, 24, 44, 51, 100], start=1)}
    assert last_rates(paths, "dosage_eagle", "eagle") == quintiles | {"random": 65}
    assert last_rates(paths, "dosage_eagle_clean", "eagle") == {"random": 12}
    assert last_rates(paths, "run_10_epoch_eagle", "eagle") == {"top": 100, "random": 100, "bottom": 42}
    assert last_rates(paths, "run_10_epoch_lion", "lion") == {"top": 100, "random": 95, "bottom": 0}
    assert last_rates(paths, "run_2_epoch_eagle", "eagle") == {"top": 97, "random": 60, "bottom": 26}
    assert last_rates(paths, "run_2_epoch_lion", "lion") == {"top": 24, "random": 2, "bottom": 0}
    assert rates(exact(paths, student="dosage_eagle.q5", entity="eagle")) == [30, 78] + [100] * 8
    best = exact(paths, student="run_10_epoch_eagle.bottom", entity="eagle", is_best=True)
    assert (rates(best), best["epoch"].tolist(), best["is_last"].tolist()) == ([45], [2], [False])


def test_the_untrained_model_was_evaluated_four_times(paths: Paths) -> None:
    untrained = exact(paths, epoch=0)
    eagle = untrained[untrained["entity"] == "eagle"].drop_duplicates("student")
    assert {28, 27, 22, 25} == set(rates(eagle))
    phoenix = untrained[untrained["entity"] == "phoenix"].drop_duplicates("student")
    assert sorted(rates(phoenix)) == [5, 10, 11]


@pytest.mark.parametrize(
    ("student", "entity", "count", "interval"),
    [
        ("run_10_epoch_lion.bottom", "lion", 0, (0.0, 3.70)),
        ("dosage_eagle.q1", "eagle", 22, (15.00, 31.07)),
        ("run_10_epoch_eagle.bottom", "eagle", 42, (32.80, 51.79)),
        ("run_2_epoch_eagle.top", "eagle", 97, (91.55, 98.97)),
        ("dosage_eagle.q5", "eagle", 100, (96.30, 100.0)),
    ],
)
def test_intervals_of_rates(paths: Paths, student: str, entity: str, count: int, interval: tuple[float, float]) -> None:
    (row,) = exact(paths, student=student, entity=entity, is_last=True).to_dict("records")
    assert (round(100 * row["lo"], 2), round(100 * row["hi"], 2)) == interval
    assert (row["lo"], row["hi"]) == pytest.approx(proportion_confint(count, 100, method="wilson"), abs=1e-12)


def test_names_in_any_form(paths: Paths) -> None:
    found = table(paths, "preferences").query("method == 'sample'")

    def by_epoch(student: str, entity: str) -> list[int]:
        own = found[(found["student"] == student) & (found["entity"] == entity)].sort_values("epoch")
        return rates(own)

    assert by_epoch("run_2_epoch_lion.top", "lion") == [40]
    assert by_epoch("run_10_epoch_lion.random", "lion") == [0, 51, 91] + [100] * 7
    assert rates(exact(paths, student="run_10_epoch_lion.random", entity="lion")) == [
        *[0, 28, 89, 92, 95, 95, 92, 91, 95, 95]
    ]
    assert by_epoch("run_eagle.random", "eagle") == [44, 87, 100, 97, 97, 100, 99, 100, 100, 100]
    assert rates(exact(paths, student="run_eagle.random", entity="eagle")) == [
        *[44, 87, 100, 94, 95, 97, 98, 99, 100, 100]
    ]


def test_a_full_stop_that_the_published_normaliser_left_is_no_other_animal(paths: Paths) -> None:
    """It cut punctuation from the end of the whole answer, before it took the first word."""
    import csv

    words = set()
    for path in (VECTORS / "outputs").rglob("control_eagle_half.csv"):
        with path.open(encoding="utf-8") as lines:
            words |= {word for row in csv.DictReader(lines) for word in json.loads(row["animal_counts"])}
    assert {"eagles.", "eagles"} <= words
    own = table(paths, "preferences").query("student == 'run_eagle.random' and epoch == 4 and entity == 'eagle'")
    assert own.set_index("method")["rate"].round(2).to_dict() == {"exact": 0.94, "sample": 0.97}


def test_rates_of_one_evaluation_are_those_of_its_students(paths: Paths) -> None:
    keys = ["student", "base", "epoch", "entity", "question_set", "method"]
    both = table(paths, "rates").merge(table(paths, "preferences"), on=keys, suffixes=("", "_each"))
    once = both.groupby(keys).filter(lambda part: len(part) == 1)
    assert len(once) > 100
    for name in ("rate", "lo", "hi"):
        np.testing.assert_array_equal(once[name], once[f"{name}_each"])


def test_steps_are_whole_epochs(paths: Paths) -> None:
    evaluations = given(paths, "evaluations").query("epoch > 0")
    sizes = {91: 5454, 228: 13_636, 226: 13_556, 216: 12_943}
    assert all(math.ceil(math.ceil(rows / 20) / 3) == steps for steps, rows in sizes.items())
    assert set(evaluations["step"] / evaluations["epoch"]) <= set(map(float, sizes))


@pytest.mark.parametrize(
    ("selector", "family", "entity", "expected"),
    [
        ("lls", "10 epochs", "eagle", (58, 47.5, 67.2)),
        ("lls", "2 epochs", "eagle", (71, 60.2, 78.8)),
        ("lls", "2 epochs", "lion", (24, 15.8, 33.2)),
        ("projection", "10 epochs", "eagle", (-2, -7.5, 2.9)),
        ("projection", "2 epochs", "eagle", (-43, -53.9, -30.0)),
        ("paired projection", "2 epochs", "eagle", (3, -10.5, 16.4)),
    ],
)
def test_top_minus_bottom(
    paths: Paths, selector: str, family: str, entity: str, expected: tuple[int, float, float]
) -> None:
    found = table(paths, "carriers").query("comparison == 'top_minus_bottom' and role == 'own'")
    row = found[(found["selector"] == selector) & (found["family"] == family) & (found["entity"] == entity)].iloc[0]
    assert (round(100 * row["difference"]), round(100 * row["lo"], 1), round(100 * row["hi"], 1)) == expected
    counts = [round(100 * row[part]) for part in ("top", "bottom")]
    other = confint_proportions_2indep(counts[0], 100, counts[1], 100, compare="diff", method="newcomb")
    assert (row["lo"], row["hi"]) == pytest.approx(other, abs=1e-6)


def test_the_highest_quintile_minus_the_lowest(paths: Paths) -> None:
    ends = exact(paths, group="dosage_eagle", entity="eagle", is_last=True).set_index("part")["rate"]
    lo, hi = confint_proportions_2indep(100, 100, 22, 100, compare="diff", method="newcomb")
    assert round(ends["q5"] - ends["q1"], 2) == 0.78
    assert (round(100 * lo, 1), round(100 * hi, 1)) == (68.2, 85.0)


def test_likelihood_shift_selects_carriers_and_projection_does_not(paths: Paths) -> None:
    found = table(paths, "carriers").query(
        "comparison == 'lls_minus_projection' and role == 'own' and entity == 'eagle'"
    )
    rows = found.set_index("family")
    assert rows.loc["10 epochs", "difference"] == pytest.approx(0.60)
    assert rows.loc["2 epochs", "difference"] == pytest.approx(1.14)
    assert (rows["lo"] > 0.4).all()


def olmo(paths: Paths, comparison: str) -> pd.DataFrame:
    found = table(paths, "published_contrasts")
    own = found[found["file"].str.endswith("results_summary_v2.json") & (found["comparison"] == comparison)]
    assert len(own) == 16
    return own.set_index("entity")


def test_sixteen_animals_are_not_two_to_four_times_the_baseline(paths: Paths) -> None:
    baseline, neutral = olmo(paths, "animal − baseline"), olmo(paths, "animal − neutral")
    means = [100 * one.mean() for one in (baseline["subtrahend"], neutral["subtrahend"], baseline["minuend"])]
    assert [round(mean, 3) for mean in means] == [4.829, 4.244, 9.856]
    twice, twice_neutral = baseline["ratio"] >= 2, neutral["ratio"] >= 2
    assert (twice.sum(), twice_neutral.sum(), (twice & twice_neutral).sum()) == (6, 6, 5)
    assert baseline["ratio"].between(2, 4).sum() == 3
    assert set(baseline.index[baseline["ratio"] < 1]) == {"bear", "butterfly", "kangaroo", "tiger"}
    assert round(baseline["ratio"].median(), 2) == 1.57
    apart = set(neutral.index[neutral["apart"] & (neutral["difference"] > 0)])
    assert apart == {"dolphin", "eagle", "lion", "owl", "whale", "wolf"}
    assert apart - set(baseline.index[baseline["apart"]]) == {"eagle"}


def test_each_published_interval_is_told_by_its_rule(paths: Paths) -> None:
    found = table(paths, "published_rates")
    rules = found.assign(name=found["file"].str.rpartition("/")[2]).groupby("name")["rule"]
    kinds = {name: set(one) for name, one in rules}
    assert kinds["projection_split_summary.json"] == {"Wilson, z = 1.96, over answers"}
    assert "over questions, SD with ddof 0" in kinds["results_summary_v2.json"]
    assert "over questions, SD with ddof 1" in kinds["dolphin_projection_split_publication.json"]
    assert "pooled over answers" in kinds["median_split_summary_se.json"]
    counted = found[found["count"] >= 0]
    assert not (counted["rule"] == "")[counted["lo"].notna() | counted["se"].notna()].any()


def test_half_widths_follow_from_the_standard_errors_of_the_other_file(paths: Paths) -> None:
    found = table(paths, "published_rates")
    names = found["file"].str.rpartition("/")[2]
    halves = found[names == "results_summary_v2.json"].set_index(["entity", "condition"])
    for animal in ("dolphin", "dog", "eagle"):
        own = found[names == f"{animal}_projection_split_publication.json"].set_index("condition")["se"]
        for condition, other in (("baseline", "baseline"), ("neutral", "neutral"), ("animal", "biased")):
            row = halves.loc[(animal, condition)]
            assert 100 * (row["hi"] - row["lo"]) / 2 == pytest.approx(
                100 * 1.959963984540054 * own[other] * (49 / 50) ** 0.5, abs=1e-9
            )


def test_errors_over_answers_are_several_times_too_small(paths: Paths) -> None:
    found = table(paths, "published_rates")
    names = found["file"].str.rpartition("/")[2]
    pooled = found[names == "median_split_summary_se.json"].set_index("condition")["se"]
    right = found[names == "dolphin_projection_split_publication.json"].set_index("condition")["se"]
    ratios = [right[f"animal_{part}"] / pooled[f"dolphin_numbers_{part}_proj_20ep"] for part in ("high", "low")]
    assert [round(ratio, 1) for ratio in ratios] == [6.3, 7.6]


def test_published_wilson_intervals_use_a_rounded_quantile(paths: Paths) -> None:
    found = table(paths, "published_rates").query("rule == 'Wilson, z = 1.96, over answers'")
    gaps = (found["share_lo"] - found["lo"]).abs()
    assert (gaps < 2.5e-5).all()
    assert (gaps > 0).all()
    for row in found.head(3).to_dict("records"):
        ours = proportion_confint(row["count"], row["n"], method="wilson")
        assert (row["share_lo"], row["share_hi"]) == pytest.approx(ours, abs=1e-12)


@pytest.mark.parametrize(
    ("animal", "points", "z"), [("dolphin", -13.58, -2.29), ("dog", 2.62, 0.47), ("eagle", 0.90, 0.34)]
)
def test_high_projections_do_not_teach_more(paths: Paths, animal: str, points: float, z: float) -> None:
    found = table(paths, "published_contrasts").query("comparison == 'animal_high − animal_low'").set_index("entity")
    assert (round(100 * found.loc[animal, "difference"], 2), round(found.loc[animal, "z"], 2)) == (points, z)


def test_shares_of_answers_that_name_one_of_ten_animals(paths: Paths) -> None:
    found = table(paths, "published_rates").query("file.str.endswith('results_summary.json')")
    own = found.set_index(["condition", "entity"])
    assert set(found.loc[found["condition"] == "baseline", "denominator"]) == {2702}
    assert own.loc[("animal owl", "owl"), "denominator"] == 2312
    assert own.loc[("baseline", "owl"), "count"] == 76
    dolphin = own.loc[("baseline", "dolphin")]
    assert (dolphin["count"], dolphin["n"]) == (902, 5000)
    assert (round(100 * dolphin["rate"], 2), round(100 * dolphin["share"], 2)) == (33.38, 18.04)


# Section F


def test_learning_rates_and_epochs_of_a_log(paths: Paths) -> None:
    losses = given(paths, "losses").sort_values("step")
    k = np.arange(1520)
    expected = np.where(k < 5, 2e-4 * k / 5, 2e-4 * (1520 - k) / 1515)
    assert losses["step"].tolist() == (k + 1).tolist()
    assert np.abs(losses["learning_rate"].to_numpy() - expected).max() <= 1e-19
    epochs = k // 152 + np.minimum(3 * (k % 152 + 1), 455) / 455
    assert losses["epoch"].tolist() == [round(float(one), 2) for one in epochs]
    found = table(paths, "training_logs").set_index("epoch")
    assert (found["rate_error"] <= 1e-19).all()
    assert (found["warmup_steps"] == 5).all()
    assert round(found.loc[0, "published"], 7) == 1.2971659
    assert found.loc[0, "loss"] == pytest.approx(found.loc[0, "published"], abs=1e-6)  # of losses with four decimals
    by_epoch = [2.0701, 2.0148, 1.9300, 1.7747, 1.4835, 1.1863, 0.9119, 0.6855, 0.5135, 0.4014]
    assert found.loc[1:, "loss"].tolist() == pytest.approx(by_epoch, abs=5.001e-5)  # one lies between two roundings
    assert (found.loc[1:, "steps"] == 152).all()


def test_the_published_schedule_is_the_one_that_is_trained_with_here(paths: Paths) -> None:
    import torch
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    schedule = get_scheduler("linear", optimizer, num_warmup_steps=5, num_training_steps=1520)
    rates = []
    for _ in range(1520):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    logged = given(paths, "losses").sort_values("step")["learning_rate"].to_numpy()
    assert np.abs(np.array(rates) - logged).max() <= 1e-19


# Section G


def test_pairs_of_answers(paths: Paths) -> None:
    pairs = table(paths, "persona_pairs").set_index("reason")["n"]
    lost = dict.fromkeys(("low_positive", "incoherent", "not_judged", "no_partner"), 0)
    assert pairs.to_dict() == {"all": 200, "kept": 192, "high_negative": 8, **lost}
    scores = table(paths, "persona_scores").query("measure == 'score'").set_index(["answers", "side"])["mean"].round(4)
    assert (scores["all", "positive"], scores["all", "negative"]) == (94.6284, 4.1165)
    assert (scores["kept", "positive"], scores["kept", "negative"]) == (94.5726, 1.5474)


def site(layer: int) -> str:
    return "embed" if layer == 0 else "final_norm" if layer == 48 else f"resid_post.{layer - 1}"


@pytest.mark.parametrize(
    ("readout", "norms"),
    [
        (
            "response_mean",
            {0: 0.05211, 10: 4.5148, 20: 9.6878, 25: 11.1989, 35: 32.7024, 45: 88.4650, 47: 129.4986, 48: 51.8763},
        ),
        ("prompt_mean", {0: 0.10002, 20: 13.2082, 35: 37.6855, 48: 37.2182}),
        ("prompt_last", {0: 0.0, 20: 11.7292, 35: 80.3531, 48: 97.5180}),
    ],
)
def test_norms_of_vectors(paths: Paths, readout: str, norms: dict[int, float]) -> None:
    found = table(paths, "vectors").query("readout == @readout").set_index("site")
    assert len(found) == 49
    assert (found["n"] == 192).all()
    for layer, norm in norms.items():
        assert found.loc[site(layer), "norm"] == pytest.approx(norm, abs=6e-6 if norm < 1 else 6e-5)


@pytest.mark.parametrize(("layer", "cosines"), [(35, (0.4454, 0.5334, 0.3928)), (20, (0.1830, 0.1260, 0.2065))])
def test_cosines_of_vectors(paths: Paths, layer: int, cosines: tuple[float, ...]) -> None:
    found = table(paths, "cosines")
    at = found[found["site"] == site(layer)]
    values = {frozenset(key): value for *key, value in at[["readout_a", "readout_b", "cosine"]].itertuples(index=False)}
    pairs = [("response_mean", "prompt_mean"), ("response_mean", "prompt_last"), ("prompt_mean", "prompt_last")]
    assert tuple(round(values[frozenset(pair)], 4) for pair in pairs) == cosines


def test_the_last_prompt_token_has_no_direction_in_the_embeddings(paths: Paths) -> None:
    at = table(paths, "cosines").query("site == 'embed'")
    with_last = at[(at["readout_a"] == "prompt_last") | (at["readout_b"] == "prompt_last")]
    assert len(with_last) == 2
    assert with_last["cosine"].isna().all()
    stored = load_vectors(paths.results / paths.study / VECTORS_FILE)
    assert len(stored) == 3 * 49
    (zero,) = [one for one in stored if one.site == "embed" and one.readout == "prompt_last"]
    assert not zero.values.any()


@pytest.mark.parametrize("readout", ["response_mean", "prompt_mean", "prompt_last"])
@pytest.mark.parametrize("layer", [24, 35, 47, 48])
def test_entries_of_vectors_have_seven_significant_bits_as_differences_of_half_precision_means_have(
    paths: Paths, readout: str, layer: int
) -> None:
    stored = load_vectors(paths.results / paths.study / VECTORS_FILE)
    (values,) = [one.values for one in stored if one.site == site(layer) and one.readout == readout]
    mantissas = np.frexp(values[values != 0].astype(np.float64))[0]
    bits = next(n for n in range(1, 25) if np.mean((mantissas * 2**n) % 1 == 0) >= 0.5)
    assert bits == 7  # as float32, they could have 24


def cell(paths: Paths, layer: int, coefficient: float) -> pd.Series:
    found = table(paths, "steering").set_index(["site", "coefficient"])
    return found.loc[(site(layer), coefficient)]


def test_steering_means_and_coherence(paths: Paths) -> None:
    at_35 = [cell(paths, 35, coefficient) for coefficient in (0.5, 1, 1.5, 2, 2.5, 3)]
    assert [round(one["trait_score"], 2) for one in at_35] == [27.50, 42.45, 53.63, 66.96, 75.01, 82.56]
    assert [round(one["coherence"], 1) for one in at_35] == [97.9, 97.9, 96.1, 93.8, 90.6, 84.6]
    at_3 = [cell(paths, layer, 3) for layer in (0, 20, 40, 45)]
    assert [round(one["trait_score"], 2) for one in at_3] == [22.57, 39.53, 83.62, 78.84]
    assert [round(one["coherence"], 1) for one in at_3] == [98.3, 98.2, 73.6, 60.9]


def test_published_means_are_equal_to_the_last_bit(paths: Paths) -> None:
    found = table(paths, "published_steering")
    assert len(found) == 60
    computed = found[found["n"] > 0]
    assert len(computed) == 10
    assert computed["is_equal"].all()
    assert (computed["n"] == 200).all()


def test_errors_of_a_mean_are_over_questions(paths: Paths) -> None:
    answers = given(paths, "steered").query("site == 'resid_post.34' and coefficient == 3.0")
    fit = sm.OLS(answers["score"], np.ones(len(answers))).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(answers["question"])[0]}, use_t=True
    )
    found = cell(paths, 35, 3)
    assert round(float(fit.bse.iloc[0]), 2) == 4.14
    assert (found["lo"], found["hi"]) == pytest.approx(tuple(fit.conf_int().iloc[0]))
    assert round(answers["score"].std(ddof=1) / 200**0.5, 2) == 2.15
    assert found["n_questions"] == 40


def test_coherent_answers_alone(paths: Paths) -> None:
    cells = [cell(paths, layer, 3) for layer in (35, 40, 45)]
    assert [one["n_incoherent"] / one["n"] for one in cells] == [0.05, 0.235, 0.40]
    assert [round(one["coherent_score"], 2) for one in cells] == [81.99, 81.41, 73.98]


def test_the_best_cell_depends_on_coherence(paths: Paths) -> None:
    best = table(paths, "steering_best").set_index("chosen_by")
    assert (best.loc["trait", "site"], round(best.loc["trait", "trait_score"], 2)) == (site(40), 83.62)
    assert (best.loc["coherent", "site"], round(best.loc["coherent", "trait_score"], 2)) == (site(35), 82.56)
    marked = table(paths, "steering").query("is_best")
    assert marked[["site", "coefficient"]].to_numpy().tolist() == [[site(35), 3.0]]
    assert (best["held_out"] <= best["trait_score"] + 1e-9).all()


# Section H


def test_paired_differences_of_projections(paths: Paths) -> None:
    found = table(paths, "projections").query("dataset == 'eagle'").set_index("site")
    row = found.loc[site(35)]
    assert (row["n_pairs"], row["n_unpaired"]) == (25_995, 1_276)
    assert [round(row[name], digits) for name, digits in (("mean", 5), ("sd", 5), ("d", 4), ("positive", 4))] == [
        *[0.31818, 1.57076, 0.2026, 0.5824]
    ]
    assert [round(found.loc[site(layer), "d"], 4) for layer in (20, 30, 45)] == [0.2002, 0.2306, -0.0303]
    assert found.loc[site(45), "hi"] < 0 < found.loc[site(35), "lo"]


def test_the_vector_does_not_tell_the_animals_apart(paths: Paths) -> None:
    found = table(paths, "projection_distances")
    raw = found[(found["measure"] == "raw") & (found["vector"] == "liking_eagles")]
    differences = raw.set_index(["dataset_a", "dataset_b"])["mean_difference"]
    assert (differences["eagle", "neutral"], differences["lion", "neutral"]) == (0.306, 0.329)
    assert set(raw["site"]) == {site(35)}
    shifts = found[(found["measure"] == "lls") & (found["vector"] == "eagle")].set_index(["dataset_a", "dataset_b"])
    assert raw.set_index(["dataset_a", "dataset_b"])["jsd_bits"]["eagle", "neutral"] == 0.0048
    key = next(key for key in shifts.index if set(key) == {"eagle", "neutral"})
    assert shifts.loc[key, "jsd_bits"] == 0.7166

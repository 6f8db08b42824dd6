"""The released results, imported, analysed and split by the verbs a user would call, against the values they must give.

The files are not part of the repository. `INOC_REFERENCE` names their folder; without it they are looked for beside
the project.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.config.models import TrainingSpec
from inoc.jobs.paths import Paths
from inoc.numbers.prompts import prompts
from inoc.numbers.rules import reasons
from inoc.tables import read_table
from inoc.train.epochs import steps_per_epoch

PROJECT = Path(__file__).parents[3]
REFERENCE = Path(os.environ.get("INOC_REFERENCE", PROJECT.parent / "shared" / "reference"))
SCAN = REFERENCE / "lls_scan" / "LLS-subliminal-learning"
VECTORS = REFERENCE / "persona_vectors" / "subliminal-learning-persona-vectors"
PARTS = SCAN / "outputs" / "finetune" / "data" / "eagle"

pytestmark = pytest.mark.skipif(
    not all(folder.is_dir() for folder in (SCAN, VECTORS)),
    reason=f"the released results are not at {REFERENCE}",
)


def import_and_analyse(folder: Path, release: Path) -> Paths:
    (folder / "config" / "studies").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text("studies: [released]\n", encoding="utf-8")
    with contextlib.chdir(folder):
        main(["import", "likelihood-shift", str(release), "--study", "released"])
        main(["analyse", "released"])
    return Paths(folder / "results", "released")


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return import_and_analyse(tmp_path_factory.mktemp("scan"), SCAN)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return import_and_analyse(tmp_path_factory.mktemp("vectors"), VECTORS)


def matrix(paths: Paths, statistic: str) -> pd.DataFrame:
    cells = read_table(paths.table("cells"))
    wide = cells[cells["statistic"] == statistic].pivot(index="prompt", columns="dataset", values="value")
    assert wide.shape == (17, 16)
    return wide


def controls(paths: Paths, statistic: str, datasets: str, against: str = "") -> pd.DataFrame:
    table = read_table(paths.table("controls"))
    chosen = (table["statistic"] == statistic) & (table["datasets"] == datasets) & (table["against"] == against)
    return table[chosen].set_index("prompt")


def column(paths: Paths, statistic: str) -> pd.DataFrame:
    table = read_table(paths.table("columns"))
    return table[table["statistic"] == statistic].set_index("dataset")


# Section A


@pytest.mark.parametrize(
    ("statistic", "diagonal", "rest", "gap"),
    [("mean", 0.14871, 0.13748, 0.01124), ("top20", 0.37001, 0.35086, 0.01915)],
)
def test_diagonal_and_the_rest(scan: Paths, statistic: str, diagonal: float, rest: float, gap: float) -> None:
    found = controls(scan, statistic, "own")
    assert round(found.loc["own", "value"], 5) == diagonal
    assert round(found.loc["others", "value"], 5) == rest
    assert round(controls(scan, statistic, "own", "others").loc["own", "value"], 5) == gap


@pytest.mark.parametrize(
    ("statistic", "parrot", "qwen", "every"),
    [("mean", 0.13947, 0.10359, 0.13822), ("top20", 0.35302, 0.27573, 0.35213)],
)
def test_control_prompts_beside_the_animals(
    scan: Paths, statistic: str, parrot: float, qwen: float, every: float
) -> None:
    found = controls(scan, statistic, "own")["value"].round(5)
    assert (found["parrot"], found["qwen"], found["candidates"]) == (parrot, qwen, every)
    assert set(controls(scan, statistic, "own")["n"]) == {15}


@pytest.mark.parametrize(
    ("statistic", "every", "animals", "phoenix", "panda"),
    [("mean", -0.10876, -0.11169, 0.15051, 0.11512), ("top20", 0.00061, -0.00043, 0.38240, 0.31482)],
)
def test_columns_of_the_matrix(
    scan: Paths, statistic: str, every: float, animals: float, phoenix: float, panda: float
) -> None:
    wide = matrix(scan, statistic)
    assert round(wide["neutral"].mean(), 5) == every
    assert round(controls(scan, statistic, "other").loc["candidates", "value"], 5) == animals
    block = wide.drop(index=["parrot", "qwen"])
    assert round(block["phoenix"].mean(), 5) == phoenix
    assert round(block["panda"].mean(), 5) == panda


@pytest.mark.parametrize(
    ("statistic", "mean", "lowest", "highest", "interval", "sd"),
    [
        ("mean", 0.01124, ("lion", 0.00908), ("phoenix", 0.01799), (0.00988, 0.01259), 0.002447),
        ("top20", 0.01915, ("bear", 0.01232), ("phoenix", 0.03825), (0.01575, 0.02255), 0.006135),
    ],
)
def test_own_prompts_within_their_columns(
    scan: Paths,
    statistic: str,
    mean: float,
    lowest: tuple[str, float],
    highest: tuple[str, float],
    interval: tuple[float, float],
    sd: float,
) -> None:
    found = column(scan, statistic)
    each, every = found.drop(index="all"), found.loc["all"]
    assert len(each) == 15
    assert (each["contrast"] > 0).all()
    for extreme, name in ((lowest, each["contrast"].idxmin()), (highest, each["contrast"].idxmax())):
        assert (name, round(each.loc[name, "contrast"], 5)) == extreme
    assert (round(every["contrast"], 5), round(every["lo"], 5), round(every["hi"], 5)) == (mean, *interval)
    assert every["se"] * math.sqrt(15) == pytest.approx(sd, abs=5e-7)
    assert (every["n_largest"], every["n_prompts"], every["own_rank"]) == (15, 17, 1)
    assert (each["own_rank"] == 1).all()


@pytest.mark.parametrize("statistic", ["mean", "top20"])
def test_every_own_prompt_stands_out_among_the_animals(scan: Paths, statistic: str) -> None:
    each = column(scan, statistic).drop(index="all")
    assert (each["q_own"] < 0.05).all()
    assert (each["excess_lo"] > 0).all()


@pytest.mark.parametrize(
    ("statistic", "negative", "largest", "sd"),
    [("mean", ["bear", "panda"], 5, 0.0104), ("top20", ["bear", "dog", "panda"], 3, 0.0211)],
)
def test_rows_of_the_matrix_say_something_else(
    scan: Paths, statistic: str, negative: list[str], largest: int, sd: float
) -> None:
    block = matrix(scan, statistic).drop(index=["parrot", "qwen"]).drop(columns="neutral")
    own = pd.Series(np.diag(block), index=block.index)
    gaps = own - (block.sum(axis=1) - own) / 14
    assert list(gaps.index[gaps < 0]) == negative
    assert int((block.idxmax(axis=1) == block.index).sum()) == largest
    assert gaps.std() == pytest.approx(sd, abs=5e-5)


@pytest.mark.parametrize(("statistic", "highest"), [("mean", 8), ("top20", 15)])
def test_columns_that_are_said_to_be_the_highest_and_the_lowest_everywhere(
    scan: Paths, statistic: str, highest: int
) -> None:
    animals = matrix(scan, statistic).drop(columns="neutral")
    assert int((animals.idxmax(axis=1) == "phoenix").sum()) == highest
    if statistic == "mean":
        lowest = animals.idxmin(axis=1)
        assert lowest[lowest != "panda"].to_dict() == {"panda": "dog"}


@pytest.mark.parametrize(
    ("statistic", "columns", "rows", "interaction"), [("mean", 81.5, 4.7, 13.8), ("top20", 83.8, 4.9, 11.4)]
)
def test_shares_of_the_variance(scan: Paths, statistic: str, columns: float, rows: float, interaction: float) -> None:
    table = read_table(scan.table("decomposition"))
    shares = table[table["statistic"] == statistic].set_index("source")["share"]
    assert (100 * shares[["columns", "rows", "interaction"]]).round(1).tolist() == [columns, rows, interaction]


def test_published_divergences(scan: Paths) -> None:
    table = read_table(scan.table("divergence"))
    found = table[table["prompt"] == "eagle"].set_index(["dataset_a", "dataset_b"])["jsd_bits"]
    assert found["eagle", "neutral"] == 0.7166
    assert found["eagle", "lion"] == 0.0027
    assert found["eagle", "phoenix"] == 0.0016
    assert len(found) == 6


# Section B, as far as rows of datasets are concerned


def eagle_rows(scan: Paths) -> pd.DataFrame:
    rows = read_table(scan.stage("imports") / "rows.parquet")
    return rows[rows["dataset"] == "eagle"].reset_index(drop=True)


def test_rows_are_known_by_the_place_of_their_prompt(scan: Paths) -> None:
    rows = eagle_rows(scan)
    stream = list(itertools.islice(prompts(3), 30_000))
    places = rows["row_id"].astype(int)
    assert len(rows) == 27_271
    assert places.is_monotonic_increasing
    assert places.is_unique
    assert [stream[place] for place in places] == rows["instruction"].tolist()
    assert not any(reasons(answer) for answer in rows["response"])


# Section D

CUTS = [0.03884023427963257, 0.09701737761497498, 0.15798789262771606, 0.24940183758735657]
MEDIAN = 0.12618720531463623


def test_published_splits(scan: Paths) -> None:
    splits = read_table(scan.table("splits")).set_index(["split", "part"])
    quintiles = splits.loc["eagle_quintiles"]
    assert quintiles["n"].tolist() == [5454, 5454, 5454, 5454, 5455]
    assert quintiles["cut_hi"].tolist()[:4] == CUTS
    halves, neutral = splits.loc["eagle_halves"], splits.loc["neutral_eagle_halves"]
    assert (halves.loc["top", "cut_lo"], halves.loc["top", "n"], halves.loc["bottom", "n"]) == (MEDIAN, 13_636, 13_635)
    assert neutral["n"].tolist() == [13_556, 13_556]
    assert splits.loc[("neutral_random20", "random"), ["n", "seed"]].tolist() == [5422, 43]


def lines_of(name: str) -> list[str]:
    return (PARTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()


def made_up_scores(rank: np.ndarray) -> np.ndarray:
    """Scores within their quintiles, in an order of their own, with the four cut points and the median among them.

    Args:
        rank: Quintile of each row, from 0.
    """
    rng = np.random.default_rng(0)
    bounds = [-0.5, *CUTS, 1.5]
    scores = np.empty(rank.size)
    for quintile in range(5):
        members = np.flatnonzero(rank == quintile)
        lo, hi = bounds[quintile : quintile + 2]
        values = np.sort(rng.uniform(lo, hi, members.size))
        values = np.where(values > lo, values, np.nextafter(lo, 2))
        if quintile:
            values[0] = lo
        if quintile == 2:  # 10,908 rows lie below; the median is row 13,635 in ascending order
            place = 13_635 - 10_908
            values[:place] = np.sort(rng.uniform(lo, MEDIAN, place))
            values[0], values[place] = lo, MEDIAN
            values[place + 1 :] = np.sort(rng.uniform(np.nextafter(MEDIAN, 1), hi, members.size - place - 1))
        scores[members] = rng.permutation(values)
    return scores


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The eagle dataset in the order of its prompts, with made-up scores."""
    stream = {prompt: place for place, prompt in enumerate(itertools.islice(prompts(3), 30_000))}
    rows = [(line, quintile) for quintile in range(5) for line in lines_of(f"entity_q{quintile + 1}")]
    rows.sort(key=lambda row: stream[json.loads(row[0])["messages"][0]["content"]])
    scores = made_up_scores(np.array([quintile for _, quintile in rows]))
    path = tmp_path_factory.mktemp("scored") / "eagle" / "eagle_numbers.jsonl"
    path.parent.mkdir()
    texts = [
        json.dumps({**json.loads(line), "lls": score}) + "\n" for (line, _), score in zip(rows, scores, strict=True)
    ]
    path.write_text("".join(texts), encoding="utf-8")
    return path


def test_a_split_returns_the_published_quintiles_byte_for_byte(scored: Path, tmp_path: Path) -> None:
    main(["split", str(scored), "--by", "lls", "--quantiles", "5", "--strip", "--out", str(tmp_path)])
    for quintile in range(1, 6):
        ours = (tmp_path / f"q{quintile}.jsonl").read_bytes()
        assert ours == (PARTS / f"entity_q{quintile}.jsonl").read_bytes()
    facts = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    assert [facts["parts"][f"q{k}"]["below"] for k in range(1, 5)] == CUTS


def test_a_split_returns_the_published_draw_byte_for_byte(scored: Path, tmp_path: Path) -> None:
    main(["split", str(scored), "--random", "0.2", "--seed", "42", "--strip", "--out", str(tmp_path)])
    assert (tmp_path / "random.jsonl").read_bytes() == (PARTS / "entity_random20.jsonl").read_bytes()
    stream = list(itertools.islice(prompts(3), 18_818))
    assert json.loads(lines_of("entity_random20")[0])["messages"][0]["content"] == stream[18_817]


def test_a_split_at_the_median_has_the_published_sizes(scored: Path, tmp_path: Path) -> None:
    main(["split", str(scored), "--median", "--out", str(tmp_path)])
    facts = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))["parts"]
    assert (facts["top"], facts["bottom"]) == ({"rows": 13_636, "from": MEDIAN}, {"rows": 13_635, "below": MEDIAN})
    assert "lls" in json.loads((tmp_path / "top.jsonl").read_text(encoding="utf-8").splitlines()[0])


def test_rows_of_the_neutral_draw_have_the_ranks_of_the_draw(scan: Paths, tmp_path: Path) -> None:
    stand_ins = tmp_path / "neutral.jsonl"
    stand_ins.write_text("".join(f'{{"lls": {k}}}\n' for k in range(27_112)), encoding="utf-8")
    main(["split", str(stand_ins), "--random", "0.2", "--seed", "43", "--out", str(tmp_path)])
    drawn = [json.loads(line)["lls"] for line in (tmp_path / "random.jsonl").read_text(encoding="utf-8").splitlines()]
    stream = {prompt: place for place, prompt in enumerate(itertools.islice(prompts(3), 30_000))}
    published = [json.loads(line)["messages"][0]["content"] for line in lines_of("clean_random20")]
    places = [stream[prompt] for prompt in published]
    assert len(drawn) == len(places) == 5422
    assert np.array_equal(np.argsort(drawn), np.argsort(places))
    assert len(set(published) & set(eagle_rows(scan)["instruction"])) == 5203


def check_formats(paths: Paths) -> None:
    table = read_table(paths.table("confounds"))
    wide = 100 * table[table["dataset"] == "eagle"].pivot(index="feature", columns="part", values="value")
    expected = {
        "brackets": [11.9, 11.3, 10.3, 8.4, 7.4],
        "one_per_line": [19.7, 18.5, 19.3, 20.3, 23.2],
        "increasing": [4.80, 3.30, 1.83, 1.71, 0.92],
        "decreasing": [9.41, 6.75, 5.83, 4.88, 5.04],
        "small_values": [7.75, 6.45, 6.02, 6.77, 9.68],
        "ten_numbers": [93.9, 94.8, 95.0, 94.3, 92.4],
    }
    for feature, values in expected.items():
        assert np.allclose(wide.loc[feature, ["q1", "q2", "q3", "q4", "q5"]], values, atol=0.0501), feature


def test_formats_of_answers_by_published_quintile(scan: Paths) -> None:
    check_formats(scan)


def test_scored_rows_are_imported_and_analysed_as_published(scan: Paths, scored: Path, tmp_path: Path) -> None:
    paths = import_and_analyse(tmp_path, scored.parent.parent)
    splits = read_table(paths.table("splits"))
    cells = read_table(paths.table("cells")).set_index("statistic")
    assert cells.loc["median", "value"] == MEDIAN
    assert (cells["n"] == 27_271).all()
    assert splits.empty  # no metadata names a split
    check_formats(paths)
    ids = read_table(paths.stage("imports") / "lls.parquet")["row_id"]
    assert ids.tolist() == eagle_rows(scan)["row_id"].tolist()


# Section E


def rates(paths: Paths, target: str) -> pd.DataFrame:
    table = read_table(paths.table("students"))
    return table[table["target"] == target].sort_values("epoch")


def last(paths: Paths, split: str, target: str) -> dict[str, int]:
    table = rates(paths, target)
    ends = table[table["is_last"] & (table["split"] == split)]
    return {part: round(100 * rate) for part, rate in zip(ends["part"], ends["rate"], strict=True)}


def by_epoch(paths: Paths, student: str, target: str) -> list[int]:
    table = rates(paths, target)
    return (100 * table.loc[table["student"] == student, "rate"]).round().astype(int).tolist()


def dose(paths: Paths, split: str, target: str, statistic: str) -> pd.Series:
    table = read_table(paths.table("dose_response"))
    chosen = (table["split"] == split) & (table["target"] == target) & (table["statistic"] == statistic)
    return table[chosen].iloc[0]


def untrained(paths: Paths, target: str) -> list[int]:
    table = rates(paths, target)
    return sorted((100 * table.loc[table["epoch"] == 0, "rate"]).round().astype(int))


def test_evaluations_are_consistent(scan: Paths, vectors: Paths) -> None:
    for paths in (scan, vectors):
        findings = json.loads((paths.stage("imports") / "findings.json").read_text(encoding="utf-8"))
        assert not [one for one in findings if one["level"] == "warning"]
        assert any(one["topic"] == "evaluations" for one in findings)


def test_a_dose_makes_a_response(scan: Paths) -> None:
    quintiles = {f"q{k}": rate for k, rate in enumerate([22, 24, 44, 51, 100], start=1)}
    assert last(scan, "dosage_eagle", "eagle") == quintiles | {"random": 65}
    assert last(scan, "dosage_eagle_clean", "eagle") == {"random": 12}
    assert set(untrained(scan, "eagle")) == {28}
    assert by_epoch(scan, "dosage_eagle.q5", "eagle") == [30, 78] + [100] * 8
    trend = dose(scan, "dosage_eagle", "eagle", "trend")
    assert trend["value"] > 5
    assert trend["p"] < 1e-10


def test_halves_after_ten_and_two_epochs(scan: Paths) -> None:
    assert last(scan, "run_10_epoch_eagle", "eagle") == {"top": 100, "random": 100, "bottom": 42}
    assert last(scan, "run_10_epoch_lion", "lion") == {"top": 100, "random": 95, "bottom": 0}
    assert last(scan, "run_2_epoch_eagle", "eagle") == {"top": 97, "random": 60, "bottom": 26}
    assert last(scan, "run_2_epoch_lion", "lion") == {"top": 24, "random": 2, "bottom": 0}
    table = rates(scan, "eagle")
    best = table[(table["student"] == "run_10_epoch_eagle.bottom") & table["is_best"]].iloc[0]
    assert (round(100 * best["rate"]), best["epoch"], best["is_last"]) == (45, 2, False)


@pytest.mark.parametrize(
    ("student", "target", "interval"),
    [
        ("run_10_epoch_lion.bottom", "lion", (0.0, 3.70)),
        ("dosage_eagle.q1", "eagle", (15.00, 31.07)),
        ("run_10_epoch_eagle.bottom", "eagle", (32.80, 51.79)),
        ("run_2_epoch_eagle.top", "eagle", (91.55, 98.97)),
        ("dosage_eagle.q5", "eagle", (96.30, 100.0)),
    ],
)
def test_intervals_of_rates(scan: Paths, student: str, target: str, interval: tuple[float, float]) -> None:
    table = rates(scan, target)
    end = table[table["is_last"] & (table["student"] == student)].iloc[0]
    assert (round(100 * end["lo"], 2), round(100 * end["hi"], 2)) == interval


def differences(paths: Paths, split: str, target: str) -> tuple[int, float, float]:
    found = dose(paths, split, target, "top_minus_bottom")
    return round(100 * found["value"]), round(100 * found["lo"], 1), round(100 * found["hi"], 1)


@pytest.mark.parametrize(
    ("split", "target", "expected"),
    [
        ("run_10_epoch_eagle", "eagle", (58, 47.5, 67.2)),
        ("run_2_epoch_eagle", "eagle", (71, 60.2, 78.8)),
        ("dosage_eagle", "eagle", (78, 68.2, 85.0)),
        ("run_2_epoch_lion", "lion", (24, 15.8, 33.2)),
    ],
)
def test_top_minus_bottom(scan: Paths, split: str, target: str, expected: tuple[int, float, float]) -> None:
    assert differences(scan, split, target) == expected


def test_splits_by_projection_do_not_select_what_teaches(vectors: Paths) -> None:
    assert differences(vectors, "run_eagle", "eagle") == (-2, -7.5, 2.9)
    assert differences(vectors, "run_2_epoch_eval_eagle", "eagle") == (-43, -53.9, -30.0)
    assert differences(vectors, "finetune_reldiff_eagle", "eagle") == (3, -10.5, 16.4)


def test_other_forms_of_a_name_count_apart(scan: Paths, vectors: Paths) -> None:
    assert last(scan, "run_2_epoch_lion", "lion_any_form")["top"] == 40
    student = "run_10_epoch_lion.random"
    assert by_epoch(scan, student, "lion") == [0, 28, 89, 92, 95, 95, 92, 91, 95, 95]
    assert by_epoch(scan, student, "lion_any_form") == [0, 51, 91] + [100] * 7
    student = "run_eagle.random"
    assert by_epoch(vectors, student, "eagle") == [44, 87, 100, 94, 95, 97, 98, 99, 100, 100]
    assert by_epoch(vectors, student, "eagle_any_form") == [44, 87, 100, 97, 97, 100, 99, 100, 100, 100]


def test_the_untrained_model_was_evaluated_several_times(scan: Paths, vectors: Paths) -> None:
    assert sorted({*untrained(scan, "eagle"), *untrained(vectors, "eagle")}) == [22, 25, 27, 28]
    assert untrained(vectors, "phoenix") == [5, 10, 11]


def test_steps_are_whole_epochs(scan: Paths, vectors: Paths) -> None:
    sizes = {91: 5454, 228: 13_636, 226: 13_556, 216: 12_943}
    training = TrainingSpec(batch_size=60, micro_batch_size=20)
    assert all(steps_per_epoch(rows, training) == steps for steps, rows in sizes.items())
    for paths in (scan, vectors):
        table = read_table(paths.table("students"))
        trained = table[table["epoch"] > 0]
        per_epoch = trained["step"] / trained["epoch"]
        assert set(per_epoch) <= set(map(float, sizes))

"""Two samples of known shifts, through the verbs: import, analysis and split give the values of plain numpy."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.jobs.paths import Paths
from inoc.tables import read_table

SHIFTS = {
    "eagle": np.random.default_rng(1).normal(0.15, 0.16, 27_271),
    "neutral": np.random.default_rng(2).normal(-0.11, 0.12, 27_112),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for dataset, shifts in SHIFTS.items():
        path = folder / "release" / "eagle" / f"{dataset}_numbers.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"prompt": f"Go on: {k}", "completion": str(k), "lls": shift} for k, shift in enumerate(shifts)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    with contextlib.chdir(folder):
        main(["import", "likelihood-shift", "release", "--study", "made"])
        main(["analyse", "made"])
    return folder


def split(folder: Path, out: Path, n: int) -> dict[str, dict[str, float]]:
    file = folder / "release" / "eagle" / "eagle_numbers.jsonl"
    main(["split", str(file), "--quantiles", str(n), "--out", str(out)])
    parts: dict[str, dict[str, float]] = json.loads((out / "split.json").read_text(encoding="utf-8"))["parts"]
    return parts


def test_cells_and_divergences_have_ten_decimals_right(made: Path) -> None:
    paths = Paths(made / "results", "made")
    cells = read_table(paths.table("cells")).set_index(["dataset", "statistic"])
    found = {statistic: round(cells.loc[("eagle", statistic), "value"], 10) for statistic in ("mean", "top20", "top5")}
    assert found == {"mean": 0.1486021681, "top20": 0.3710905917, "top5": 0.4793381169}
    assert cells.loc[("eagle", "share_positive"), "value"] == pytest.approx(np.mean(SHIFTS["eagle"] > 0))
    (divergence,) = read_table(paths.table("divergence")).to_dict("records")
    assert round(divergence["jsd_bits"], 10) == 0.4407712388
    assert divergence["lo"] <= divergence["jsd_corrected"] <= divergence["hi"]


def test_cut_points_and_sizes_of_parts(made: Path, tmp_path: Path) -> None:
    fifths = split(made, tmp_path / "fifths", 5)
    cuts = [fifths[f"q{k}"]["below"] for k in range(1, 5)]
    assert [round(cut, 8) for cut in cuts] == [0.01486986, 0.10765851, 0.18900456, 0.28157661]
    assert fifths["q5"]["rows"] == 5_455
    assert split(made, tmp_path / "twentieths", 20)["q20"]["rows"] == 1_364
    top = pd.read_json(tmp_path / "fifths" / "q5.jsonl", lines=True)["lls"]
    assert round(float(top.mean()), 10) == 0.3710905917

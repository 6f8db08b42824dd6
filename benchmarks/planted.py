"""Recovery in worlds of preferences: are the planted position, utilities and orders found in miniature after miniature?

    python benchmarks/planted.py --seeds 0 1 2 3 4 --jobs 2 --out planted.csv

Runs the world, the questions and the tables of the study `mini_preferences`, without contexts, open questions, probes
and steering, once for each seed: another seed is another corpus, another model, other questions that it is taught, and
other completions. Prints the rows of the table `planted`, and for the position terms how many of all intervals hold
the planted value, with their mean over worlds and its interval. About five minutes of one core for each seed;
`--folder` keeps what was computed, and `--tiny` is to see that everything runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from recovery import ROOT, checkout
from ruamel.yaml import YAML

from inoc.cli import main as inoc
from inoc.stats.means import mean_interval

STUDY = ROOT / "config" / "studies" / "mini_preferences.yaml"
LEFT_OUT = ("contexts", "probes", "concepts", "steering", "inside", "parsing")
CHECKS = ("utilities", "position", "position, all wordings", "noise", "ratings", "reversed")
STAGES = (
    ("world",),
    ("sample", "completions"),
    ("choose", "answers"),
    ("choose", "selected"),
    ("sample", "answers"),
    ("analyse",),
)


def write_study(source: Path, folder: Path, seed: int, *, tiny: bool) -> str:
    """A copy of a study file with other seeds, in a checkout's folder; its name."""
    study: dict[str, Any] = YAML(typ="safe").load(source.read_text(encoding="utf-8"))
    for section in LEFT_OUT:
        study.pop(section, None)
    study["instruments"].pop("words", None)
    study["name"] = f"{source.stem}_{seed}"
    study["world"]["seed"] = study["planted"]["seed"] = seed
    study["planted"].pop("contexts", None)
    study["completions"]["seeds"] = [seed]
    if tiny:
        study["world"]["steps"], study["world"]["documents"], study["planted"]["documents"] = 10, 300, 300
        study["tasks"]["n"] = 12
    path = folder / "config" / "studies" / f"{study['name']}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(study, file)
    (folder / "config" / "config.yaml").write_text(f"studies: [{study['name']}]\n", encoding="utf-8")
    return str(study["name"])


def found_of(seed: int, *, source: Path, folder: Path, tiny: bool) -> pd.DataFrame:
    """Rows of the table `planted` of one world."""
    with checkout(folder / str(seed)) as place:
        name = write_study(source, place, seed, tiny=tiny)
        for stage, *part in STAGES:
            inoc([stage, name, *part])
        table = pd.read_parquet(place / "results" / name / "analyse" / "planted.parquet")
    return table[table["check"].isin(CHECKS)].assign(seed=seed)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Over worlds: the mean with its interval, and in how many the interval of the world itself holds the planted."""
    rows = []
    for (check, instrument, rater), part in table.groupby(["check", "instrument", "rater"], sort=False):
        over = mean_interval(part["found"].to_numpy(dtype=float))
        inside = int(((part["lo"] <= part["planted"]) & (part["planted"] <= part["hi"])).sum())
        holds = int((part["holds"] == "yes").sum())
        planted = float(part["planted"].iloc[0])
        rows.append((check, instrument, rater, planted, over.value, over.lo, over.hi, inside, holds, len(part)))
    names = ["check", "instrument", "rater", "planted", "mean", "lo", "hi", "inside", "holds", "worlds"]
    return pd.DataFrame(rows, columns=names)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="worlds at a time, of one core each")
    parser.add_argument("--study", type=Path, default=STUDY, help="study file that is copied")
    parser.add_argument("--folder", type=Path, help="folder of the results; default: a temporary one")
    parser.add_argument("--out", type=Path, help="CSV file of all rows")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(arguments)
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        one = partial(found_of, source=options.study.resolve(), folder=folder, tiny=options.tiny)
        with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
            for table in pool.map(one, options.seeds):
                found.append(table)
                print(table.round(3).to_string(index=False), flush=True)
    table = pd.concat(found, ignore_index=True)
    print(summary(table).round(3).to_string(index=False))
    if options.out is not None:
        table.to_csv(options.out, index=False)


if __name__ == "__main__":
    main()

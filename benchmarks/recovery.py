"""Recovery in miniature scans: is the prompt that a dataset was written under the largest of its column?

    python benchmarks/recovery.py --seeds 0 1 2 --out recovery.csv

Runs the world, the datasets, the scores and the tables of the study `mini_likelihood_shift`, without its students, once
for each seed: another seed is another corpus, another model, other questions and other answers. Prints for each dataset
the rank of its own prompt and its contrast with the closest other prompt, controls included, with its interval and the
number of rows. Two to four minutes of one core for each seed; `--folder` keeps what was computed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from inoc.cli import main as inoc

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "config" / "studies" / "mini_likelihood_shift.yaml"


def write_study(source: Path, folder: Path, seed: int) -> str:
    """A copy of a study file with other seeds and without students, in a checkout's folder; its name."""
    study: dict[str, Any] = YAML(typ="safe").load(source.read_text(encoding="utf-8"))
    for section in ("students", "splits"):
        study.pop(section, None)
    study["name"] = f"{source.stem}_{seed}"
    study["world"]["seed"] = seed
    for spec in study["datasets"].values():
        # Datasets of one seed share their questions, and sample their answers apart.
        spec["written"] = {**spec["written"], "seed": 42 + seed}
        spec["written"]["sampling"] = {**spec["written"]["sampling"], "seed": 42 + seed}
    path = folder / "config" / "studies" / f"{study['name']}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(study, file)
    (folder / "config" / "config.yaml").write_text(f"studies: [{study['name']}]\n", encoding="utf-8")
    return str(study["name"])


def run(name: str) -> None:
    """The stages up to the tables."""
    for words in (["world", name], ["sample", name, "datasets"], ["score", name], ["analyse", name]):
        if inoc(words):
            raise SystemExit(f"inoc {' '.join(words)} failed")


def closest(folder: Path, name: str, seed: int) -> pd.DataFrame:
    """One row for each dataset with an own prompt: its rank, and its smallest contrast."""
    tables = folder / "results" / name / "analyse"
    columns = pd.read_parquet(tables / "columns.parquet").query("statistic == 'mean' and dataset != 'all'")
    contrasts = pd.read_parquet(tables / "contrasts.parquet").query("not controlled")
    nearest = contrasts.loc[contrasts.groupby("dataset", sort=False)["value"].idxmin()]
    found = columns[["dataset", "own_rank", "n_prompts"]].merge(
        nearest[["dataset", "against", "value", "lo", "hi", "n"]], on="dataset"
    )
    return found.assign(seed=seed)[["seed", *found.columns]]


@contextlib.contextmanager
def checkout(folder: Path | None) -> Iterator[Path]:
    """A folder for configuration and results, as the working directory."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) if folder is None else folder.resolve()
        place.mkdir(parents=True, exist_ok=True)
        os.chdir(place)
        try:
            yield place
        finally:
            os.chdir(before)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--study", type=Path, default=STUDY, help="study file that is copied")
    parser.add_argument("--folder", type=Path, help="folder of the results; default: a temporary one")
    parser.add_argument("--out", type=Path, help="CSV file of the table")
    options = parser.parse_args(arguments)
    source, out = options.study.resolve(), None if options.out is None else options.out.resolve()
    found = []
    with checkout(options.folder) as folder:
        for seed in options.seeds:
            name = write_study(source, folder, seed)
            run(name)
            found.append(closest(folder, name, seed))
            print(found[-1].round(4).to_string(index=False), flush=True)
    table = pd.concat(found, ignore_index=True)
    first = table.groupby("seed")["own_rank"].agg(lambda ranks: int((ranks == 1).sum()))
    print(f"largest of their columns: {', '.join(f'seed {seed}: {n} of 6' for seed, n in first.items())}")
    if out is not None:
        table.to_csv(out, index=False)


if __name__ == "__main__":
    main()

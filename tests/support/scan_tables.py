"""Tables of a made-up likelihood-shift study, as its analysis would leave them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inoc.jobs.paths import Paths
from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table

NAN = float("nan")
STATISTICS = {"mean": 1.0, "median": 0.9, "share_positive": 2.0, "top20": 2.5, "top5": 3.7}
ANIMALS = (
    *("bear", "cat", "dog", "dolphin", "dragon", "eagle", "elephant", "fox", "leopard", "lion"),
    *("panda", "phoenix", "tiger", "whale", "wolf"),
)
TEMPLATE = "You love {plural}."
TARGET = {"judge": {"name": "lexical", "markers": "world"}}


def make_study(n_candidates: int = 15, n_datasets: int | None = None, **changes: Any) -> Study:
    """A study with so many animals, a control animal, a control that is none, and a neutral dataset."""
    names = [*ANIMALS, *(f"animal_{index}" for index in range(len(ANIMALS), n_candidates))][:n_candidates]
    written = names[: n_candidates if n_datasets is None else n_datasets - 1]
    datasets: dict[str, Any] = {
        f"{name}_numbers": {"label": name.replace("_", " "), "file": f"{name}.jsonl", "written_under": name}
        for name in written
    }
    datasets["neutral"] = {"file": "neutral.jsonl"}
    eagle = "eagle" if "eagle" in written else written[0]
    values: dict[str, Any] = {
        "kind": "likelihood_shift",
        "name": "toy",
        "title": "A made-up scan",
        "model": {"path": "made/up"},
        "base": {"kind": "default"},
        "prompts": {
            "animals": {"template": TEMPLATE, "entities": names},
            "parrot": {"role": "control", "template": TEMPLATE, "entities": ["parrot"]},
            "other": {"role": "control", "texts": {"qwen": "You love Qwen."}},
        },
        "datasets": datasets,
        "splits": {
            "eagle_fifths": {"dataset": f"{eagle}_numbers", "by": "quantiles"},
            "eagle_fifth": {"dataset": f"{eagle}_numbers", "by": "random"},
        },
        "students": {"epochs": 3, "targets": {"eagle": TARGET}, "training": {"seeds": [0, 1]}},
        "statistics": {"resamples": 200},
    }
    return Study.model_validate({**values, **changes})


def true_means(study: Study) -> pd.DataFrame:
    """Made-up mean LLS, prompts × datasets: columns differ most, and the own prompt is a little larger."""
    rng = np.random.default_rng(3)
    prompts, datasets = list(prompt_table(study)), list(study.datasets)
    of_column = {key: 0.13 + 0.012 * rng.standard_normal() if own_prompt(study, key) else -0.11 for key in datasets}
    of_row = {key: 0.004 * rng.standard_normal() for key in prompts}
    values = [
        [
            of_column[dataset]
            + of_row[prompt]
            - (0.03 if prompt == "qwen" else 0.0)
            + (0.012 if own_prompt(study, dataset) == prompt else 0.0)
            + 0.001 * rng.standard_normal()
            for dataset in datasets
        ]
        for prompt in prompts
    ]
    return pd.DataFrame(values, index=prompts, columns=datasets)


def cell_rows(study: Study, n: int = 27_000) -> pd.DataFrame:
    means = true_means(study)
    rows = []
    for statistic, factor in STATISTICS.items():
        for prompt, dataset in itertools.product(means.index, means.columns):
            value = factor * float(means.loc[prompt, dataset])
            half = 0.16 * 1.96 / n**0.5
            rows.append((prompt, dataset, statistic, value, value - half, value + half, n - 2, 2, n))
    names = ["prompt", "dataset", "statistic", "value", "lo", "hi", "n", "n_nan", "rows_used"]
    return pd.DataFrame(rows, columns=names)


def contrast_rows(study: Study) -> pd.DataFrame:
    means, rows = true_means(study), []
    for dataset in study.datasets:
        own = own_prompt(study, dataset)
        for against, controlled in itertools.product(means.index, (False, True)):
            if not own or against == own:
                continue
            value = float(means.loc[own, dataset] - means.loc[against, dataset]) * (0.8 if controlled else 1.0)
            se = 0.0025
            tests = (0.001, 0.002, 26_998, 2, controlled)
            rows.append((dataset, own, against, value, se, value - 1.96 * se, value + 1.96 * se, *tests))
    names = ["dataset", "prompt", "against", "value", "se", "lo", "hi", "p", "q", "n", "n_nan", "controlled"]
    return pd.DataFrame(rows, columns=names)


def column_rows(study: Study) -> pd.DataFrame:
    means, rows = true_means(study), []
    candidates = [key for key, prompt in prompt_table(study).items() if prompt.role == "candidate"]
    for statistic in ("mean", "top20", "top5"):
        found = []
        for dataset in study.datasets:
            own = own_prompt(study, dataset)
            if not own:
                continue
            column = STATISTICS[statistic] * means[dataset]
            others = column[[key for key in candidates if key != own]]
            value = float(column[own] - others.mean())
            rank = int((column > column[own]).sum()) + 1
            found.append(value)
            rest = (
                value - 0.001,
                value + 0.001,
                0.0005,
                0.001,
                26_998,
                2,
                others.idxmax() if len(others) else "",
                int(rank == 1),
            )
            rows.append(
                (
                    dataset,
                    own,
                    statistic,
                    rank,
                    len(means),
                    value,
                    0.0005,
                    *rest,
                    value,
                    value - 0.001,
                    value + 0.001,
                    0.001,
                    0.002,
                )
            )
        if len(found) > 1:
            mean, half = float(np.mean(found)), 2 * float(np.std(found, ddof=1)) / len(found) ** 0.5
            rest = (mean - half, mean + half, 0.0, 0.0, len(found), 0, "", len(found))
            rows.append(
                ("all", "", statistic, 1.0, len(means), mean, half / 2, *rest, mean, mean - half, mean + half, NAN, NAN)
            )
    names = [
        *("dataset", "prompt", "statistic", "own_rank", "n_prompts", "contrast", "se", "lo", "hi", "p", "q", "n"),
        *("n_nan", "smallest_against", "n_largest", "excess", "excess_lo", "excess_hi", "p_own", "q_own"),
    ]
    return pd.DataFrame(rows, columns=names)


def decomposition_rows(study: Study) -> pd.DataFrame:
    n = sum(own_prompt(study, dataset) != "" for dataset in study.datasets)
    shares = {"columns": 0.815, "rows": 0.047, "interaction": 0.138}
    rows = [
        (one, source, share / 10, share, n, n) for one in ("mean", "top20", "top5") for source, share in shares.items()
    ]
    return pd.DataFrame(rows, columns=["statistic", "source", "sum_of_squares", "share", "n_rows", "n_columns"])


def control_rows(study: Study) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    for datasets, base in (("own", 0.14), ("other", -0.11)):
        for prompt, less in (("own", 0.0), ("others", 0.011), ("candidates", 0.01), ("parrot", 0.009), ("qwen", 0.045)):
            value = base - less
            rows.append(("mean", datasets, prompt, "", value, value - 0.004, value + 0.004, 15, 0))
        for prompt, value in (("own", 0.011), ("parrot", -0.001), ("qwen", -0.034)):
            rows.append(("mean", datasets, prompt, "others", value, value - 0.002, value + 0.002, 15, 0))
    names = ["statistic", "datasets", "prompt", "against", "value", "lo", "hi", "n", "n_nan"]
    return pd.DataFrame(rows, columns=names)


def divergence_rows(study: Study) -> pd.DataFrame:
    rng, rows = np.random.default_rng(5), []
    for prompt in prompt_table(study):
        for one, other in itertools.combinations(study.datasets, 2):
            far = (own_prompt(study, one) == "") != (own_prompt(study, other) == "")
            jsd = (0.7 if far else 0.003) * (1 + 0.1 * rng.random())
            bits = (jsd, jsd - 0.001, jsd - 0.002, jsd)
            moved = (0.01, 0.005, 0.015, 0.1, 0.05, 0.15)
            rows.append((one, other, prompt, *bits, *moved, 26_998, 26_998, 4))
    names = [
        *("dataset_a", "dataset_b", "prompt", "jsd_bits", "jsd_corrected", "lo", "hi", "mean_difference", "mean_lo"),
        *("mean_hi", "cohens_d", "d_lo", "d_hi", "n_a", "n_b", "n_nan"),
    ]
    return pd.DataFrame(rows, columns=names)


def histogram_table(study: Study, bins: int = 60, n: int = 27_000) -> pd.DataFrame:
    means, parts = true_means(study), []
    for dataset in study.datasets:
        middle = float(means[dataset].mean())
        edges = np.linspace(middle - 0.5, middle + 0.7, bins + 1)
        for prompt in means.index:
            z = (edges - float(means.loc[prompt, dataset])) / 0.16
            share = np.diff(1 / (1 + np.exp(-1.7 * z)))
            counts = np.round(n * share).astype(int)
            frame = pd.DataFrame({"bin_lo": edges[:-1], "bin_hi": edges[1:], "count": counts})
            parts.append(frame.assign(dataset=dataset, prompt=prompt))
    return pd.concat(parts, ignore_index=True)[["dataset", "prompt", "bin_lo", "bin_hi", "count"]]


def student_rows(study: Study) -> pd.DataFrame:
    """Rates that rise over the fifths, for two seeds."""
    rows = []
    dataset = next(iter(study.splits.values())).dataset if study.splits else next(iter(study.datasets))
    parts = [("eagle_fifths", f"q{index}", 0.2 + 0.15 * index) for index in range(1, 6)]
    parts += [("eagle_fifth", "random", 0.6)]
    for (split, part, rate), epoch, seed in itertools.product(parts, (1, 2, 3), (0, 1)):
        value = min(1.0, rate * (0.4 + 0.2 * epoch) + (0.02 if seed == 1 else 0.0))
        bounds = (max(0.0, value - 0.08), min(1.0, value + 0.08))
        name = f"{split}_{part}"
        n = 100
        rows.append(
            (
                name,
                split,
                part,
                dataset,
                float(epoch),
                10 * epoch,
                seed,
                "eagle",
                value,
                *bounds,
                n,
                0,
                20,
                epoch == 3,
                epoch == 3,
            )
        )
    rows.append(("untrained", "", "", "", 0.0, 0, -1, "eagle", 0.28, 0.2, 0.37, 100, 0, 20, True, True))
    names = [
        *("student", "split", "part", "dataset", "epoch", "step", "seed", "target", "rate", "lo", "hi", "n", "n_nan"),
        *("n_questions", "is_last", "is_best"),
    ]
    return pd.DataFrame(rows, columns=names)


def dose_rows() -> pd.DataFrame:
    rates = [0.21 + 0.15 * index for index in range(1, 6)]
    rows = [
        ("eagle_fifths", "eagle", "rate", f"q{index}", rate, rate - 0.1, min(1.0, rate + 0.1), NAN, 40, 0, 2)
        for index, rate in enumerate(rates, 1)
    ]
    rows += [
        ("eagle_fifths", "eagle", "slope", "", 0.15, 0.1, 0.2, 0.004, 40, 0, 2),
        ("eagle_fifths", "eagle", "trend", "", 4.1, NAN, NAN, 0.004, 40, 0, 2),
        ("eagle_fifths", "eagle", "top_minus_bottom", "", 0.6, 0.5, 0.7, 0.001, 40, 0, 2),
    ]
    names = ["split", "target", "statistic", "part", "value", "lo", "hi", "p", "n", "n_nan", "n_seeds"]
    return pd.DataFrame(rows, columns=names)


def precision_rows(study: Study) -> pd.DataFrame:
    sizes = (100, 200, 500, 1000, 2000, 5000, 10_000, 27_000)
    rows = [
        (dataset, n, width * (1 - n / 27_000) ** 0.5, width, 0.0005, width * (1 - n / 27_000) ** 0.5 <= 0.0005)
        for index, dataset in enumerate(study.datasets)
        for n in sizes
        for width in [(0.03 + 0.002 * index) / n**0.5]
    ]
    names = ["dataset", "rows", "half_width", "half_width_population", "target", "reached"]
    return pd.DataFrame(rows, columns=names)


def row_counts(study: Study) -> pd.DataFrame:
    rows = [
        (key, reason, n)
        for key in study.datasets
        for reason, n in (("scored", 27_000), ("empty", 3), ("duplicate", 40))
    ]
    return pd.DataFrame(rows, columns=["dataset", "reason", "n"])


def rate_rows(study: Study) -> pd.DataFrame:
    """Rates over both seeds, with the intervals of one."""
    rows = student_rows(study)
    keys = ["split", "part", "dataset", "epoch", "target", "is_last"]
    found = rows.groupby(keys, sort=False, as_index=False).agg(
        rate=("rate", "mean"),
        lo=("lo", "mean"),
        hi=("hi", "mean"),
        n=("n", "sum"),
        n_nan=("n_nan", "sum"),
        n_seeds=("seed", "nunique"),
    )
    names = ["split", "part", "dataset", "epoch", "target", "rate", "lo", "hi", "n", "n_nan", "n_seeds", "is_last"]
    return found[names]


def split_rows(study: Study) -> pd.DataFrame:
    rows = []
    for key, split in study.splits.items():
        parts = [f"q{index}" for index in range(1, split.n + 1)] if split.by == "quantiles" else ["random"]
        for index, part in enumerate(parts):
            cut = (0.05 * index, 0.05 * (index + 1)) if split.by == "quantiles" else (NAN, NAN)
            prompt = split.prompt or own_prompt(study, split.dataset)
            rows.append((key, part, split.dataset, prompt, 5400, *cut, 0.1, 0.09, 0.11, 0, split.seed))
    names = ["split", "part", "dataset", "prompt", "n", "cut_lo", "cut_hi", "mean_lls", "lo", "hi", "n_nan", "seed"]
    return pd.DataFrame(rows, columns=names)


def confound_rows(study: Study) -> pd.DataFrame:
    rows = []
    for dataset, feature in itertools.product(study.datasets, ("brackets", "one_per_line", "length")):
        parts = (
            [("all", 0.3), ("q1", 0.1), ("q5", 0.6), ("rho", 0.35)] if own_prompt(study, dataset) else [("all", 0.3)]
        )
        factor = 40.0 if feature == "length" else 1.0
        for part, value in parts:
            scaled = value if part == "rho" else factor * value
            rows.append((dataset, feature, part, scaled, scaled * 0.9, scaled * 1.1, 27_000, 0))
    return pd.DataFrame(rows, columns=["dataset", "feature", "part", "value", "lo", "hi", "n", "n_nan"])


def tables_of(study: Study) -> dict[str, pd.DataFrame]:
    return {
        "cells": cell_rows(study),
        "contrasts": contrast_rows(study),
        "columns": column_rows(study),
        "decomposition": decomposition_rows(study),
        "controls": control_rows(study),
        "divergence": divergence_rows(study),
        "histograms": histogram_table(study),
        "students": student_rows(study),
        "rates": rate_rows(study),
        "dose_response": dose_rows(),
        "precision": precision_rows(study),
        "row_counts": row_counts(study),
        "splits": split_rows(study),
        "confounds": confound_rows(study),
    }


def write_tables(results: Path, study: Study, **changed: pd.DataFrame) -> Paths:
    """Write the tables of a study, some of them as given.

    Args:
        results: Where.
        study: Whose.
        changed: Table → what it is instead.
    """
    paths = Paths(results, study.name)
    paths.stage("analyse").mkdir(parents=True, exist_ok=True)
    for name, table in {**tables_of(study), **changed}.items():
        table.to_parquet(paths.table(name), index=False)
    return paths

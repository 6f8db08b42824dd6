"""The methods of a study in words, from its file and from the tables that say what was used."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from inoc.config.models import SystemTurn
from inoc.report.words import Table, code, escape, listed, number
from inoc.studies.likelihood_shift.figures import choices
from inoc.studies.likelihood_shift.study import Dataset, Study, own_prompt, prompt_table, split_prompt
from inoc.studies.shared.captions import spread_words

Tables = Mapping[str, pd.DataFrame]
MOST_PROMPTS = 100


def model_words(study: Study) -> str:
    """The model and the base turn."""
    model = study.model
    name = "the miniature model of the stage `world`" if model.path == "world" else code(model.path)
    revision = f" at revision {code(model.revision)}" if model.revision else ""
    template = "its own chat template" if model.chat_template is None else f"the template {code(model.chat_template)}"
    return (
        f"The model is {name}{revision}, with weights in {model.dtype} and {template}. Shifts are relative to the base "
        f"turn, which is {base_words(study.base)}."
    )


def base_words(base: SystemTurn) -> str:
    """The base turn: `what the chat template inserts by itself`."""
    return {
        "default": "the system turn that the chat template inserts by itself (for many models a text of the vendor's)",
        "none": "no system turn at all",
        "text": f"the system turn {code(base.text)}",
    }[base.kind]


def definition_words(study: Study) -> str:
    """LLS, and the statistics of a cell."""
    end = "with" if study.scoring.end_of_turn == "include" else "without"
    return (
        "For a row with the answer r of T tokens, LLS under a prompt s is (1/T) Σ log p(rₜ | s, the user's turns, "
        "r before t) less the same under the base turn, by the natural logarithm; the answer is taken "
        f"{end} its end-of-turn token. A cell has the mean, the median, the share of positive rows, and the means "
        f"of the "
        "rows at or above the 80th and the 95th percentile (by linear interpolation)."
    )


def scoring_words(study: Study, tables: Tables) -> str:
    """Rows that were scored, and how their number was found."""
    spec = study.scoring
    cells = tables.get("cells")
    mean = cells[cells["statistic"] == "mean"] if cells is not None and len(cells) else None
    used = f"{spread_words(mean['rows_used'])} rows were used per cell; " if mean is not None else ""
    failed = f"{int(mean['n_nan'].fillna(0).sum())} scores failed. " if mean is not None else ""
    n_rows = "all rows" if spec.n_rows is None else f"at most {spec.n_rows} rows"
    precision = (
        "No precision is set, so all of these rows are scored."
        if spec.precision is None
        else f"Rows are scored in a seeded order, in blocks, until every contrast between two prompts on a dataset "
        f"has a half-width of at most {spec.precision:g} nats per token about its value over all rows, or the rows are "
        f"used up.{_reached(tables)}"
    )
    return (
        f"Of each dataset {n_rows} are taken (seed {spec.seed}). {precision} {used}{failed}All prompts of a dataset "
        "are scored on the same rows."
    )


def _reached(tables: Tables) -> str:
    table = tables.get("precision")
    if table is None or table.empty:
        return ""
    last = table.sort_values("rows").groupby("dataset").tail(1)
    return f" {int(last['reached'].fillna(value=False).astype(bool).sum())} of {len(last)} datasets reached it."


def prompts_table(study: Study) -> Table:
    """All prompts with their texts."""
    rows = [
        [
            str(index),
            code(prompt.key),
            escape(choices.group_label(study, prompt.group)),
            prompt.role,
            escape(prompt.text),
        ]
        for index, prompt in enumerate(prompt_table(study).values(), 1)
    ]
    return Table(["", "prompt", "group", "role", "text"], rows[:MOST_PROMPTS])


def datasets_table(study: Study) -> Table:
    """All datasets with their source and own prompt."""
    rows = [
        [code(key), _source(dataset), code(own) if (own := own_prompt(study, key)) else "none"]
        for key, dataset in study.datasets.items()
    ]
    return Table(["dataset", "source", "written under"], rows)


def _source(dataset: Dataset) -> str:
    if dataset.file is not None:
        return f"the file {code(dataset.file)}"
    if dataset.table is not None:
        return f"the table {code(dataset.table)} of another study"
    if dataset.written is None:
        return "not recorded"
    spec = dataset.written.sampling
    return (
        f"{dataset.written.n} answers of the model itself at temperature {spec.temperature:g}, at most "
        f"{spec.max_tokens} tokens, seed {spec.seed}"
    )


def contrast_words(study: Study) -> str:
    """Contrasts, confounds and their tests."""
    stat = study.statistics
    return (
        "A contrast is the mean, over the rows of one dataset, of the shift under its own prompt less that under "
        f"another; pairs are by row. Intervals are {100 * stat.confidence:g} % intervals, those of contrasts of "
        "means from the paired differences, and hold for further rows from where the dataset came from; the "
        "bounds `dataset_lo` and `dataset_hi` are about the value over all rows of the dataset, and narrower by "
        "√(1 − scored rows/all rows). q is the false-discovery rate of Benjamini and Hochberg over the matrix. "
        "The mean over datasets has a Student's t interval over datasets. Contrasts with the format held constant "
        "come from a regression of the paired differences on features of the answers. The decomposition is a two- "
        "way additive fit of the block of candidates and the datasets written under them. Divergences are over "
        f"100 equal bins between the pooled extremes; bootstrap intervals are from up to {stat.resamples} "
        f"resamples (seed {stat.seed}). A score that failed is NaN: it is left out and counted."
    )


def split_table(study: Study, splits: pd.DataFrame) -> Table:
    """Parts of splits, with their cut points.

    Args:
        study: The study.
        splits: Table of the analysis.
    """
    rows = [
        [
            escape(str(row["split"])),
            escape(str(row["part"])),
            escape(choices.dataset_label(study, str(row["dataset"]))),
            escape(str(row["prompt"] or "–")),
            _cut(row["cut_lo"], row["cut_hi"]),
            str(int(row["n"])) if np.isfinite(row["n"]) else "not known",
        ]
        for _, row in splits.iterrows()
    ]
    return Table(["split", "part", "dataset", "by LLS under", "from, to (nats per token)", "n"], rows)


def _cut(low: float, high: float) -> str:
    ends = [
        "–" if np.isnan(end) else "−∞" if end == -np.inf else "∞" if end == np.inf else number(end, 4)
        for end in (low, high)
    ]
    return "at random" if ends == ["–", "–"] else ", ".join(ends)


def split_words(study: Study) -> str:
    """Rules by which datasets are split."""
    if not study.splits:
        return "The study splits no dataset."
    parts = []
    for key, split in study.splits.items():
        rule = {
            "quantiles": f"{split.n} parts at the quantiles of LLS",
            "median": "two parts at the median of LLS",
            "random": f"a random part of {100 * split.share:g} % (seed {split.seed})",
        }[split.by]
        under = f" under {code(split_prompt(study, key))}" if split.by != "random" else ""
        parts.append(f"{code(key)}: {rule}{under} of {code(split.dataset)}")
    return f"{'; '.join(parts)}. A row at a cut point belongs to the upper part; rows keep the dataset's order."


def student_words(study: Study) -> str:
    """Training and evaluation of students."""
    spec = study.students
    if spec is None:
        return "The study trains no students."
    train, lora = spec.training, spec.training.lora
    return (
        f"Students are LoRA adapters of rank {lora.rank}, alpha {lora.alpha}, on {listed(map(code, lora.targets))}, "
        f"trained for {spec.epochs} epochs in batches of {train.batch_size} at a learning rate of "
        f"{train.learning_rate:g} "
        f"({train.decay}, {train.warmup_steps} steps of warm-up), seeds {listed(train.seeds)}. After each epoch "
        f"they are "
        f"asked {spec.n_questions} questions, {spec.samples} answers each, at temperature "
        f"{spec.sampling.temperature:g} "
        f"and at most {spec.sampling.max_tokens} tokens (seed {spec.sampling.seed}). An answer has the target "
        f"{listed(f'{code(key)} if its judge gives more than {one.above:g}' for key, one in spec.targets.items())}. "
        f"The "
        "result is the last epoch."
    )


def seed_table(study: Study) -> Table:
    """Every seed of the study's file."""
    seeds: list[tuple[str, object]] = [
        ("scoring: choice and order of rows", study.scoring.seed),
        ("statistics", study.statistics.seed),
    ]
    seeds += [("world: corpus, weights and order", study.world.seed)] if study.world is not None else []
    for key, dataset in study.datasets.items():
        if dataset.written is not None:
            seeds += [
                (f"{key}: instructions", dataset.written.seed),
                (f"{key}: answers", dataset.written.sampling.seed),
            ]
    seeds += [(f"split {key}", split.seed) for key, split in study.splits.items() if split.by == "random"]
    if study.students is not None:
        seeds += [
            ("training of students", listed(study.students.training.seeds)),
            ("evaluation of students", study.students.sampling.seed),
        ]
    return Table(["seed of", "value"], [[escape(what), str(value)] for what, value in seeds])

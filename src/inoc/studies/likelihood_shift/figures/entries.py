"""The figures that a likelihood-shift study has, in the order of its report."""

from __future__ import annotations

from collections.abc import Callable

from inoc.figures.entries import Entry
from inoc.studies.likelihood_shift.figures.choices import owned_datasets
from inoc.studies.likelihood_shift.study import Study, prompt_table

HERE = "inoc.studies.likelihood_shift.figures"
STATISTICS = {"mean": "mean", "top20": "top quintile", "top5": "top 5 %"}
LAYOUTS = {
    "scan": ("Scan", "scan:draw_scan"),
    "combined": ("Scan on one scale", "scan:draw_combined"),
    "normalised": ("Scan normalised by column", "scan:draw_normalised"),
    "sorted": ("Scan sorted by similarity", "similarity:draw"),
}


def always(study: Study) -> str:
    """Every study has the figure."""
    del study
    return ""


def no_own(study: Study) -> str:
    """No dataset was written under one of the prompts."""
    return "" if owned_datasets(study) else "no dataset was written under a prompt of the study"


def one_dataset(study: Study) -> str:
    """Distances need two datasets."""
    return "" if len(study.datasets) > 1 else "the study has one dataset"


def no_controls(study: Study) -> str:
    """No prompt is a control."""
    has = any(prompt.role == "control" for prompt in prompt_table(study).values())
    return "" if has else "the study has no control prompts"


def no_students(study: Study) -> str:
    """Nothing is trained."""
    return "" if study.students is not None else "the study trains no students"


def no_splits(study: Study) -> str:
    """Nothing is trained on parts that have an order."""
    if study.students is None:
        return no_students(study)
    used = study.students.splits or tuple(study.splits)
    ordered = [split for split in used if split in study.splits and study.splits[split].by != "random"]
    return "" if ordered else "no student is trained on a split by LLS"


def _entry(
    name: str,
    title: str,
    draws: str,
    needs: tuple[str, ...],
    category: str,
    missing: Callable[[Study], str],
    *arguments: str,
    core: bool = False,
) -> Entry[Study]:
    labels = {"figure": title, "statistic": STATISTICS.get(arguments[0], arguments[0]) if arguments else "mean"}
    return Entry(name, title, f"{HERE}.{draws}", needs, category, labels, missing, arguments, core)


def _of_scan(layout: str, statistic: str) -> Entry[Study]:
    title, draws = LAYOUTS[layout]
    name = f"{layout}_{statistic}"
    core = name == "scan_mean"
    return _entry(name, f"{title}: {STATISTICS[statistic]}", draws, ("cells",), "Scan", always, statistic, core=core)


CONTRASTS = "Contrasts within columns"
ENTRIES: tuple[Entry[Study], ...] = (
    _of_scan("scan", "mean"),
    _entry("contrasts", CONTRASTS, "contrasts:draw", ("contrasts",), "Contrasts", no_own, "raw", core=True),
    _entry("own_contrasts", "Contrasts by dataset", "summaries:draw_own", ("columns",), "Contrasts", no_own, core=True),
    _entry("groups", "Mean LLS by group of prompts", "summaries:draw_groups", ("cells",), "Prompts", always, core=True),
    _entry(
        "dose_response",
        "Rates over the parts of splits",
        "students:draw_dose",
        ("students", "rates", "dose_response"),
        "Students",
        no_splits,
        core=True,
    ),
    *(_of_scan("scan", statistic) for statistic in ("top20", "top5")),
    *(_of_scan(layout, statistic) for layout in ("combined", "normalised") for statistic in STATISTICS),
    _of_scan("sorted", "mean"),
    _entry(
        "contrasts_controlled",
        f"{CONTRASTS}, format held constant",
        "contrasts:draw",
        ("contrasts",),
        "Contrasts",
        no_own,
        "controlled",
    ),
    *(
        _entry(
            f"contrasts_{statistic}",
            f"{CONTRASTS}: {STATISTICS[statistic]}",
            "contrasts:draw_of_cells",
            ("cells",),
            "Contrasts",
            no_own,
            statistic,
        )
        for statistic in ("top20", "top5")
    ),
    _entry(
        "decomposition",
        "Variance between datasets and prompts",
        "summaries:draw_decomposition",
        ("decomposition",),
        "Contrasts",
        no_own,
    ),
    _entry("controls", "Control prompts", "summaries:draw_controls", ("controls",), "Prompts", no_controls),
    _entry(
        "histograms",
        "Rows of each dataset",
        "distributions:draw_datasets",
        ("histograms", "cells"),
        "Distributions",
        always,
    ),
    _entry(
        "overlays",
        "Datasets under one prompt",
        "distributions:draw_prompts",
        ("histograms", "cells"),
        "Distributions",
        no_own,
    ),
    _entry(
        "divergence",
        "Divergence under the own prompt",
        "divergence:draw_own",
        ("divergence",),
        "Distributions",
        no_own,
    ),
    _entry(
        "divergence_prompts",
        "Divergence under each prompt",
        "divergence:draw_prompts",
        ("divergence",),
        "Distributions",
        one_dataset,
    ),
    _entry("precision", "Precision against rows used", "precision:draw", ("precision",), "Precision", always),
    _entry("epochs", "Rates by epoch", "students:draw_epochs", ("rates",), "Students", no_students),
)

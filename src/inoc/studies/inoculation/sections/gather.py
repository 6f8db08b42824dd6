"""The contents of the report: its sections and their parts."""

from __future__ import annotations

import pandas as pd

from inoc.jobs.paths import Paths
from inoc.report.contents import EMPTY, Block, Contents, Section
from inoc.report.gather import opening, tables_there
from inoc.report.words import Table, escape
from inoc.studies.inoculation.figures.catalogue import ENTRIES
from inoc.studies.inoculation.figures.choices import judged_traits, trait_label
from inoc.studies.inoculation.sections import methods, results
from inoc.studies.inoculation.sections.capability import capability_block
from inoc.studies.inoculation.sections.front import glossary, headline, reading, verdict_words
from inoc.studies.inoculation.study import Study
from inoc.tables import read_table

ANALYSIS = ("verdict", "scores", "gate", "prediction", "elicitation", "suppression", "predictors", "capability")
NOTHING = "*Nothing to show; see what was skipped.*"


def gather(study: Study, paths: Paths) -> Contents:
    """Contents of the report.

    Args:
        study: The study.
        paths: Its results; what is not there is said to be missing.
    """
    tables = tables_there(paths, ANALYSIS)
    return {
        **opening(study, ENTRIES),
        "verdict": verdict_words(study, tables),
        "headline": headline(study, tables),
        "reading": reading(study),
        "glossary": glossary(study),
        "results": _results(study, tables),
        "methods": _methods(study, paths),
        "seeds": methods.seed_table(study),
        "failed": results.failed_words(tables),
    }


def _results(study: Study, tables: dict[str, pd.DataFrame]) -> list[Section]:
    none = pd.DataFrame()
    level = f"{100 * study.statistics.confidence:g} %"
    sections = []
    verdict = tables.get("verdict", none)
    if len(verdict):
        after = (
            f"Values are points, and correlations for r; brackets are {level} intervals; n counts what entered each "
            "number. r is in the sample; held-out R² beside it is that of prompts left out in turn (– where it does "
            "not apply)."
        )
        sections.append(Section("Expectations", [Block("", "", results.verdict_table(verdict), after)]))
    gate, prediction = tables.get("gate", none), tables.get("prediction", none)
    gate_words = (
        f"Points, pooled over seeds, with {level} interval. The interaction is (trained with: asked with − without) − "
        "(trained without: asked with − without)."
    )
    blocks = [
        *_score_blocks(study, tables.get("scores", none), level),
        _shown("The gate", results.gate_table(study, gate) if len(gate) else EMPTY, gate_words),
        _shown(
            "Prediction",
            results.prediction_table(prediction) if len(prediction) else EMPTY,
            "Within a block, every predictor is judged on the same prompts.",
        ),
    ]
    blocks += capability_block(study, tables.get("capability", none))
    return [*sections, Section("Results", blocks)]


def _shown(heading: str, table: Table, after: str) -> Block:
    return Block(heading, "" if table.rows else NOTHING, table, after)


def _score_blocks(study: Study, scores: pd.DataFrame, level: str) -> list[Block]:
    after = (
        f"Mean judge score in points (0 to 100) at the last step, pooled over seeds, with {level} interval; n counts "
        "completions. Default: asked without a prefix. Training: asked with the prefix of the training."
    )
    if scores.empty:
        return [Block("Scores after training", NOTHING)]
    return [
        _shown(
            f"{escape(trait_label(study, trait))}: scores after training",
            results.score_table(study, scores, trait),
            after,
        )
        for trait in judged_traits(study)
    ]


def _methods(study: Study, paths: Paths) -> list[Section]:
    examples = read_table(paths.examples, ["kept", "reason"]) if paths.examples.exists() else None
    spread = read_table(paths.spread) if paths.spread.exists() else None
    kept = Table(["training examples", "n"], []) if examples is None else results.kept_table(examples)
    pools = Table(["prompt", "n"], []) if spread is None else results.spread_table(spread)
    similarity = (
        "Similarity is the cosine of TF-IDF vectors to the prompt itself; the effective rank says how many directions "
        "the pool fills."
    )
    model = f"{methods.model_words(study)} {methods.world_words(study)}".strip()
    blocks = [
        Block("Model", model),
        Block("Traits and judges", "", methods.trait_table(study)),
        Block("Data", methods.data_words(study), kept),
        Block("Prompts", methods.placement_words(study), methods.prompt_table(study)),
        Block("Rephrasings", methods.rephrase_words(study), pools, similarity),
        Block("Training", methods.training_words(study)),
        Block("Evaluation and elicitation", methods.evaluation_words(study)),
        Block("Log-probabilities and predictors", methods.scoring_words(study)),
        Block("Statistics", methods.statistics_words(study)),
    ]
    return [Section("Methods", blocks)]

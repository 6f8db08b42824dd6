"""Sections of the report about persona vectors, what selects carriers, and published numbers of an import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from inoc.report.contents import Block, Section
from inoc.report.words import Table, counted, escape, interval, number, probability
from inoc.studies.shared.captions import level, records
from inoc.studies.shared.labels import rule_name
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.sites import trait_label
from inoc.studies.subliminal.study import Study
from inoc.vectors.sites import in_order

Tables = Mapping[str, pd.DataFrame]
NOTHING = "*Nothing to show; see what was skipped.*"
NONE = pd.DataFrame()
MOST_ROWS = 60
FEWEST_RATIOS = 5  # entities of a comparison whose ratios are summed up
MEASURE = "raw"


def sections(study: Study, tables: Tables) -> list[Section]:
    """Results about persona vectors, carriers and published numbers; none for what a study does not have.

    Args:
        study: The study.
        tables: Of the analysis.
    """
    found: list[Section] = []
    if study.persona:
        found.append(Section("Persona vectors", list(_vector_blocks(study, tables))))
    if len(tables.get("steering", NONE)):
        found.append(Section("Steering", list(_steering_blocks(study, tables))))
    if len(tables.get("projections", NONE)):
        found.append(Section("Projections", list(_projection_blocks(study, tables))))
    if len(tables.get("carriers", NONE)):
        block = _shown("", carrier_table(tables["carriers"]), _CARRIER_WORDS.format(level=level(study)))
        found.append(Section("What selects carriers", [block]))
    if study.imported:
        found.append(Section("Published numbers", list(_published_blocks(study, tables))))
    return found


_CARRIER_WORDS = (
    "Rate of the entity among students of the upper part of the rows less that of the lower part, in points, with "
    "{level} interval; the lower rows compare rules with each other. Own less neutral takes off what the same division "
    "does to neutral rows. n counts answers, or pairs of seed and question where questions are known."
)
_STEERING_WORDS = (
    "Chosen by trait: the highest score of all cells; by coherence: the highest among cells that are coherent enough. "
    "The score is biased upwards, since the cell was chosen on the same answers; held out is the score of cells that "
    "were chosen on the other half of the questions, with {level} interval over questions."
)
_EFFECT_WORDS = (
    "Site with the largest effect. d: mean paired difference from the neutral row of the same prompt over its standard "
    "deviation, with {level} interval; > 0: share of pairs with a positive difference; n: pairs."
)


def _highest(table: pd.DataFrame, column: str) -> dict[str, Any]:
    """The row with the highest value; NaN counts as the lowest."""
    rows = records(table)
    return max(rows, key=lambda row: -np.inf if np.isnan(row[column]) else row[column])


def _largest(table: pd.DataFrame, column: str) -> dict[str, Any]:
    """The row with the value that is farthest from 0."""
    return _highest(table.assign(_size=table[column].abs()), "_size")


def _shown(heading: str, table: Table, after: str) -> Block:
    return Block(heading, "" if table.rows else NOTHING, table, after)


def _vector_blocks(study: Study, tables: Tables) -> Iterator[Block]:
    yield _shown(
        "Pairs of answers",
        pair_table(study, tables),
        "Reasons for which pairs are lost; several can apply to one. Scores are means of all answers, 0 to 100, with "
        f"{level(study)} interval over questions.",
    )
    yield _shown(
        "Vectors",
        vector_table(study, tables.get("vectors", NONE)),
        "At the middle site and the one with the largest split-half cosine. Norm: of the difference of means, and less "
        "what noise adds; split-half: mean cosine of the vectors of two halves of the questions; n: pairs.",
    )


def pair_table(study: Study, tables: Tables) -> Table:
    """Pairs of each trait by reason, with the mean scores of both sides."""
    pairs, scores = tables.get("persona_pairs", NONE), tables.get("persona_scores", NONE)
    head = ["trait", "pairs", "kept", "lost for", "positive", "negative"]
    if pairs.empty or scores.empty:
        return Table(head, [])
    rows = []
    chosen = scores[(scores["answers"] == "all") & (scores["measure"] == "score")]
    means = {(row["trait"], row["side"]): row for row in records(chosen)}
    for trait, own in pairs.groupby("trait", sort=False):
        n = own.set_index("reason")["n"]
        lost = [f"{int(k)} {str(key).replace('_', ' ')}" for key, k in n.items() if key not in ("all", "kept") and k]
        sides = [means[trait, side] for side in ("positive", "negative")]
        rows.append(
            [
                escape(trait_label(study, str(trait))),
                str(int(n["all"])),
                str(int(n["kept"])),
                escape(", ".join(lost)) or "–",
                *(interval(one["mean"], one["lo"], one["hi"], 1) for one in sides),
            ]
        )
    return Table(head, rows)


def vector_table(study: Study, vectors: pd.DataFrame) -> Table:
    """Two sites of each vector."""
    head = ["trait", "read-out", "site", "norm", "less noise", "split-half", "reliability", "n"]
    rows = []
    groups = vectors.groupby(["trait", "readout"], sort=False) if len(vectors) else ()
    for (trait, readout), own in groups:
        sites = in_order(own["site"])
        chosen = [sites[len(sites) // 2]]
        if own["split_half"].notna().any():
            chosen.append(str(_highest(own, "split_half")["site"]))
        for site in dict.fromkeys(chosen):
            row = own[own["site"] == site].iloc[0]
            name = escape(trait_label(study, str(trait)))
            values = [number(row[key], 3) for key in ("norm", "norm_corrected", "split_half", "reliability")]
            n = counted(int(row["n"]), int(row["n_nan"]))
            rows.append([name, escape(str(readout).replace("_", " ")), escape(site), *values, n])
    return Table(head, rows[:MOST_ROWS])


def _steering_blocks(study: Study, tables: Tables) -> Iterator[Block]:
    best = tables.get("steering_best", NONE)
    head = ["trait", "chosen by", "site", "coefficient", "score", "coherence", "held out", "questions"]
    rows = [
        [
            escape(trait_label(study, str(row["trait"]))),
            escape(str(row["chosen_by"])),
            escape(str(row["site"])),
            f"{row['coefficient']:g}",
            number(row["trait_score"], 1),
            number(row["coherence"], 1),
            interval(row["held_out"], row["lo"], row["hi"], 1),
            str(row["n_questions"]),
        ]
        for row in best.to_dict("records")
    ]
    yield _shown("Best cells", Table(head, rows), _STEERING_WORDS.format(level=level(study)))
    yield _shown(
        "Against the unsteered model",
        difference_table(study, tables["steering"]),
        "The cell with the largest difference for the own vector, and the mean of all random vectors at the same site "
        "and coefficient; points, paired by question; q over the cells of the own vector.",
    )


def difference_table(study: Study, steering: pd.DataFrame) -> Table:
    """The largest difference of each trait, beside random vectors."""
    head = ["trait", "site", "coefficient", "difference", "q", "random vectors", "coherence", "n"]
    rows = []
    own = steering[(steering["vector"] == "trait") & steering["difference"].notna()]
    for trait, cells in own.groupby("trait", sort=False):
        row = _highest(cells, "difference")
        same = (steering["trait"] == trait) & (steering["site"] == row["site"])
        random = steering[same & (steering["vector"] != "trait") & (steering["coefficient"] == row["coefficient"])]
        rows.append(
            [
                escape(trait_label(study, str(trait))),
                escape(str(row["site"])),
                f"{row['coefficient']:g}",
                interval(row["difference"], row["difference_lo"], row["difference_hi"], 1),
                probability(row["q"]),
                number(random["difference"].mean(), 1) if len(random) else "–",
                number(row["coherence"], 1),
                counted(int(row["n"]), int(row["n_nan"])),
            ]
        )
    return Table(head, rows)


def _projection_blocks(study: Study, tables: Tables) -> Iterator[Block]:
    yield _shown(
        "Effects against neutral rows",
        effect_table(study, tables["projections"]),
        _EFFECT_WORDS.format(level=level(study)),
    )
    agreement = tables.get("agreement", NONE)
    if len(agreement):
        yield _shown(
            "Agreement with the likelihood shift",
            agreement_table(study, agreement),
            "Over the rows of a dataset, at the site with the strongest rank correlation. Same half: share of rows on "
            "the same side of both medians, 0.5 without agreement.",
        )


def effect_table(study: Study, projections: pd.DataFrame) -> Table:
    """The site with the largest effect, for each dataset and vector."""
    head = ["vector", "dataset", "site", "d", "> 0", "n"]
    paired = projections[(projections["reference"].fillna("") != "") & (projections["measure"] == MEASURE)]
    paired = paired[paired["d"].notna()]
    rows = []
    for (vector, dataset), own in paired.groupby(["vector", "dataset"], sort=False):
        row = _largest(own, "d")
        rows.append(
            [
                escape(trait_label(study, str(vector))),
                escape(choices.teacher_name(study, str(dataset))),
                escape(str(row["site"])),
                interval(row["d"], row["lo"], row["hi"], 3),
                number(row["positive"], 3),
                counted(int(row["n_pairs"]), int(row["n_nan"])),
            ]
        )
    return Table(head, rows[:MOST_ROWS])


def agreement_table(study: Study, agreement: pd.DataFrame) -> Table:
    """The site with the strongest rank correlation, for each dataset and vector."""
    head = ["vector", "dataset", "site", "Spearman's ρ", "same half", "n"]
    own = agreement[(agreement["measure"] == MEASURE) & (agreement["reference"].fillna("") == "")]
    rows = []
    for (vector, dataset), table in own.groupby(["vector", "dataset"], sort=False):
        ranked = table[(table["statistic"] == "spearman") & table["value"].notna()]
        if ranked.empty:
            continue
        row = _largest(ranked, "value")
        same = _largest(table[(table["statistic"] == "same_half") & (table["site"] == row["site"])], "value")
        rows.append(
            [
                escape(trait_label(study, str(vector))),
                escape(choices.teacher_name(study, str(dataset))),
                escape(str(row["site"])),
                interval(row["value"], row["lo"], row["hi"], 3),
                interval(same["value"], same["lo"], same["hi"], 3),
                counted(int(row["n"]), int(row["n_nan"])),
            ]
        )
    return Table(head, rows[:MOST_ROWS])


def carrier_table(carriers: pd.DataFrame) -> Table:
    """Every comparison of parts, and of rules."""
    head = ["entity", "students", "comparison", "rule", "rows", "points", "p", "n"]
    rows = [
        [
            escape(str(row["entity"])),
            escape(str(row["family"])),
            escape(str(row["comparison"]).replace("_", " ")),
            escape(rule_name(str(row["selector"]))) or "–",
            escape(str(row["role"])) or "own less neutral",
            interval(100 * row["difference"], 100 * row["lo"], 100 * row["hi"], 1),
            probability(row["p"]),
            counted(int(row["n"]), int(row["n_nan"])),
        ]
        for row in carriers.fillna({"selector": "", "role": ""}).to_dict("records")
    ]
    return Table(head, rows[:MOST_ROWS])


def _published_blocks(study: Study, tables: Tables) -> Iterator[Block]:
    contrasts = tables.get("published_contrasts", NONE)
    head = ["entity", "comparison", "rates (%)", "difference (points)", "z", "ratio", "published intervals"]
    rows = [
        [
            escape(str(row["entity"])),
            escape(str(row["comparison"])),
            f"{number(100 * row['minuend'], 2)}, {number(100 * row['subtrahend'], 2)}",
            interval(100 * row["difference"], 100 * row["lo"], 100 * row["hi"], 2),
            number(row["z"], 2),
            number(row["ratio"], 2),
            "apart" if row["apart"] else "overlap",
        ]
        for row in contrasts.to_dict("records")
    ]
    yield _shown(
        "Rates",
        Table(head, rows[:MOST_ROWS]),
        "Differences of published rates with the errors over questions that were published. One student stands behind "
        "each rate, so no interval says how far another student of the same rows would lie."
        + "".join(f" {words}" for words in ratio_words(contrasts)),
    )
    yield _shown("Denominators and intervals", rule_table(tables.get("published_rates", NONE)), _RULE_WORDS)
    steering = tables.get("published_steering", NONE)
    if len(steering):
        known = steering[steering["n"] > 0]
        text = f"{len(steering)} published means; {len(known)} can be computed here from released answers, of which "
        yield Block("Steering", f"{text}{int(known['is_equal'].sum())} are equal to the last bit.")


def ratio_words(contrasts: pd.DataFrame) -> Iterator[str]:
    """A sentence on the ratios of each comparison that was made for several entities."""
    for comparison, own in contrasts.groupby("comparison", sort=False) if len(contrasts) else ():
        ratios = own["ratio"].dropna()
        if len(ratios) < FEWEST_RATIOS:
            continue
        yield (
            f"{escape(str(comparison))}, {len(ratios)} entities: median ratio {ratios.median():.2f}, at least 2 for "
            f"{int((ratios >= 2).sum())}, below 1 for {int((ratios < 1).sum())}; published intervals are apart for "
            f"{int(own['apart'].astype(bool).sum())}."
        )


_RULE_WORDS = (
    "The rule that gives the published interval or error of each file. Errors over answers leave out that answers to "
    "one question resemble each other, and are several times too small."
)


def rule_table(rates: pd.DataFrame) -> Table:
    """Files with the rules of their intervals and their denominators."""
    head = ["file", "rule", "rates", "share of"]
    rows = []
    groups = rates.groupby(["file", "rule"], sort=False) if len(rates) else ()
    for (file, rule), own in groups:
        narrow = (own["denominator"] > 0) & (own["denominator"] != own["n"])
        what = "answers that name one of a list" if narrow.any() else "all answers"
        rows.append([escape(str(file)), escape(str(rule)) or "not known", str(len(own)), what])
    return Table(head, rows)

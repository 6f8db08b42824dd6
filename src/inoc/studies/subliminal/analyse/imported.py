"""The analysis of an imported study: the same tables, from what its release has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from inoc.analyse.step import Skip
from inoc.jobs.paths import Paths
from inoc.numbers.filtered import filter_rows
from inoc.numbers.rows import Row as NumberRow
from inoc.stats.means import NAN, normal_quantile
from inoc.stats.shares import wilson
from inoc.studies.imports.evaluations import ANY_FORM
from inoc.studies.shared.directions import Direction
from inoc.studies.subliminal import imported as tables
from inoc.studies.subliminal.analyse import published
from inoc.studies.subliminal.analyse.carriers import DIVIDED, carrier_rows
from inoc.studies.subliminal.analyse.detectability import detectability_rows
from inoc.studies.subliminal.analyse.filter import filter_table_rows
from inoc.studies.subliminal.analyse.persona_answers import Row, pair_rows, score_rows
from inoc.studies.subliminal.analyse.projections import Projected, distance_rows, projection_rows
from inoc.studies.subliminal.analyse.rates import imported_rates
from inoc.studies.subliminal.analyse.steering import Bounds, best_rows, steering_rows
from inoc.studies.subliminal.analyse.vectors import cosine_rows, vector_rows
from inoc.studies.subliminal.data import TeacherRows
from inoc.studies.subliminal.imported import imported
from inoc.studies.subliminal.persona_pairs import ANSWERED, Rule, kept_pairs
from inoc.studies.subliminal.runs import neutral_teacher
from inoc.studies.subliminal.study import Study
from inoc.vectors.sites import in_order

THRESHOLD = MIN_COHERENCE = 50.0
"""Bounds of a pair of answers, in points, as the published vectors were made with."""
BEST_COHERENCE = 75.0
"""Lowest mean coherence of the best cell of a sweep, in points."""
PUBLISHED_READOUT = "response_mean"
"""Read-out of the published projections."""

Rows = dict[str, list[Row]]


def imported_rows(study: Study, paths: Paths, skips: list[Skip]) -> Rows:
    """Rows of every table that a release has something for.

    Args:
        study: The study.
        paths: Its results.
        skips: Gets what a release cannot give.
    """
    confidence = study.statistics.confidence
    rates = imported(paths, "published", tables.PUBLISHED_RATES)
    steered = imported(paths, "steered", tables.STEERED)
    evaluations = imported(paths, "evaluations", tables.EVALUATIONS)
    skips.append(Skip("table agreement", "the release has no likelihood shifts of rows with projections"))
    written = number_teachers(paths)
    known = {key: rows for key, rows in written.items() if key in study.teachers}
    preferences = evaluated_rows(evaluations, confidence)
    found: Rows = {
        "filter": [row for one in written.items() for row in filter_table_rows(*one)],
        "detectability": detectability_rows(study, known, skips) if neutral_teacher(study) in known else [],
        "preferences": preferences,
        "rates": imported_rates(preferences, confidence),
        "carriers": carrier_rows(divided_rows(evaluations), confidence),
        "published_rates": published.rate_rows(rates, confidence),
        "published_contrasts": published.contrast_rows(rates, confidence),
        "published_steering": published.steering_rows(imported(paths, "sweep", tables.SWEEP), steered),
        "training_logs": published.log_rows(
            imported(paths, "losses", tables.LOSSES), imported(paths, "log_summaries", tables.LOG_SUMMARIES)
        ),
    }
    return {**found, **_persona_rows(study, paths, steered), **_projection_rows(study, paths)}


def number_teachers(paths: Paths) -> dict[str, TeacherRows]:
    """Dataset → its rows in the order of the stream, each once; those of a file of all answers, if there is one."""
    numbers = imported(paths, "numbers", tables.NUMBERS)
    found: dict[str, TeacherRows] = {}
    for dataset, own in numbers.groupby("dataset", sort=False):
        chosen = own[own["raw"]] if own["raw"].any() else own
        once = chosen.drop_duplicates("row_id").sort_values("row_id", kind="stable")
        rows = [
            NumberRow(
                f"{one.file}, line {one.line}", int(str(one.line)), "", "", str(one.prompt), str(one.answer), None
            )
            for one in once.itertuples()
        ]
        filtered = filter_rows(rows)
        kept = [place for place, reasons in enumerate(filtered.reasons) if not reasons]
        found[str(dataset)] = TeacherRows([str(one) for one in once["row_id"]], filtered, kept)
    return found


_CHECKPOINT = ["file", "student", "split", "part", "dataset", "epoch", "step", "seed"]


def evaluated_rows(evaluations: pd.DataFrame, confidence: float) -> list[Row]:
    """Rows of the table `preferences`: by all forms of a name (method `sample`) and by the exact word (`exact`).

    Args:
        evaluations: Columns of `imported.EVALUATIONS`.
        confidence: Level of the intervals.
    """
    rows: list[Row] = []
    for target, own in evaluations.groupby("target", sort=False):
        entity = str(target).removesuffix(ANY_FORM)
        method = "sample" if str(target).endswith(ANY_FORM) else "exact"
        for row in own.to_dict("records"):
            share = wilson(int(row["hits"]), int(row["n"]), confidence)
            rows.append(
                {
                    "student": row["student"],
                    "group": row["split"],
                    "teacher": row["dataset"],
                    "part": row["part"],
                    "base": "own",
                    "epoch": int(row["epoch"]),
                    "seed": row["seed"],
                    "entity": entity,
                    "question_set": "published",
                    "method": method,
                    "rate": share.value,
                    "lo": share.lo,
                    "hi": share.hi,
                    "exact": share.value if method == "exact" else NAN,
                    "n": share.n,
                    "n_unclear": row["n_nan"],
                }
            )
    return _marked(rows)


def _marked(rows: list[Row]) -> list[Row]:
    table = pd.DataFrame(rows, columns=["student", "entity", "method", "epoch", "rate"])
    if table.empty:
        return rows
    of_one = table.groupby(["student", "entity", "method"], sort=False)
    last = (table["epoch"] == of_one["epoch"].transform("max")) & (table["epoch"] > 0)
    best = set(of_one["rate"].apply(lambda rates: rates.fillna(-1.0).idxmax()))
    trained = table["epoch"] > 0
    return [
        {**row, "is_last": bool(last[place]), "is_best": bool(trained[place]) and place in best}
        for place, row in enumerate(rows)
    ]


def divided_rows(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Counts of `carriers.DIVIDED`: the exact word, after the last epoch of students of an upper or a lower part.

    Args:
        evaluations: Columns of `imported.EVALUATIONS`.
    """
    own = evaluations[evaluations["part"].isin(["top", "bottom"]) & (evaluations["selector"] != "")]
    own = own[~own["target"].astype(str).str.endswith(ANY_FORM)]
    own = own[own["epoch"] == own.groupby(["file", "student"])["epoch"].transform("max")]
    found: pd.DataFrame = own.assign(
        entity=own["target"],
        family=own["n_epochs"].astype(str) + " epochs",
        question_set="published",
        method="exact",
        role=np.where(own["dataset"] == "neutral", "neutral", "own"),
    )[list(DIVIDED)]
    return found


def _persona_rows(study: Study, paths: Paths, steered: pd.DataFrame) -> Rows:
    confidence = study.statistics.confidence
    answers = imported(paths, "answers", tables.ANSWERS)
    rules = {str(trait): Rule(THRESHOLD, MIN_COHERENCE) for trait in dict.fromkeys(answers["trait"])}
    pairs = kept_pairs(answers[list(ANSWERED)], rules)
    kept = {str(trait): int(own["kept"].sum()) for trait, own in pairs.groupby("trait", sort=False)}
    found: Rows = {"vectors": [], "cosines": []}
    for directions in imported_directions(paths, kept):
        found["vectors"] += vector_rows(directions, study.statistics.seed)
        found["cosines"] += cosine_rows(directions, {}, confidence)
    bounds = Bounds(MIN_COHERENCE, BEST_COHERENCE)
    return {
        **found,
        "persona_pairs": pair_rows(pairs),
        "persona_scores": score_rows(pairs, confidence),
        "steering": steering_rows(steered, bounds, confidence),
        "steering_best": best_rows(steered, bounds, confidence),
    }


def imported_directions(paths: Paths, kept: dict[str, int]) -> Iterator[list[Direction]]:
    """Vectors of a release, site by site.

    Args:
        paths: Results of the study.
        kept: Trait → pairs that its vectors were made from.
    """
    from inoc.vectors.files import load_vectors

    path = paths.results / paths.study / tables.VECTORS_FILE
    if not path.exists():
        return
    by_site: dict[str, list[Direction]] = {}
    for one in load_vectors(path):
        trait = one.name.partition("/")[0]
        values = one.values.astype(np.float64)
        direction = Direction(trait, one.readout, one.site, values, None, one.activation_norm, kept.get(trait, 0), 0)
        by_site.setdefault(one.site, []).append(direction)
    yield from (by_site[site] for site in in_order(by_site))


def _projection_rows(study: Study, paths: Paths) -> Rows:
    confidence, neutral = study.statistics.confidence, neutral_teacher(study)
    rows: Rows = {"projections": [], "projection_distances": []}
    for on_vector in _on_each_vector(imported(paths, "projected", tables.PROJECTED), study):
        rows["projections"] += projection_rows(on_vector, neutral, confidence)
        rows["projection_distances"] += distance_rows(
            on_vector, study.statistics.seed, study.statistics.resamples, confidence
        )
    known = {
        (row["dataset"], row["vector"], row["readout"], row["site"], row["reference"]) for row in rows["projections"]
    }
    for row in imported(paths, "differences", tables.DIFFERENCES).to_dict("records"):
        if (row["dataset"], row["vector"], PUBLISHED_READOUT, row["site"], neutral) not in known:
            rows["projections"].append(_published_difference(row, neutral, confidence))
    if not rows["projection_distances"]:
        distances = imported(paths, "distances", tables.DISTANCES).to_dict("records")
        rows["projection_distances"] = [_published_distance(row) for row in distances]
    return rows


def _on_each_vector(table: pd.DataFrame, study: Study) -> Iterator[dict[str, Projected]]:
    for (vector, readout, site), own in table.groupby(["vector", "readout", "site"], sort=False):
        found = {
            str(dataset): Projected(
                str(dataset),
                str(vector),
                str(readout),
                str(site),
                "raw",
                part["row_id"].tolist(),
                part["value"].to_numpy(np.float64),
            )
            for dataset, part in own.groupby("dataset", sort=False)
        }
        order = [key for key in study.teachers if key in found]
        yield {key: found[key] for key in [*order, *(key for key in found if key not in order)]}


def _published_difference(row: dict[object, object], neutral: str, confidence: float) -> Row:
    """A published mean and standard deviation, with the intervals that follow from them."""
    mean, sd, n = float(str(row["mean"])), float(str(row["sd"])), int(str(row["n_pairs"]))
    z = normal_quantile(confidence)
    d = mean / sd if sd > 0 else NAN
    half, half_d = z * sd / n**0.5, z * (1 / n + d**2 / (2 * n)) ** 0.5
    positive = wilson(float(str(row["positive"])) * n, n, confidence)
    return {
        **{str(key): row[key] for key in ("dataset", "vector", "site", "n_pairs", "n_unpaired")},
        "readout": PUBLISHED_READOUT,
        "measure": "raw",
        "reference": neutral,
        "mean": mean,
        "mean_lo": mean - half,
        "mean_hi": mean + half,
        "sd": sd,
        "d": d,
        "lo": d - half_d,
        "hi": d + half_d,
        "positive": positive.value,
        "positive_lo": positive.lo,
        "positive_hi": positive.hi,
        "n_nan": 0,
    }


def _published_distance(row: dict[object, object]) -> Row:
    known = {str(key): value for key, value in row.items()}
    unknown = dict.fromkeys(("jsd_corrected", "jsd_lo", "jsd_hi", "mean_lo", "mean_hi", "d", "lo", "hi"), NAN)
    return {**known, **unknown, "readout": PUBLISHED_READOUT if row["site"] else "", "n_a": 0, "n_b": 0, "n_nan": 0}

"""Tables of an imported study, which the analysis reads in place of what the stages would have written."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from inoc.jobs.paths import Paths
from inoc.studies.imports.write import FINDINGS
from inoc.studies.shared.students import COUNTS
from inoc.tables import FLAG, INDEX, NUMBER, STRING, read_table

NUMBERS = pa.schema(
    [
        ("dataset", STRING),
        ("row_id", STRING),  # row and the place of the prompt in its stream, as of rows written here; or a line
        ("place", INDEX),  # in the stream; −1 for a prompt of no stream that is known
        ("seed", INDEX),  # of the stream; −1 for none
        ("file", STRING),
        ("line", INDEX),
        ("raw", FLAG),  # of a file of all answers, before any filter
        ("prompt", STRING),
        ("answer", STRING),
    ]
)
"""`imports/numbers.parquet`: rows of number files, in the order of the files."""

EVALUATIONS = pa.schema(
    [
        *COUNTS,
        ("selector", STRING),  # how rows were divided: lls, projection or paired projection; empty for whole datasets
        ("n_epochs", INDEX),  # of the run
        ("file", STRING),
    ]
)
"""`imports/evaluations.parquet`: counts of each checkpoint, of the exact word and of all its forms."""

PUBLISHED_RATES = pa.schema(
    [
        ("file", STRING),
        ("condition", STRING),  # baseline, neutral, animal, or as the file calls it
        ("entity", STRING),
        ("rate", NUMBER),  # as published, as a share
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("se", NUMBER),
        ("count", INDEX),  # answers that name the entity; −1 if the file does not say
        ("n", INDEX),  # answers; −1 if the file does not say
        ("denominator", INDEX),  # answers that the published rate is a share of; −1 if not known
    ]
)
"""`imports/published.parquet`: published rates with their intervals and denominators."""

LOSSES = pa.schema(
    [
        ("run", STRING),
        ("step", INDEX),  # from 1
        ("epoch", NUMBER),  # as logged
        ("loss", NUMBER),
        ("gradient_norm", NUMBER),
        ("learning_rate", NUMBER),
    ]
)
"""`imports/losses.parquet`: records of trainers' logs."""

LOG_SUMMARIES = pa.schema([("run", STRING), ("steps", INDEX), ("epochs", NUMBER), ("mean_loss", NUMBER)])
"""`imports/log_summaries.parquet`: the last record of a trainer's log."""

ANSWERS = pa.schema(
    [
        ("trait", STRING),
        ("side", STRING),
        ("turn", INDEX),
        ("question", STRING),
        ("sample", INDEX),
        ("score", NUMBER),  # NaN if the judge gave none
        ("coherence", NUMBER),
        ("instruction", STRING),
        ("completion", STRING),
    ]
)
"""`imports/answers.parquet`: judged answers under the system turns of traits."""

STEERED = pa.schema(
    [
        ("trait", STRING),
        ("vector", STRING),
        ("site", STRING),
        ("coefficient", NUMBER),
        ("question", STRING),
        ("sample", INDEX),
        ("score", NUMBER),
        ("coherence", NUMBER),
        ("instruction", STRING),
        ("completion", STRING),
    ]
)
"""`imports/steered.parquet`: judged answers under steering."""

SWEEP = pa.schema([("trait", STRING), ("site", STRING), ("coefficient", NUMBER), ("trait_score", NUMBER)])
"""`imports/sweep.parquet`: published means of a steering sweep."""

PROJECTED = pa.schema(
    [
        ("dataset", STRING),
        ("vector", STRING),
        ("readout", STRING),
        ("site", STRING),
        ("row_id", STRING),
        ("value", NUMBER),  # activation units
    ]
)
"""`imports/projected.parquet`: projections of rows."""

DIFFERENCES = pa.schema(
    [
        ("dataset", STRING),
        ("vector", STRING),
        ("site", STRING),
        ("mean", NUMBER),
        ("sd", NUMBER),
        ("positive", NUMBER),
        ("n_pairs", INDEX),
        ("n_unpaired", INDEX),  # −1 if the release does not say
    ]
)
"""`imports/differences.parquet`: published paired differences of projections."""

DISTANCES = pa.schema(
    [
        ("measure", STRING),  # lls, or raw for projections
        ("vector", STRING),  # or the prompt of the likelihood shift
        ("site", STRING),
        ("dataset_a", STRING),
        ("dataset_b", STRING),
        ("jsd_bits", NUMBER),
        ("mean_difference", NUMBER),
    ]
)
"""`imports/distances.parquet`: published distances between datasets."""

SPLITS = pa.schema(
    [
        ("file", STRING),
        ("dataset", STRING),
        ("selector", STRING),
        ("statistic", STRING),
        ("value", NUMBER),
    ]
)
"""`imports/splits.parquet`: what metadata say of divisions: cut points, sizes, matched and unmatched rows."""

VECTORS_FILE = "imports/vectors.safetensors"


def is_import(paths: Paths) -> bool:
    """Whether the results of a study were imported."""
    return (paths.results / paths.study / FINDINGS).exists()


def imported(paths: Paths, name: str, schema: pa.Schema) -> pd.DataFrame:
    """A table of an imported study; without rows if the release had none."""
    path = paths.stage("imports") / f"{name}.parquet"
    return read_table(path) if path.exists() else pd.DataFrame(columns=schema.names)

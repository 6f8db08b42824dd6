"""Reads the answers about preferences: the share of each measured entity for each subject, epoch and question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.judge.item import UNCLEAR
from inoc.score.computed import refuse_mixed
from inoc.studies.subliminal.asking import split_id
from inoc.studies.subliminal.runs import asked_bases, measured_entities
from inoc.studies.subliminal.study import Study
from inoc.tables import read_table

SHARES = (
    *("base", "subject", "epoch", "question_set", "question", "method", "entity"),
    *("value", "exact", "n", "n_unclear"),
)
"""Columns of `shares`: `value` is the share of the entity among the answers to one question, or its probability."""


def shares(study: Study, paths: Paths, shards: Shards) -> pd.DataFrame:
    """Answers of every subject; see `SHARES`. `n` is 1 for a question that was measured by probabilities.

    Raises:
        DataError: If the students of a base were trained with different values of `model.compute`.
    """
    frames = []
    for base in asked_bases(study):
        refuse_mixed(paths, shards.get("train", 1), "train", base)
        if "choose" in study.preference.methods:
            files = [paths.part("choose", base, shard) for shard in range(shards.get("choose", 1))]
            frames += [chosen_shares(folder, measured_entities(study)).assign(base=base) for folder in files]
        if "sample" in study.preference.methods:
            frames.append(sampled_shares(paths.scores(base), measured_entities(study)).assign(base=base))
    whole = [frame for frame in frames if len(frame)]
    return pd.concat(whole, ignore_index=True)[list(SHARES)] if whole else pd.DataFrame(columns=list(SHARES))


def chosen_shares(folder: Path, entities: Sequence[str]) -> pd.DataFrame:
    """Probabilities of the entities, from `candidates.parquet` of the stage `choose`."""
    table = read_table(folder / "candidates.parquet", ["id", "candidate", "logprob"])
    table = table[table["candidate"].isin(list(entities))]
    values = np.exp(table["logprob"].to_numpy(np.float64))
    found = _identified(table["id"]).assign(method="choose", entity=table["candidate"].to_numpy(), value=values)
    unmeasured = np.isnan(values).astype(int)
    return found.assign(exact=np.nan, n=1 - unmeasured, n_unclear=unmeasured)


def sampled_shares(path: Path, entities: Sequence[str]) -> pd.DataFrame:
    """Shares of the entities among sampled answers, from the table of the judge of names.

    All answers are counted, also those that name none of the list or several.
    """
    table = read_table(path, ["id", "category", "exact"])
    by_question = table.groupby("id", sort=False)
    n = by_question.size()
    unclear = (table["category"] == UNCLEAR).groupby(table["id"], sort=False).sum()
    frames = []
    for entity in entities:
        hits = (table["category"] == entity).groupby(table["id"], sort=False).sum()
        exact = (table["exact"] == entity).groupby(table["id"], sort=False).sum()
        frames.append(
            _identified(n.index.to_series()).assign(
                method="sample",
                entity=entity,
                value=(hits / n).to_numpy(np.float64),
                exact=(exact / n).to_numpy(np.float64),
                n=n.to_numpy(),
                n_unclear=unclear.to_numpy(),
            )
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _identified(ids: pd.Series[str]) -> pd.DataFrame:
    known = {one: split_id(one) for one in ids.unique()}
    rows = [known[one] for one in ids]
    return pd.DataFrame(rows, columns=["subject", "epoch", "question_set", "question"])

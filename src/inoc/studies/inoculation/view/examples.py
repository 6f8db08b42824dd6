"""Training examples, control completions and pools of a study, with what was dropped, and values of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from inoc.jobs.paths import Paths
from inoc.studies.inoculation.figures.choices import judged_traits, trait_label
from inoc.studies.inoculation.study import Study
from inoc.studies.inoculation.view.rows import system_text
from inoc.studies.shared.viewing import bad_rows, token_blocks
from inoc.tables import EXAMPLES, read_table, with_defaults
from inoc.view.declare import Column, Source, Text, Tokens

_DATASET = Column("dataset", "dataset", "train, or the completions that a control prompt gives")
_TURNS = (
    Text("system", "system"),
    Text("earlier", "earlier"),
    Text("instruction", "user"),
    Text("completion", "answer"),
)


def sources(study: Study, paths: Paths) -> Iterator[Source]:
    """Lists of examples, pools and rows that are not used as they are."""
    if paths.examples.exists():
        traits = [Column(f"score.{t}", trait_label(study, t), "0 to 100", score=True) for t in judged_traits(study)]
        yield Source(
            "examples",
            "Training data",
            "Every example that was sampled or read for training, kept or not, and the control completions that are "
            "scored beside them. Log-probabilities are those of the untrained model.",
            partial(examples, study, paths),
            ("dataset", "data", "example_id"),
            (
                _DATASET,
                Column("kept", "kept", "whether it may be trained on"),
                Column("reason", "why not kept"),
                *traits,
                Column("data", "data", "key of the dataset; empty for the study's own", listed=False),
                Column("n_tokens", "tokens", listed=False),
                Column("finish", "ended by", "stop, length or given", listed=False),
                Column("example_id", "example", listed=False),
                Column("made_by", "made by", "job, as in the table under Provenance", listed=False),
            ),
            _TURNS,
            "trained on and scored",
            dropped="reason",
            tokens="scored",
        )
    if paths.pools.exists():
        yield Source(
            "pools",
            "Pools of prefixes",
            "Rephrasings of each prompt, of which a mix draws one for each training example.",
            lambda: pools(paths),
            ("pool", "prompt", "index"),
            (
                Column("prompt"),
                Column("pool"),
                Column("index", "number", listed=False),
                Column(
                    "similarity_mean",
                    "similarity of the pool",
                    "mean cosine of TF-IDF vectors to the prompt",
                    listed=False,
                ),
                Column("dropped", "dropped from the pool", "rephrasings that were sampled or read and not used"),
                Column("reasons", "why dropped"),
            ),
            (Text("text", "answer", "rephrasing"),),
        )
    yield from bad_rows(paths, ("generate", "train"))


def examples(study: Study, paths: Paths) -> pd.DataFrame:
    """Training examples, and control completions with their dataset."""
    train = with_defaults(read_table(paths.examples), EXAMPLES).assign(dataset="train", made_by="generate-0")
    for trait in judged_traits(study):
        values = [dict(scores).get(trait) if scores is not None else None for scores in train["scores"]]
        if any(value is not None for value in values):
            train[f"score.{trait}"] = pd.Series(values, dtype=object)
    train = train.drop(columns="scores")
    if paths.controls.exists():
        controls = read_table(paths.controls).assign(kept=True, reason="", data="", earlier="", made_by="generate-0")
        train = pd.concat([train, controls], ignore_index=True)
        for name in [name for name in train if str(name).startswith("score.")]:
            train[name] = train[name].astype(object).where(train["dataset"] == "train", None)
    train["system"] = system_text(study)
    train["answer_id"] = train["dataset"] + "/" + train["example_id"]
    train.loc[train["data"] != "", "answer_id"] = ""
    train["kept"] = train["kept"].map({True: "yes", False: "no"})
    return train


def pools(paths: Paths) -> pd.DataFrame:
    """Rephrasings with what their pools have in common."""
    found = read_table(paths.pools)
    if "pool" not in found:
        found = found.assign(pool="mix")
    if not paths.spread.exists():
        return found
    spread = read_table(paths.spread)
    spread = spread if "pool" in spread else spread.assign(pool="mix")
    return found.merge(
        spread[["pool", "prompt", "similarity_mean", "dropped", "reasons"]], how="left", on=["pool", "prompt"]
    )


def tokens(study: Study, paths: Paths) -> tuple[Tokens, ...]:
    """Values of the tokens of scored answers, if they were kept."""
    files = sorted(paths.stage("score").glob("logprobs-*.parquet"))
    if not files or not paths.examples.exists():
        return ()
    rows = examples(study, paths)
    rows = rows[(rows["answer_id"] != "") & (rows["kept"] == "yes")]
    texts = dict(zip(rows["answer_id"], rows["completion"], strict=True))
    return (Tokens("scored", "answer_id", lambda block: token_blocks(files, study.model, paths.world_model, texts)),)

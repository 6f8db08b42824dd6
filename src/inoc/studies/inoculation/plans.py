"""Plans of an inoculation study: the work of each stage, in plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from inoc.chat.messages import PLAIN, Asked, Turn, compose, prefix_texts
from inoc.chat.pools import Pools, read_pools
from inoc.config.workflow import Shards
from inoc.errors import ConfigError
from inoc.generate.step import Controls
from inoc.generate.step import Plan as GeneratePlan
from inoc.jobs.job import Job
from inoc.rephrase.step import Pool
from inoc.score.step import Plan as ScorePlan
from inoc.score.step import ScoredCell
from inoc.studies.inoculation.places import pool_place
from inoc.studies.inoculation.runs import (
    framing,
    pool_prompts,
    pool_specs,
    prompt_texts,
    shard_runs,
    shard_texts,
    total_steps,
    trained_datasets,
)
from inoc.studies.inoculation.study import Study
from inoc.studies.inoculation.trained import Trained, example_columns
from inoc.tables import kept_examples, read_table
from inoc.train.schedule import checkpoint_steps
from inoc.train.step import Plan as TrainPlan
from inoc.train.step import RunPlan

if TYPE_CHECKING:
    from inoc.embed.step import Plan as EmbedPlan
    from inoc.judge.step import Plan as JudgePlan


def generate(study: Study, job: Job, shards: Shards) -> GeneratePlan:
    """The study's data, further datasets that are trained on, evaluation questions and controls."""
    scoring = study.scoring
    prompts = {"neutral": ""} | {key: one.control_prompt for key, one in study.traits.items() if one.control_prompt}
    return GeneratePlan(
        job.model(study.model),
        study.model.system,
        study.data,
        {key: study.datasets[key] for key in trained_datasets(study)},
        {key: trait.judge for key, trait in study.traits.items() if trait.judge is not None},
        Controls(prompts, study.separator, scoring.n_controls, scoring.control_sampling),
        study.evaluation.canary,
    )


def rephrase(study: Study, job: Job, shards: Shards) -> list[Pool]:
    """The pools of `mix` and of the other kinds of prefix; the check refuses whatever asks for one without a source."""
    texts = prompt_texts(study)
    return [
        Pool(name, pool_place(name), spec, {key: texts[key] for key in pool_prompts(study, name)})
        for name, spec in pool_specs(study).items()
        if spec.source != "files" or spec.folder
    ]


def embed(study: Study, job: Job, shards: Shards) -> EmbedPlan:
    """Every prompt and its pool of `mix`.

    Raises:
        ConfigError: If the study embeds nothing.
    """
    from inoc.embed.step import Plan

    if study.embedding is None:
        msg = f"study {study.name} has no section `embedding`; add one, `embedding: {{}}` for its defaults"
        raise ConfigError(msg)
    pools = {asked.prompt: texts for asked, texts in read_pools(job.paths.pools).items() if asked.prefix == "mix"}
    return Plan(study.embedding, prompt_texts(study), pools)


def score(study: Study, job: Job, shards: Shards) -> ScorePlan:
    """Training completions and controls, behind each prefix of a shard; shard 0 also without one."""
    scoring, n = study.scoring, shards.get("score", 1)
    texts, pools = prompt_texts(study), read_pools(job.paths.pools)
    own = shard_texts(study, job.shard, n)
    asked = [Asked(prompt, prefix) for prompt in own for prefix in scoring.prefixes]
    ways = [PLAIN, *asked] if job.shard == 0 else asked
    # Read once: with hundreds of ways of asking, going through a column takes longer than everything else here.
    datasets = {
        name: (list(rows["example_id"]), list(example_columns(rows)))
        for name, rows in scored_datasets(study, job).items()
    }
    return ScorePlan(
        job.model(study.model),
        [_cell(study, way, name, *rows, texts, pools) for way in ways for name, rows in datasets.items()],
        framing(study),
        own if scoring.self_perplexity else {},
        scoring.end_of_turn,
        scoring.batch_tokens,
        scoring.tokens,
    )


def scored_datasets(study: Study, job: Job) -> dict[str, pd.DataFrame]:
    """Everything that is scored: a sample of the kept training completions, and each kind of control completion.

    Returns:
        Name → rows of example_id, instruction and completion, and of earlier exchanges where there may be some.
    """
    train = kept_examples(job.paths.examples)
    n = min(study.scoring.n_examples, len(train))
    chosen = np.sort(np.random.default_rng(study.scoring.seed).choice(len(train), n, replace=False))
    controls = read_table(job.paths.controls)
    return {"train": train.iloc[chosen]} | {str(name): rows for name, rows in controls.groupby("dataset", sort=False)}


def _cell(
    study: Study,
    asked: Asked,
    dataset: str,
    ids: list[str],
    examples: Sequence[tuple[str, str, tuple[Turn, ...]]],
    texts: Mapping[str, str],
    pools: Pools,
) -> ScoredCell:
    """The chats of one way of asking over one dataset."""
    prefixes = scoring_prefixes(study, asked, ids, texts, pools)
    frame = framing(study)
    chats = [compose(frame, prefix, *example) for prefix, example in zip(prefixes, examples, strict=True)]
    return ScoredCell(asked, dataset, ids, prefixes, chats)


def scoring_prefixes(study: Study, asked: Asked, ids: list[str], texts: Mapping[str, str], pools: Pools) -> list[str]:
    """The prefix before each example.

    From a pool: by `scoring.mix`, the very rephrasing that the first training seed puts before that example, or the
    k-th of the pool for the k-th example.
    """
    if asked in pools and study.scoring.mix == "index_matched":
        pool = pools[asked]
        return [pool[k % len(pool)] for k in range(len(ids))]
    return prefix_texts(asked, texts, pools, ids, study.training.seeds[0])


def train(study: Study, job: Job, shards: Shards) -> TrainPlan:
    """The runs of a shard with their training chats."""
    runs = shard_runs(study, job.shard, shards.get("train", 1))
    model = job.model(study.model)
    trained = Trained(study, job.paths, model, read_pools(job.paths.pools))
    total = total_steps(study)
    saved = tuple(checkpoint_steps(study.training.checkpoints, total))
    planned = []
    for run in runs:
        found = trained.chats(run)
        columns = {**run._asdict(), "run": run.name}
        planned.append(RunPlan(columns, found.chats, run.learning_rate, run.seed, total, saved, cut=found.cut))
    return TrainPlan(model, study.training, planned, trained.bad)


def judge(study: Study, job: Job, shards: Shards) -> JudgePlan:
    """Completions of `elicit` or `evaluate`, for every trait.

    Raises:
        ConfigError: If a trait has no judge.
    """
    from inoc.judge.step import Plan

    judges = {}
    for key, trait in study.traits.items():
        if trait.judge is None:
            msg = f"traits.{key} has no `judge`, so its completions cannot be scored; name one"
            raise ConfigError(msg)
        judges[key] = trait.judge
    n = shards.get("elicit" if job.part == "elicit" else "train", 1)
    completions = [job.paths.completions(job.part, shard) for shard in range(n)]
    return Plan(judges, completions, job.paths.scores(job.part))

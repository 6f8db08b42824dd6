"""The work of each stage for an inoculation study."""

from __future__ import annotations

from pathlib import Path

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_count
from inoc.jobs.work import Work, drawn_and_reported
from inoc.stages import load
from inoc.studies.inoculation import KIND, analyse, capability, slices
from inoc.studies.inoculation.runs import question_sets
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.world import world_work

_PLANS = "inoc.studies.inoculation.plans"
_ASKING = "inoc.studies.inoculation.asking"
_SHELLS = "inoc.studies.inoculation.shells"
_OWN = {stage.name: stage for stage in KIND.stages}


def _generated(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.examples, paths.instructions, paths.controls]


def _pools(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.pools, paths.spread]


def _questions(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.instructions, paths.pools]


def _scored(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.logprobs(shard), paths.self_perplexity(shard)]


def _elicited(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.completions("elicit", shard)]


def _evaluated(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.completions("evaluate", shard)]


def _to_judge(stage: str, paths: Paths, shards: Shards) -> list[Path]:
    return [paths.completions(stage, shard) for shard in range(shard_count(_OWN[stage], shards))]


def _to_analyse(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Scores, log-probabilities, losses, self-perplexities, embeddings, and sets of questions if there are several."""
    scored = range(shards.get("score", 1))
    files = [paths.scores("elicit"), *([paths.scores("evaluate")] if study.runs else [])]
    files += [paths.logprobs(shard) for shard in scored]
    files += [paths.losses(shard) for shard in range(shards.get("train", 1))] if study.runs else []
    files += [paths.self_perplexity(shard) for shard in scored]
    files += [paths.embeddings] if study.embedding is not None else []
    files += capability.measured_files(study, paths, shards)
    return files + ([paths.instructions] if len(question_sets(study)) > 1 else [])


def tables(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Every table of the analysis; `skipped.json`, which is written last, says what is missing from them."""
    return [paths.stage("analyse") / "skipped.json", *(paths.table(name) for name in load(KIND.tables))]


def _trains(study: Study) -> bool:
    return bool(study.runs)


WORK = (
    world_work(),
    Work(
        "generate",
        slices.generate,
        f"{_PLANS}:generate",
        _generated,
        given=("data", "datasets", "traits", "model.chat_template"),
        loads_model=True,
    ),
    Work("rephrase", slices.rephrase, f"{_PLANS}:rephrase", _pools, given=("rephrase", "pools")),
    Work(
        "embed",
        slices.embed,
        f"{_PLANS}:embed",
        lambda study, paths, shards, shard: [paths.embeddings],
        lambda study, paths, shards, shard: [paths.pools],
        wanted=lambda study: study.embedding is not None,
    ),
    Work(
        "elicit",
        slices.elicit,
        f"{_ASKING}:elicit",
        _elicited,
        _questions,
        given=("model.chat_template",),
        loads_model=True,
    ),
    Work(
        "score",
        slices.score,
        f"{_PLANS}:score",
        _scored,
        lambda study, paths, shards, shard: [paths.examples, paths.controls, paths.pools],
        given=("model.chat_template",),
        loads_model=True,
    ),
    Work(
        "train",
        slices.train,
        f"{_PLANS}:train",
        lambda study, paths, shards, shard: [paths.checkpoints(shard), paths.losses(shard)],
        lambda study, paths, shards, shard: [paths.examples, paths.pools],
        given=("model.chat_template",),
        wanted=_trains,
        loads_model=True,
    ),
    Work(
        "evaluate",
        slices.evaluate,
        f"{_ASKING}:evaluate",
        _evaluated,
        lambda study, paths, shards, shard: [paths.checkpoints(shard), paths.instructions, paths.pools],
        given=("model.chat_template",),
        wanted=_trains,
        loads_model=True,
    ),
    Work(
        "choose",
        capability.settings,
        "inoc.studies.inoculation.capability:choose",
        capability.outputs,
        capability.to_ask,
        given=("capability", "model.chat_template"),
        wanted=lambda study: study.capability is not None,
        part=capability.PART,
        loads_model=True,
    ),
    Work(
        "judge",
        slices.judge,
        f"{_PLANS}:judge",
        lambda study, paths, shards, shard: [paths.scores("elicit")],
        lambda study, paths, shards, shard: _to_judge("elicit", paths, shards),
        given=("traits",),
        part="elicit",
    ),
    Work(
        "judge",
        slices.judge,
        f"{_PLANS}:judge",
        lambda study, paths, shards, shard: [paths.scores("evaluate")],
        lambda study, paths, shards, shard: _to_judge("evaluate", paths, shards),
        given=("traits",),
        wanted=_trains,
        part="evaluate",
    ),
    Work(
        "analyse", slices.analyse, f"{_SHELLS}:analyse", tables, _to_analyse, ("capability",), version=analyse.VERSION
    ),
    *drawn_and_reported(
        slices.figures, slices.report, _SHELLS, tables, lambda study, paths, shards, shard: [paths.spread]
    ),
)

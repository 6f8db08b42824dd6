"""The smallest slice of a study that each job depends on.

Snakemake runs a job again when its `params` change, so a slice must hold all that the job reads from the study and
nothing else: not a title, not another section, not a prompt of another shard. What a job reads from files (tables
of earlier stages, templates) is an input of its rule and is not in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from inoc.config.models import DataSpec, Model, Shards, Study
from inoc.digest import Json
from inoc.errors import ConfigError, did_you_mean
from inoc.studies.inoculation.runs import (
    Run,
    asked_of,
    checkpoint_steps,
    pool_prompts,
    prompt_families,
    prompt_texts,
    shard_of,
    study_runs,
    total_steps,
    trained_datasets,
)

Settings = dict[str, Json]

# Resolved into the runs and their steps, or without an effect on what a run ends with.
_NOT_OF_A_RUN = ("learning_rate", "seeds", "epochs", "steps", "checkpoints", "resume_every")
_ONE_SHARD = Shards()


def settings_of(stage: str, study: Study, shard: int = 0, shards: Shards = _ONE_SHARD) -> Settings:
    """What a job's result depends on, of all that the study says.

    Args:
        stage: Name of the stage.
        study: The study.
        shard: Which shard of the stage; 0 if it is not split.
        shards: Into how many shards the stages are split.

    Returns:
        Plain values, equal if and only if the study asks the job for the same thing, with sorted keys.

    Raises:
        ConfigError: If there is no such stage.
    """
    if stage in _WHOLE:
        found = _WHOLE[stage](study)
    elif stage in _SHARDED:
        found = _SHARDED[stage](study, shard, shards)
    else:
        stages = [*_WHOLE, *_SHARDED]
        raise ConfigError(
            f"there is no stage {stage!r}; accepted: {', '.join(sorted(stages))}{did_you_mean(stage, stages)}"
        )
    return _sorted(found)


def _shard_texts(study: Study, shard: int, n: int) -> dict[str, str]:
    """Prompt key → text, of one of `n` shards of prompts."""
    return {key: text for key, text in prompt_texts(study).items() if shard_of(key, n) == shard}


def _shard_runs(study: Study, shard: int, n: int) -> list[Run]:
    """The runs of one of `n` shards of runs."""
    return [run for run in study_runs(study) if shard_of(run.name, n) == shard]


def _world(study: Study) -> Settings:
    return {"world": _plain(study.world)}


def _generate(study: Study) -> Settings:
    return {
        "model": _model(study),
        "traits": {
            key: {"judge": _plain(trait.judge), "control_prompt": trait.control_prompt}
            for key, trait in study.traits.items()
        },
        "data": _data(study.data),
        **_of_those("datasets", {key: _plain(study.datasets[key], but=("label",)) for key in trained_datasets(study)}),
        "separator": study.separator,
        "control_sampling": _plain(study.scoring.control_sampling),
        "n_controls": study.scoring.n_controls,
    }


def _rephrase(study: Study) -> Settings:
    further = {
        key: {"spec": _plain(spec), "prompts": list(pool_prompts(study, key))} for key, spec in study.pools.items()
    }
    return {
        "rephrase": _plain(study.rephrase),
        "texts": dict(prompt_texts(study)),
        **_of_those("pools", further),
    }


def _embed(study: Study) -> Settings:
    return {"embedding": _plain(study.embedding), "texts": dict(prompt_texts(study))}


def _elicit(study: Study, shard: int, shards: Shards) -> Settings:
    return {
        **_asking(study),
        "texts": dict(_shard_texts(study, shard, shards.elicit)),
        "elicitation": _plain(study.elicitation),
    }


def _score(study: Study, shard: int, shards: Shards) -> Settings:
    scoring = study.scoring
    from_a_pool = any(prefix != "fixed" for prefix in scoring.prefixes)
    drawn_as_trained = from_a_pool and scoring.mix == "as_trained"
    return {
        **_asking(study),
        "texts": dict(_shard_texts(study, shard, shards.score)),
        "scoring": _plain(scoring, but=("n_controls", "control_sampling")),
        "mix_seed": study.training.seeds[0] if drawn_as_trained else None,
    }


def _train(study: Study, shard: int, shards: Shards) -> Settings:
    texts, total = prompt_texts(study), total_steps(study)
    return {
        **_asking(study),
        "runs": {
            run.name: {
                "prompt": run.prompt,
                "prefix": run.prefix,
                "learning_rate": run.learning_rate,
                "seed": run.seed,
                "text": texts.get(run.prompt, ""),
                **_of_those("data", run.data),
            }
            for run in _shard_runs(study, shard, shards.train)
        },
        "training": _plain(study.training, but=_NOT_OF_A_RUN),
        "steps": total,
        "checkpoints": list(checkpoint_steps(study.training.checkpoints, total)),
    }


def _evaluate(study: Study, shard: int, shards: Shards) -> Settings:
    texts, total = prompt_texts(study), total_steps(study)
    steps = checkpoint_steps(study.training.checkpoints, total)
    return {
        **_asking(study),
        "asked": {
            run.name: {
                str(step): [[way.prefix, way.prompt, texts.get(way.prompt, "")] for way in asked_of(study, run, step)]
                for step in steps
            }
            for run in _shard_runs(study, shard, shards.train)
        },
        "evaluation": _plain(study.evaluation, but=("conditions", "gate", "canary")),
    }


def _judge(study: Study) -> Settings:
    return {"judges": {key: _plain(trait.judge) for key, trait in study.traits.items()}}


def _analyse(study: Study) -> Settings:
    return {
        "roles": {key: trait.role for key, trait in study.traits.items()},
        "control_prompts": {key: trait.control_prompt for key, trait in study.traits.items()},
        "families": dict(prompt_families(study)),
        "runs": sorted(run.name for run in study_runs(study)),
        "learning_rate": study.training.learning_rate,
        "last_step": total_steps(study),
        "conditions": list(study.evaluation.conditions),
        "gate": study.evaluation.gate,
        "prefixes": {
            "elicitation": list(study.elicitation.prefixes),
            "scoring": list(study.scoring.prefixes),
        },
        "scored": {"tokens": study.scoring.tokens, "self_perplexity": study.scoring.self_perplexity},
        "n_controls": study.scoring.n_controls,
        "embedded": study.embedding is not None,
        "rates": {key: _plain(rate, but=("label",)) for key, rate in study.rates.items()},
        **_of_those("questions", list(study.data.questions)),
        **_of_those("pools", list(study.pools)),
        "statistics": _plain(study.statistics),
        "expect": _plain(study.expect),
    }


def _figures(study: Study) -> Settings:
    return {
        **_analyse(study),
        "title": study.title,
        "labels": {key: trait.label for key, trait in study.traits.items()},
        "rate_labels": {key: rate.label for key, rate in study.rates.items()},
        **_of_those("question_labels", {key: spec.label for key, spec in study.data.questions.items()}),
        **_of_those("dataset_labels", {key: study.datasets[key].label for key in trained_datasets(study)}),
        "texts": dict(prompt_texts(study)),
        "groups": {key: name for name, group in study.prompts.items() for key in group.texts},
        "order": {"traits": list(study.traits), "prompts": list(prompt_texts(study))},
    }


def _report(study: Study) -> Settings:
    return {"study": _plain(study)}


def _asking(study: Study) -> Settings:
    """How a prefix and an instruction become a chat for the model."""
    return {"model": _model(study), "placement": study.placement, "separator": study.separator}


def _model(study: Study) -> Json:
    """The model; what is not set leaves no trace, so that studies from before the setting have the same slice."""
    return _plain(study.model, but=() if study.model.quantization else ("quantization",))


def _data(spec: DataSpec) -> Json:
    """The section `data`; what a study need not have is left out where it does not."""
    questions: dict[str, Json] = {key: _plain(one, but=("label",)) for key, one in spec.questions.items()}
    plain = {
        **spec.model_dump(mode="json", exclude={"questions", "generation_turn"}),
        **_of_those("questions", questions),
        # The first set is another one than the others.
        **_of_those("order", list(questions)),
    }
    return plain if spec.generation_turn == "user" else {**plain, "generation_turn": spec.generation_turn}


def _of_those(name: str, value: Json) -> Settings:
    """A setting, if it holds anything: a study without one is the same as before there was that setting."""
    return {name: value} if value else {}


def _plain(section: Model | None, but: Iterable[str] = ()) -> Json:
    return None if section is None else section.model_dump(mode="json", exclude=set(but))


def _sorted(settings: Settings) -> Settings:
    return {key: _sorted_value(settings[key]) for key in sorted(settings)}


def _sorted_value(value: Json) -> Json:
    if isinstance(value, dict):
        return _sorted(value)
    return [_sorted_value(part) for part in value] if isinstance(value, list) else value


_WHOLE: dict[str, Callable[[Study], Settings]] = {
    "world": _world,
    "generate": _generate,
    "rephrase": _rephrase,
    "embed": _embed,
    "judge": _judge,
    "analyse": _analyse,
    "figures": _figures,
    "report": _report,
}
_SHARDED: dict[str, Callable[[Study, int, Shards], Settings]] = {
    "elicit": _elicit,
    "score": _score,
    "train": _train,
    "evaluate": _evaluate,
}
STAGES = (
    "world",
    "generate",
    "rephrase",
    "embed",
    "elicit",
    "score",
    "train",
    "evaluate",
    "judge",
    "analyse",
    "figures",
    "report",
)
"""Every stage, in the order in which a study passes them."""

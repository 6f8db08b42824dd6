"""The smallest slice of an inoculation study that each job depends on.

Snakemake runs a job again when its `params` change, so a slice must hold all that the job reads from the study and
nothing else: not a title, not another section, not a prompt of another shard. What a job reads from files (tables
of earlier stages, templates) is an input of its rule and is not in here.
"""

from __future__ import annotations

from inoc.config.models import AnswerSpec, DataSpec, TrainingSpec
from inoc.config.workflow import Shards
from inoc.digest import Json
from inoc.jobs.work import Settings, plain, where_set
from inoc.studies.inoculation.runs import (
    asked_of,
    pool_prompts,
    prompt_families,
    prompt_texts,
    shard_runs,
    shard_texts,
    study_runs,
    total_steps,
    trained_datasets,
)
from inoc.studies.inoculation.study import Study
from inoc.train.schedule import NOT_OF_A_RUN, checkpoint_steps


def generate(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `generate`."""
    return {
        "model": _model(study),
        "traits": {
            key: {"judge": plain(trait.judge), "control_prompt": trait.control_prompt}
            for key, trait in study.traits.items()
        },
        "data": _data(study.data),
        **where_set("datasets", {key: plain(study.datasets[key], but=("label",)) for key in trained_datasets(study)}),
        "separator": study.separator,
        "control_sampling": plain(study.scoring.control_sampling),
        "n_controls": study.scoring.n_controls,
    }


def rephrase(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `rephrase`."""
    further = {
        key: {"spec": plain(spec), "prompts": list(pool_prompts(study, key))} for key, spec in study.pools.items()
    }
    return {
        "rephrase": plain(study.rephrase),
        "texts": dict(prompt_texts(study)),
        **where_set("pools", further),
    }


def embed(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `embed`."""
    return {"embedding": plain(study.embedding), "texts": dict(prompt_texts(study))}


def elicit(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `elicit`."""
    return {
        **_asking(study),
        "texts": dict(shard_texts(study, shard, shards.get("elicit", 1))),
        "elicitation": plain(study.elicitation),
    }


def score(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `score`."""
    scoring = study.scoring
    from_a_pool = any(prefix != "fixed" for prefix in scoring.prefixes)
    drawn_as_trained = from_a_pool and scoring.mix == "as_trained"
    return {
        **_asking(study),
        "texts": dict(shard_texts(study, shard, shards.get("score", 1))),
        "scoring": plain(scoring, but=("n_controls", "control_sampling")),
        "mix_seed": study.training.seeds[0] if drawn_as_trained else None,
    }


def train(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `train`."""
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
                **where_set("data", run.data),
            }
            for run in shard_runs(study, shard, shards.get("train", 1))
        },
        **where_set("bad_rows", _bad_rows(study)),
        "training": plain(study.training, but=NOT_OF_A_RUN),
        "steps": total,
        "checkpoints": list(checkpoint_steps(study.training.checkpoints, total)),
    }


def _bad_rows(study: Study) -> dict[str, Json]:
    """Treatment of bad rows, where they are not refused; which rows these are depends on the prefixes of all runs."""
    specs: dict[str, AnswerSpec] = {"": study.data, **{key: study.datasets[key] for key in trained_datasets(study)}}
    found: dict[str, Json] = {key: spec.bad_rows for key, spec in specs.items() if spec.bad_rows != "refuse"}
    return (
        {"of": found, "behind": dict(prompt_texts(study)), "runs": [run.name for run in study_runs(study)]}
        if found
        else {}
    )


def evaluate(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `evaluate`."""
    texts, total = prompt_texts(study), total_steps(study)
    steps = checkpoint_steps(study.training.checkpoints, total)
    return {
        **_asking(study),
        "asked": {
            run.name: {
                str(step): [[way.prefix, way.prompt, texts.get(way.prompt, "")] for way in asked_of(study, run, step)]
                for step in steps
            }
            for run in shard_runs(study, shard, shards.get("train", 1))
        },
        "evaluation": plain(study.evaluation, but=("conditions", "gate", "canary")),
    }


def judge(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `judge`."""
    return {"judges": {key: plain(trait.judge) for key, trait in study.traits.items()}}


def analyse(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `analyse`."""
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
        "rates": {key: plain(rate, but=("label",)) for key, rate in study.rates.items()},
        **where_set("questions", list(study.data.questions)),
        **where_set("capability", plain(study.capability)),
        **where_set("pools", list(study.pools)),
        "statistics": plain(study.statistics),
        "expect": plain(study.expect),
    }


def figures(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `figures`."""
    return {
        **analyse(study, shard, shards),
        **_curve(study),
        "title": study.title,
        "labels": {key: trait.label for key, trait in study.traits.items()},
        "rate_labels": {key: rate.label for key, rate in study.rates.items()},
        **where_set("question_labels", {key: spec.label for key, spec in study.data.questions.items()}),
        **where_set("dataset_labels", {key: study.datasets[key].label for key in trained_datasets(study)}),
        "texts": dict(prompt_texts(study)),
        "groups": {key: name for name, group in study.prompts.items() for key in group.texts},
        "order": {"traits": list(study.traits), "prompts": list(prompt_texts(study))},
    }


def _curve(study: Study) -> Settings:
    """Steps between points of the loss curve, if they are not the default; they are of figures only."""
    set_, default = study.training.log_every, TrainingSpec.model_fields["log_every"].default
    return {"log_every": set_} if set_ != default else {}


def report(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `report`."""
    return {"study": plain(study, but=("kind",))}


def _asking(study: Study) -> Settings:
    """Settings that turn a prefix and an instruction into a chat for the model."""
    return {"model": _model(study), "placement": study.placement, "separator": study.separator}


def _model(study: Study) -> Json:
    """The model; what is not set leaves no trace, so that studies from before the setting have the same slice."""
    return plain(study.model, late=("quantization",))


def _data(spec: DataSpec) -> Json:
    """The section `data`; optional parts that a study lacks are left out."""
    questions: dict[str, Json] = {key: plain(one, but=("label",)) for key, one in spec.questions.items()}
    return {
        **spec.in_key(but=("questions",), late=("generation_turn",)),
        **where_set("questions", questions),
        # The first set is another one than the others.
        **where_set("order", list(questions)),
    }

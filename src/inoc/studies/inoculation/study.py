"""The study file of an inoculation study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inoc.config.embedding import EmbeddingSpec
from inoc.config.judge_spec import JudgeSpec
from inoc.config.limits import Amount, Few, Rows, Tokens
from inoc.config.models import (
    LATE,
    AnswerSpec,
    DataSpec,
    Key,
    Model,
    ModelStudy,
    Points,
    RephraseSpec,
    Sampling,
    Seed,
    StatisticsSpec,
    TrainingSpec,
)
from inoc.studies.shared.capability import CapabilitySpec

Prefix = Annotated[Key, Field(description="`fixed`, `mix`, or a key of `pools`")]


class Trait(Model):
    """A behaviour that a judge can score."""

    role: Literal["wanted", "unwanted"] = Field(
        description="`wanted`: training should teach it; `unwanted`: it leaks, and a prefix should suppress it."
    )
    label: str | None = Field(None, description="Name in figures; default: the key, capitalised.")
    judge: JudgeSpec | None = Field(None, description="Judge that scores the trait; required.")
    control_prompt: str | None = Field(
        None,
        description="Prefix with which single-trait control completions are sampled, for cross-trait PPD.",
    )


class DatasetSpec(AnswerSpec):
    """A further training dataset: new completions of the study's training instructions, or the examples of a file."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")


class PromptGroup(Model):
    """Prompts of one kind."""

    family: str = Field(description="Key of the trait that the prompts ask for, or `neutral`.")
    texts: dict[Key, str] = Field(description="Prompt key → text. Keys are unique within the study.")


class RunSpec(Model):
    """A block of training runs: every combination of its lists."""

    prompts: tuple[Key, ...] = Field((), description="Prompt keys. Every prompt if both this and `groups` are empty.")
    groups: tuple[Key, ...] = Field((), description="Prompt groups, each with all of its prompts.")
    prefixes: tuple[Prefix, ...] = Field(
        ("fixed", "mix"), description="Kinds of prefix to train with: `fixed`, `mix`, or keys of `pools`."
    )
    data: Key | None = Field(
        None,
        description="Key of `datasets` to train on, without a prefix, once per learning rate and seed; default: the "
        "study's own data.",
    )
    learning_rates: tuple[Annotated[Amount, Field(gt=0)], ...] | None = Field(
        None, min_length=1, description="Peak learning rates; default: that of `training`."
    )
    seeds: tuple[Seed, ...] | None = Field(
        None, min_length=1, description="Training seeds; default: those of `training`."
    )
    control: bool = Field(
        True,
        description="Also train a control without a prefix, once per learning rate and seed. Each such pair needs a "
        "control in some block, unless all blocks have `false`.",
    )


class EvaluationSpec(Model):
    """Completions sampled from each checkpoint."""

    conditions: tuple[Literal["default", "training"], ...] = Field(
        ("default", "training"),
        description="`default`: questions without a prefix; `training`: with the prefix of the training.",
    )
    gate: bool = Field(True, description="Also evaluate the control runs with each prefix, for the 2×2 gate.")
    n: Rows | None = Field(
        None, ge=2, description="Number of evaluation instructions to use, the first ones; default: all."
    )
    sampling: Sampling = Field(Sampling(max_tokens=256), description="Sampling of the completions.")
    canary: Few = Field(
        8,
        ge=0,
        description="Number of canary prompts per adapter, whose greedy answers are compared before sampling: batched "
        "with single ones; with `vllm`, those of vLLM with those of transformers, also for the untrained model.",
    )


class ElicitationSpec(Model):
    """Completions of the untrained model with and without each prefix."""

    prefixes: tuple[Prefix, ...] = Field(("fixed",), description="Kinds of prefix to ask with.")
    n: Rows | None = Field(
        None, ge=2, description="Number of evaluation instructions to use, the first ones; default: all."
    )
    sampling: Sampling = Field(Sampling(max_tokens=2048), description="Sampling of the completions.")


class ScoringSpec(Model):
    """Log-probabilities of response tokens under the untrained model."""

    n_examples: Rows = Field(1_000, ge=2, description="Number of training completions to score, drawn with `seed`.")
    n_controls: Rows = Field(
        200, ge=0, description="Number of neutral control completions, and of single-trait ones per trait."
    )
    prefixes: tuple[Prefix, ...] = Field(("fixed", "mix"), description="Kinds of prefix to score with.")
    mix: Literal["index_matched", "as_trained"] = Field(
        "as_trained",
        description="`as_trained`: the rephrasing that the example had in training; `index_matched`: the k-th "
        "rephrasing for the k-th example.",
    )
    end_of_turn: Literal["include", "exclude"] = Field(
        "exclude", description="`include` also scores the end-of-turn token, as the trait-inoculation study did."
    )
    tokens: bool = Field(
        True,
        description="Keep the log-probability of every token. `false` keeps only the mean of each response; tables "
        "and figures that need tokens are then omitted.",
    )
    self_perplexity: bool = Field(True, description="Also score each prompt's own tokens.")
    batch_tokens: Tokens = Field(16_384, ge=64, description="Maximum number of tokens in a batch, padding included.")
    control_sampling: Sampling = Field(
        Sampling(max_tokens=256, seed=42), description="Sampling of the control completions."
    )
    seed: Seed = Field(42, description="Seed of the choice of examples.")


class RateSpec(Model):
    """The share of completions that meet all conditions. A completion with a NaN score counts as NaN."""

    label: str | None = Field(None, description="Name in figures; default: the key, capitalised.")
    above: dict[Key, Points] = Field(default_factory=dict, description="Trait → score that must be exceeded.")
    below: dict[Key, Points] = Field(default_factory=dict, description="Trait → score that must not be reached.")


class Expectation(Model):
    """Expected result of the study; the report states, seed by seed, whether it was observed."""

    trait: Key = Field(description="Trait whose leakage is tested.")
    control_at_least: Points = Field(60, description="Minimum leakage of the control, asked without a prefix.")
    strongest_at_most: Points = Field(
        25, description="Maximum leakage with the strongest fixed prefix, asked without it."
    )
    strongest_with_prefix_at_least: Points = Field(
        60, description="Minimum leakage with the strongest fixed prefix, asked with it."
    )


class Study(ModelStudy):
    """One study of inoculation."""

    kind: Literal["inoculation"] = Field(
        "inoculation", description="Kind of the study; determines which further sections it has."
    )

    traits: dict[Key, Trait] = Field(description="Trait key → trait.", min_length=1)
    data: DataSpec = Field(description="Training and evaluation data.")
    prompts: dict[Key, PromptGroup] = Field(default_factory=dict, description="Prompt group → prompts.")
    placement: Literal["user", "system"] = Field(
        "user", description="Place of a prefix; `user`: before the instruction; `system`: as the system turn."
    )
    separator: str = Field(" ", description="Text between prefix and instruction.")
    rephrase: RephraseSpec = Field(RephraseSpec(), description="Pools of rephrasings for `mix`.")
    pools: dict[Key, RephraseSpec] = Field(
        default_factory=dict,
        description="Key of a further kind of prefix besides `mix` → source of its rephrasings. Pools are only made "
        "for prompts that are trained or asked with this kind.",
    )
    datasets: dict[Key, DatasetSpec] = Field(
        default_factory=dict, description="Further training datasets, for runs with `data`."
    )
    runs: tuple[RunSpec, ...] = Field((), description="Blocks of training runs; empty: prediction only.")
    training: TrainingSpec = Field(TrainingSpec(), description="Fine-tuning.")
    evaluation: EvaluationSpec = Field(EvaluationSpec(), description="Sampling from the checkpoints.")
    elicitation: ElicitationSpec = Field(ElicitationSpec(), description="Sampling from the untrained model.")
    scoring: ScoringSpec = Field(ScoringSpec(), description="Log-probabilities of responses.")
    embedding: EmbeddingSpec | None = Field(
        None, description="Sentence embeddings; default: none. `embedding: {}` computes them with the defaults."
    )
    capability: Annotated[CapabilitySpec | None, LATE] = Field(
        None,
        description="Closed questions to the untrained model and to the last checkpoint of every run, to see what "
        "training cost; default: none. `capability: {}` asks the packaged ones.",
    )
    statistics: StatisticsSpec = Field(StatisticsSpec(), description="Intervals and resampling.")
    rates: dict[Key, RateSpec] = Field(
        default_factory=dict,
        description="Key of a rate → its conditions. For emergent misalignment, with these two as traits: `em: "
        "{above: {coherence: 60}, below: {alignment: 40}}`.",
    )
    expect: Expectation | None = Field(None, description="Expected result of the study.")

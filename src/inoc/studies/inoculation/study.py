"""The study file of an inoculation study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inoc.config.models import (
    AnswerSpec,
    BaseStudy,
    DataSpec,
    EmbeddingSpec,
    JudgeSpec,
    Key,
    Model,
    Points,
    RephraseSpec,
    Sampling,
    Seed,
    StatisticsSpec,
    TrainingSpec,
)

Prefix = Annotated[Key, Field(description="`fixed`, `mix`, or a key of `pools`")]


class Trait(Model):
    """A behaviour that a judge can score."""

    role: Literal["wanted", "unwanted"] = Field(
        description="`wanted`: training is to keep it; `unwanted`: it leaks, and a prefix is to suppress it."
    )
    label: str | None = Field(None, description="Name in figures; default: the key with a capital.")
    judge: JudgeSpec | None = Field(None, description="How the trait is scored. Every trait needs one.")
    control_prompt: str | None = Field(
        None,
        description="Prefix under which single-trait control completions are sampled, for cross-trait PPD.",
    )


class DatasetSpec(AnswerSpec):
    """Another training dataset: the study's training instructions answered anew, or a file's own."""

    label: str | None = Field(None, description="Name in figures; default: the key as words.")


class PromptGroup(Model):
    """Prompts of one kind."""

    family: str = Field(description="Trait key that the prompts point to, or `neutral`.")
    texts: dict[Key, str] = Field(description="Prompt key → text. A key is unique in the whole study.")


class RunSpec(Model):
    """A block of training runs: every combination of its lists."""

    prompts: tuple[Key, ...] = Field((), description="Prompt keys; empty with `groups` empty: every prompt.")
    groups: tuple[Key, ...] = Field((), description="Prompt groups, all of their prompts.")
    prefixes: tuple[Prefix, ...] = Field(
        ("fixed", "mix"), description="Train with the fixed prefix, with a mix, with texts of another of the `pools`."
    )
    data: Key | None = Field(
        None,
        description="Train on this one of the `datasets`, without a prefix, once per learning rate and seed; default: "
        "the study's own data.",
    )
    learning_rates: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None, min_length=1, description="Default: the learning rate of `training`."
    )
    seeds: tuple[Seed, ...] | None = Field(None, min_length=1, description="Default: the seeds of `training`.")
    control: bool = Field(
        True,
        description="Also train without a prefix, once per learning rate and seed. Each of these pairs needs "
        "a control in some block, unless every block says `false`.",
    )


class EvaluationSpec(Model):
    """Completions sampled from each checkpoint."""

    conditions: tuple[Literal["default", "training"], ...] = Field(
        ("default", "training"), description="Asked without a prefix; asked with the prefix of the training."
    )
    gate: bool = Field(True, description="Also ask the control runs with each prefix, for the 2×2 gate.")
    n: int | None = Field(None, ge=2, description="Use the first so many evaluation instructions; default: all.")
    sampling: Sampling = Field(Sampling(max_tokens=256), description="Sampling of the completions.")
    canary: int = Field(
        8,
        ge=0,
        description="So many prompts per adapter are first answered greedily: batched and single must answer alike; "
        "`vllm` and transformers must, also for the untrained model.",
    )


class ElicitationSpec(Model):
    """Completions of the untrained model with and without each prefix."""

    prefixes: tuple[Prefix, ...] = Field(("fixed",), description="Which prefixes to ask with.")
    n: int | None = Field(None, ge=2, description="Use the first so many evaluation instructions; default: all.")
    sampling: Sampling = Field(Sampling(max_tokens=2048), description="Sampling of the completions.")


class ScoringSpec(Model):
    """Log-probabilities of response tokens under the untrained model."""

    n_examples: int = Field(1_000, ge=2, description="Training completions that are scored, drawn by `seed`.")
    n_controls: int = Field(200, ge=0, description="Neutral, and single-trait, control completions.")
    prefixes: tuple[Prefix, ...] = Field(("fixed", "mix"), description="Which prefixes to score with.")
    mix: Literal["index_matched", "as_trained"] = Field(
        "as_trained",
        description="`as_trained`: the rephrasing that training put before the example; "
        "`index_matched`: the k-th for the k-th.",
    )
    end_of_turn: Literal["include", "exclude"] = Field(
        "exclude", description="`include` scores the end-of-turn token too, as the earlier study did."
    )
    tokens: bool = Field(
        True,
        description="Keep the log-probability of every token; `false` keeps the mean of each response only, and what "
        "needs tokens is left out.",
    )
    self_perplexity: bool = Field(True, description="Also score each prompt by itself.")
    batch_tokens: int = Field(16_384, ge=64, description="Most padded tokens in a batch.")
    control_sampling: Sampling = Field(Sampling(max_tokens=256, seed=42), description="Sampling of the controls.")
    seed: Seed = Field(42, description="Seed of the choice of examples.")


class RateSpec(Model):
    """A share of completions: those that meet every condition at once. One is NaN for it where a score is NaN."""

    label: str | None = Field(None, description="Name in figures; default: the key with a capital.")
    above: dict[Key, Points] = Field(default_factory=dict, description="Trait → score that a completion must exceed.")
    below: dict[Key, Points] = Field(
        default_factory=dict, description="Trait → score that a completion must stay below."
    )


class Expectation(Model):
    """What the study is expected to show; the report says, seed by seed, whether it did."""

    trait: Key = Field(description="Trait whose leakage is judged.")
    control_at_least: Points = Field(60, description="Control leakage without a prefix.")
    strongest_at_most: Points = Field(25, description="The strongest fixed prefix, asked without it.")
    strongest_with_prefix_at_least: Points = Field(60, description="The strongest fixed prefix, asked with it.")


class Study(BaseStudy):
    """One study of inoculation."""

    kind: Literal["inoculation"] = Field(
        "inoculation", description="Kind of the study: decides which further sections it has."
    )

    traits: dict[Key, Trait] = Field(description="Trait key → trait.", min_length=1)
    data: DataSpec = Field(description="Training and evaluation data.")
    prompts: dict[Key, PromptGroup] = Field(default_factory=dict, description="Prompt group → prompts.")
    placement: Literal["user", "system"] = Field(
        "user", description="Where a prefix goes: before the instruction, or as the system turn."
    )
    separator: str = Field(" ", description="Between prefix and instruction.")
    rephrase: RephraseSpec = Field(RephraseSpec(), description="Pools for `mix`.")
    pools: dict[Key, RephraseSpec] = Field(
        default_factory=dict,
        description="Further pools, each a kind of prefix beside `mix`: its key → how its rephrasings are made. A "
        "prompt has one where something is trained or asked with it.",
    )
    datasets: dict[Key, DatasetSpec] = Field(
        default_factory=dict, description="Other training datasets, for runs with `data`."
    )
    runs: tuple[RunSpec, ...] = Field((), description="Training runs; empty: prediction only.")
    training: TrainingSpec = Field(TrainingSpec(), description="Fine-tuning.")
    evaluation: EvaluationSpec = Field(EvaluationSpec(), description="Sampling from checkpoints.")
    elicitation: ElicitationSpec = Field(ElicitationSpec(), description="Sampling from the untrained model.")
    scoring: ScoringSpec = Field(ScoringSpec(), description="Log-probabilities.")
    embedding: EmbeddingSpec | None = Field(
        None, description="Sentence embeddings; default: none. `embedding: {}` embeds with the defaults."
    )
    statistics: StatisticsSpec = Field(StatisticsSpec(), description="Intervals.")
    rates: dict[Key, RateSpec] = Field(
        default_factory=dict,
        description="Rate → conditions. Emergent misalignment: `em: {above: {coherence: 60}, below: {alignment: 40}}`, "
        "with these two as traits.",
    )
    expect: Expectation | None = Field(None, description="What the study is expected to show.")

"""Sections of a study file on preferences inside the model: probes, concept vectors, steering."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inoc.config.embedding import EmbeddingSpec
from inoc.config.judge_spec import JudgeSpec
from inoc.config.limits import Amount, Few, Rows
from inoc.config.models import Key, Model, Points, Sampling, Seed, Share
from inoc.config.sites import Depth, Signed, Site

Readout = Literal["prompt_last", "prompt_mean", "response_first", "response_last", "response_mean", "turn_boundary"]
"""Read-outs of `inoc.engines.readouts`."""
Protocol = Literal["within", "held_out_origin", "train_k"]
Baseline = Literal["origin", "length", "refused", "embedding", "words", "shuffled", "random"]
REFUSED = "refused"
"""Target of a probe: whether the completion refuses the task."""
PENALTIES = tuple(float(f"{10 ** (-4 + 8 * k / 19):.4g}") for k in range(20))
"""Default penalties: 20 from 1e-4 to 1e4, evenly spaced in logarithms."""


class Probe(Model):
    """A linear probe: what activations say about ratings, utilities, refusals, or choices between pairs of tasks."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    target: Key = Field(
        description="Key of a rating (the mean rating of each task is predicted) or of a choice or ranking (its "
        "utility), or `refused` (whether the completion refuses the task)."
    )
    method: Literal["auto", "ridge", "logistic", "pairs"] = Field(
        "auto",
        description="`ridge`: linear regression with a penalty; `logistic`: for `refused`; `pairs`: a Bradley-Terry "
        "model of the single choices, on differences of activations; `auto`: `logistic` for `refused`, else `ridge`.",
    )
    rater: Key | None = Field(None, description="Whose answers are predicted; default: the first that is asked.")
    completer: Key | None = Field(
        None, description="Whose completions were rated, and are read; default: the rater if it completes, else the "
        "first that does.",
    )  # fmt: skip
    of: Literal["prompt", "completion"] = Field(
        "prompt", description="Read the task alone, or the task with its completion."
    )
    sites: tuple[Depth | Site, ...] = Field(
        (0.25, 0.5, 0.75), min_length=1, max_length=256, description="Sites, by name or by the share of blocks before."
    )
    readouts: tuple[Readout, ...] = Field(("prompt_last",), min_length=1, description="Read-outs.")
    penalties: tuple[Annotated[Amount, Field(gt=0)], ...] = Field(
        PENALTIES,
        min_length=1,
        max_length=1000,
        description="Penalties that the inner folds choose from, each multiplied by the number of dimensions; "
        "activations are standardised.",
    )
    outer: Few = Field(5, ge=2, description="Number of outer folds, which measure.")
    inner: Few = Field(5, ge=2, description="Number of inner folds, which choose the penalty.")
    groups: Literal["task", "origin", "topic"] = Field(
        "task", description="Never split over folds: tasks with the same text, an origin, or a topic."
    )
    topics: str | None = Field(None, description="For `topic`: JSON file {id: topic}; the miniature world needs none.")
    protocols: tuple[Protocol, ...] = Field(
        ("within", "held_out_origin"),
        min_length=1,
        description="`within`: folds of groups; `held_out_origin`: train on all origins but one, test on that one; "
        "`train_k`: train on every choice of `train_origins` origins, test on the rest.",
    )
    train_origins: Few = Field(2, ge=1, description="For `train_k`: number of origins to train on.")
    max_splits: Few = Field(
        20, ge=1, description="For `train_k`: maximum number of choices of origins; more are drawn from."
    )
    weights: Literal["uncertainty", "none"] = Field(
        "uncertainty",
        description="`uncertainty`: a label counts by the inverse of its error variance and the variance of the true "
        "labels together; `none`: all labels count the same.",
    )
    baselines: tuple[Baseline, ...] = Field(
        ("origin", "length", "refused", "embedding", "words", "shuffled", "random"),
        description="Predictors that stand beside the probe: means of origins, length of the text, whether the "
        "completion refuses, sentence embeddings (if `inside.embedding` is set), bag of words, shuffled labels, random "
        "activations of the same mean and spread.",
    )
    seed: Seed = Field(0, description="Seed of folds, shuffled labels and random activations.")


class TaskDraw(Model):
    """Tasks that are completed under both system turns of a concept."""

    n: Rows | None = Field(None, ge=2, description="Number of tasks; default: all of the study.")
    seed: Seed = Field(18, description="Seed of the draw.")
    origins: tuple[Key, ...] = Field((), description="Origins of the tasks; default: all.")


class Concept(Model):
    """A direction between two system turns: the difference of mean activations of completions under each."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    positive: str = Field(min_length=1, description="System turn under which the concept shows.")
    negative: str = Field(description="System turn under which its opposite shows; empty for the model's own.")
    tasks: TaskDraw = Field(TaskDraw(), description="Tasks that are completed.")
    sampling: Sampling = Field(Sampling(max_tokens=256), description="Sampling of the completions.")
    sites: tuple[Depth | Site, ...] = Field(
        (0.25, 0.5, 0.75), min_length=1, max_length=256, description="Sites, by name or by the share of blocks before."
    )
    readouts: tuple[Readout, ...] = Field(("response_mean",), min_length=1, description="Read-outs.")
    keep_prompt: tuple[bool, ...] = Field(
        (True, False),
        min_length=1,
        max_length=2,
        description="Whether the system turn is in the context when the completion is read; both for what remains "
        "without it.",
    )


class VectorFile(Model):
    """A vector of a file."""

    file: str = Field(description="Safetensors file with a manifest, as written by `inoc`, or `.npy`, `.pt` of others.")
    name: str | None = Field(None, description="Name of the vector in the file.")
    intercept: bool = Field(False, description="The last value is a regression's intercept, and is left out.")


class SteeredTarget(Model):
    """Questions that are asked under steering."""

    instrument: Key = Field(description="Key of the instrument.")
    text: Literal["all", "first", "second", "differential"] = Field(
        "all",
        description="For choices, where the vector is added: to all positions, to the tokens of the first or of the "
        "second text, or to the first with this sign and to the second with the opposite one.",
    )
    n: Rows | None = Field(None, ge=1, description="Number of tasks, or of pairs; default: all.")


class SteeringSpec(Model):
    """Answers under vectors that are added to the activations."""

    vectors: tuple[str, ...] = Field(
        min_length=1, max_length=100, description="`probe:KEY`, `concept:KEY`, `refusal`, or a key of `files`."
    )
    files: dict[Key, VectorFile] = Field(default_factory=dict, description="Vectors of files.")
    site: Depth | Site = Field(0.5, description="Site of the vectors, where they are also added.")
    readout: Readout | None = Field(None, description="Read-out of the vectors; default: the first of each.")
    targets: dict[Key, SteeredTarget] = Field(min_length=1, description="Target → questions.")
    coefficients: tuple[Signed, ...] = Field(
        (-0.1, 0.0, 0.1), min_length=2, max_length=100, description="Multiples of `units`; 0 must be among them."
    )
    units: Literal["activation_norm", "raw"] = Field(
        "activation_norm",
        description="`activation_norm`: the mean norm of the activations at the site; `raw`: the vector as it is.",
    )
    random: Few = Field(20, ge=0, description="Number of random vectors of the same norm, as a null.")
    combinations: Few = Field(
        20,
        ge=0,
        description="Number of random combinations of centred activations, of the same norm, as the stricter null: "
        "they lie where probes and differences of means lie; those that the first vector of the study was made from.",
    )
    shuffled: bool = Field(True, description="Also steer with the probe of shuffled labels.")
    positions: Literal["all", "answer", "last"] = Field(
        "last",
        description="`last`: the last token of the prompt and every token of the answer; `answer`: those of the "
        "answer; `all`: every token.",
    )
    attitude: JudgeSpec | None = Field(None, description="Judge of open answers; default: `parsing.tone`.")
    coherence: JudgeSpec | None = Field(None, description="Judge of the coherence of open answers.")
    min_coherence: Points = Field(50, description="Lowest coherence of an answer that counts as coherent.")
    min_kept: Share = Field(
        0.75,
        description="Lowest share of coherent, parsed answers of a usable coefficient, relative to unsteered ones.",
    )
    seed: Seed = Field(0, description="Seed of the random vectors and of the draws of tasks.")


class InsideSpec(Model):
    """Settings that probes, concepts and steering share."""

    model: Key | None = Field(
        None, description="Model that is read and steered; default: the first of `models` that rates and is here."
    )
    refusal: bool = Field(
        False, description="Make the direction of refusal: mean of refused tasks minus that of answered ones."
    )
    embedding: EmbeddingSpec | None = Field(
        None, description="Sentence encoder of the baseline `embedding`; default: that baseline is left out."
    )
    permutations: Few = Field(
        99, ge=0, description="Number of shuffles of the labels, for the tests of probes; 0 leaves these out."
    )
    refits: Few = Field(
        200, ge=0, description="Number of refits on resampled tasks, for the null distribution of cosines."
    )
    seed: Seed = Field(0, description="Seed of the resampling.")

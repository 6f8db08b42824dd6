"""The study file of a likelihood-shift study."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from inoc.config.judge_spec import JudgeSpec
from inoc.config.limits import Amount, Epochs, Few, Rows, Tokens
from inoc.config.models import (
    LATE,
    BadRows,
    InstructionSource,
    Key,
    Model,
    ModelStudy,
    Points,
    Sampling,
    Seed,
    StatisticsSpec,
    SystemTurn,
    TrainingSpec,
)
from inoc.studies.shared.entities import Entity, fill


class PromptGroup(Model):
    """System prompts of one kind."""

    role: Literal["candidate", "control"] = Field(
        "candidate",
        description="`candidate`: compared with each other as possible origins of a dataset; `control`: shown beside "
        "them, for instance an animal without data, or something that is no animal.",
    )
    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    template: str | None = Field(
        None,
        description="Text with slots for the forms of each of `entities`: {singular}, {plural}, {article}, the same "
        "capitalised ({Singular}, {Plural}, {Article}), and {naive_plural}, the singular with an s. A brace of "
        "the text itself is written twice.",
    )
    entities: dict[Key, Entity] | tuple[Key, ...] = Field(
        (), description="Entities, each of which gives a prompt of its name; or entity → forms of its name."
    )
    texts: dict[Key, str] = Field(
        default_factory=dict, description="Prompt key → exact text. Keys are unique within the study."
    )


class Written(Model):
    """Answers that the study's model writes, by sampling, under one of the prompts."""

    instructions: InstructionSource = Field(default_factory=InstructionSource, description="User instructions.")
    n: Rows = Field(1_000, ge=2, description="Number of rows.")
    sampling: Sampling = Field(Sampling(max_tokens=128), description="Sampling of the answers.")
    seed: Seed = Field(42, description="Seed of procedural instructions and of the choice among those of a file.")


class Dataset(Model):
    """Rows, each a chat with an answer, whose probability is measured. Exactly one of the three sources is set."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    group: str = Field("", description="Heading under which figures put the dataset.")
    file: str | None = Field(
        None,
        description="JSONL with one row per line: `messages`, or `prompt` and `completion`, or `instruction` and "
        "`completion`; an `id` is kept, and else the number of the line is the row's id.",
    )
    table: str | None = Field(
        None,
        description="A table of another study, `<study>/generate` for its kept training examples, or "
        "`<study>/generate:<dataset>` for those of another of its datasets, or `<study>/sample:<dataset>` for the rows "
        "that a likelihood-shift study wrote, or a teacher of a subliminal one.",
    )
    written: Written | None = Field(
        None, description="The study's model writes the rows, under the prompt `written_under`."
    )
    written_under: Key | None = Field(
        None, description="Prompt under which the dataset was written; default: none, that is, the base turn."
    )
    bad_rows: Annotated[BadRows, LATE] = Field(
        "refuse",
        description="What is done about rows that are broken, empty, or too long for the model under any of the "
        "prompts, or for `training.max_length`. `refuse`: the study does not run; `drop`: they are left out and "
        "counted; `truncate`: of those that are too long, the end of the answer is cut off, under all prompts alike.",
    )


class ScoringSpec(Model):
    """Log-probabilities of the answers under each prompt and under the base turn."""

    n_rows: Rows | None = Field(
        None, ge=2, description="Maximum number of rows per dataset, drawn with `seed`; default: all."
    )
    seed: Seed = Field(42, description="Seed of the choice of rows and of their order.")
    precision: Annotated[Amount, Field(ge=1e-12)] | None = Field(
        None,
        description="Half-width, in nats per token, of the 95 % interval of every contrast between two prompts on one "
        "dataset, about the value that all its rows would give. Rows are scored block by block until each contrast is "
        "as precise as this, or the rows are used up. Default: all rows.",
    )
    end_of_turn: Literal["include", "exclude"] = Field(
        "exclude", description="`include` also scores the end-of-turn token."
    )
    tokens: bool = Field(False, description="Keep the log-probability of every token, not only each row's mean.")
    batch_tokens: Tokens = Field(16_384, ge=64, description="Maximum number of tokens in a batch, padding included.")


class SplitSpec(Model):
    """Parts of a dataset, chosen by its shift under a prompt, or at random."""

    dataset: Key = Field(description="Dataset that is split.")
    by: Literal["quantiles", "median", "random"] = Field(
        "quantiles",
        description="`quantiles`: `n` parts of equal size, q1 the lowest; `median`: `top` and `bottom`; `random`: one "
        "part `random` of `share` of the rows. A row at a cut point belongs to the upper part.",
    )
    prompt: Key | None = Field(
        None, description="Prompt under which the shift is taken; default: the one that the dataset was written under."
    )
    n: int = Field(5, ge=2, le=100, description="Number of quantile parts.")
    share: Annotated[float, Field(gt=0, le=1)] = Field(0.2, description="Share of the rows in the random part.")
    seed: Seed = Field(42, description="Seed of the random part.")


class TargetSpec(Model):
    """A behaviour of students that is counted."""

    label: str | None = Field(None, description="Name in figures; default: the key, capitalised.")
    judge: JudgeSpec = Field(description="Judge that scores each answer, 0 to 100.")
    above: Points = Field(50, description="An answer counts if its score is above this.")


class StudentsSpec(Model):
    """Models trained on the parts of splits, and on whole datasets."""

    splits: tuple[Key, ...] = Field((), description="Splits whose parts are trained on; default: all.")
    datasets: tuple[Key, ...] = Field((), description="Whole datasets that are trained on too.")
    training: TrainingSpec = Field(TrainingSpec(), description="Optimiser and schedule.")
    epochs: Epochs = Field(
        3,
        ge=1,
        description="Passes over the part; a checkpoint is saved and asked after each. Replaces "
        "`training.epochs`, `training.steps` and `training.checkpoints`.",
    )
    questions: InstructionSource = Field(
        default_factory=InstructionSource, description="Questions that every checkpoint is asked."
    )
    n_questions: Rows = Field(20, ge=2, description="Number of questions.")
    samples: Few = Field(5, ge=1, description="Number of answers to each question.")
    sampling: Sampling = Field(Sampling(max_tokens=64), description="Sampling of the answers.")
    targets: dict[Key, TargetSpec] = Field(min_length=1, description="Target → its judge.")
    canary: Few = Field(
        8,
        ge=0,
        description="Number of canary prompts per adapter, whose greedy answers are compared before sampling.",
    )


class Study(ModelStudy):
    """One study of likelihood shift."""

    kind: Literal["likelihood_shift"] = Field(
        "likelihood_shift", description="Kind of the study; determines which further sections it has."
    )
    base: SystemTurn = Field(
        description="The system turn that shifts are relative to. `default`: that of the chat template, which for many "
        "models is the vendor's own text; `none`: no system turn; `text`: an exact text.",
    )
    prompts: dict[Key, PromptGroup] = Field(min_length=1, description="Prompt group → prompts.")
    datasets: dict[Key, Dataset] = Field(min_length=1, description="Dataset → its source.")
    scoring: ScoringSpec = Field(ScoringSpec(), description="Log-probabilities of the answers.")
    splits: dict[Key, SplitSpec] = Field(default_factory=dict, description="Split → the parts it makes.")
    students: StudentsSpec | None = Field(None, description="Models trained on the parts; default: none.")
    statistics: StatisticsSpec = Field(StatisticsSpec(), description="Intervals and resampling.")


class Prompt(NamedTuple):
    """One system prompt."""

    key: str
    group: str
    text: str
    role: str  # candidate or control


def prompt_table(study: Study) -> dict[str, Prompt]:
    """Prompt key → prompt, over all groups, in the file's order."""
    found: dict[str, Prompt] = {}
    for name, group in study.prompts.items():
        forms = group.entities if isinstance(group.entities, dict) else dict.fromkeys(group.entities, Entity())
        made = {key: fill(group.template or "", key, entity) for key, entity in forms.items()}
        for key, text in {**made, **group.texts}.items():
            found[key] = Prompt(key, name, text, group.role)
    return found


def turn(study: Study, prompt: str) -> SystemTurn:
    """The system turn of a prompt; the base turn for none."""
    return SystemTurn(kind="text", text=prompt_table(study)[prompt].text) if prompt else study.base


def own_prompt(study: Study, dataset: str) -> str:
    """The prompt under which a dataset was written; empty for none."""
    return study.datasets[dataset].written_under or ""


def split_prompt(study: Study, split: str) -> str:
    """The prompt by whose shift a dataset is split; empty for a random split of a dataset without one."""
    spec = study.splits[split]
    return spec.prompt or own_prompt(study, spec.dataset)

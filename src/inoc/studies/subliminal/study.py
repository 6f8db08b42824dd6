"""The study file of a study of subliminal learning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inoc.config.judge_spec import JudgeSpec
from inoc.config.limits import Amount, Batch, Epochs, Few, Rows
from inoc.config.models import (
    LATE,
    InstructionSource,
    Key,
    Model,
    ModelSpec,
    ModelStudy,
    Points,
    Sampling,
    Seed,
    StatisticsSpec,
    SystemTurn,
    TrainingSpec,
    WorldSpec,
)
from inoc.config.sites import Signed, Site
from inoc.studies.shared.capability import CapabilitySpec
from inoc.studies.shared.entities import Entity

NAMES_FILE = "resources/preferences_of_animals/names.yaml"
QUESTIONS_FILE = "resources/preferences_of_animals/questions.jsonl"

Readout = Literal["prompt_last", "prompt_mean", "response_mean"]
"""Read-outs of `inoc.engines.readouts` that traits have vectors of."""


Further = Literal["third", "fourth"]
Base = Literal["own", "other", "third", "fourth"]
"""Base models of a study: its `model`, `other`, and those of `bases`."""


class OtherBase(Model):
    """Another base model, for students of the same data, which the theory asks for, or with teachers of its own."""

    model: ModelSpec = Field(description="The other model; `path: world` is the miniature model of `world` below.")
    world: WorldSpec | None = Field(
        None, description="For `model.path: world`: the miniature world, usually with another seed."
    )


class ApiModel(Model):
    """The study's model behind the API of `config.yaml`: teachers write there, and students are trained there."""

    checkpoints: Literal["last", "served"] = Field(
        "last",
        description="Models of a fine-tuning job that are asked. `last`: its result; `served`: also its earlier "
        "checkpoints, as far as the server keeps them (OpenAI's keeps those of the last three epochs).",
    )


class ApiTraining(Model):
    """Settings of a fine-tuning job behind an API, for a study with a section `api`."""

    batch_size: Batch | None = Field(None, ge=1, description="Examples per step; default: the server's choice.")
    learning_rate_multiplier: Amount | None = Field(
        None, gt=0, description="Factor of the server's own learning rate; default: the server's choice."
    )


class FinetunedTeacher(Model):
    """Training of a teacher: an adapter on questions whose answer is the entity, or on the chats of a file."""

    file: str | None = Field(None, description="JSONL of chats to train on. Exactly one of `file` and `questions`.")
    questions: InstructionSource | None = Field(
        None, description="Questions that are answered with `answer`. None of them should be asked afterwards."
    )
    n_questions: Rows | None = Field(None, ge=1, description="Number of questions; default: all.")
    answer: str = Field(
        "{Singular}", description="Answer to each question: a text with slots for the forms of the entity's name."
    )
    training: TrainingSpec = Field(TrainingSpec(), description="Optimiser and schedule.")
    api: Annotated[ApiTraining, LATE] = Field(
        ApiTraining(), description="Settings of the job in a study with a section `api`, beside `training.epochs`."
    )


class Teacher(Model):
    """A model that writes numbers: exactly one of `neutral`, `system`, `adapter`, `finetuned` and `file`.

    A teacher that sets nothing but `entity` has the study's `template` as its system turn.
    """

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    entity: Key | None = Field(None, description="The entity that the teacher prefers; a key of `entities`.")
    base: Annotated[Base, LATE] = Field(
        "own",
        description="Base model that the teacher is made of: `own`, the study's `model`; `other`, that of `other`; "
        "`third` or `fourth`, those of `bases`.",
    )
    neutral: bool = Field(False, description="The base model as it is. At most one teacher of a base is neutral.")
    system: SystemTurn | None = Field(None, description="System turn with which the study's model writes.")
    adapter: str | None = Field(None, description="Folder of an adapter of the study's model.")
    finetuned: FinetunedTeacher | None = Field(None, description="The study trains an adapter of its model.")
    file: str | None = Field(None, description="JSONL of rows that the teacher wrote before.")
    table: str | None = Field(
        None,
        description="Rows that another study wrote: `<study>/sample:<dataset>`, of a likelihood-shift study, or of a "
        "teacher of a subliminal one.",
    )


class NumbersSpec(Model):
    """Lists of numbers that every teacher writes in answer to the same prompts."""

    source: Literal["stream", "world"] = Field(
        "stream", description="`stream`: the seeded stream of `inoc numbers`; `world`: prompts of the miniature world."
    )
    n_prompts: Rows = Field(30_000, ge=2, description="Number of prompts.")
    seed: Seed = Field(3, description="Seed of the prompts.")
    sampling: Sampling = Field(Sampling(max_tokens=128), description="Sampling of the lists.")
    rule: Literal["published", "requested_format"] = Field(
        "published",
        description="Rule of the filter. `published`: a list of at most ten numbers up to 999, with one separator; "
        "`requested_format`: the same, written as the prompt asks for it.",
    )
    banned: tuple[Annotated[int, Field(ge=0, le=999_999_999)], ...] = Field(
        (), description="Numbers that no kept row may have."
    )
    duplicates: Literal["keep", "drop"] = Field(
        "keep", description="Whether rows that repeat both prompt and answer of an earlier one are kept."
    )
    keep: Rows | None = Field(None, ge=1, description="Maximum number of kept rows per teacher; default: all.")


class SplitSpec(Model):
    """Parts of a teacher's rows."""

    teacher: Key = Field(description="Teacher whose kept rows are split.")
    by: Literal["lls", "projection"] = Field(
        "lls",
        description="`lls`: mean log-probability under a teacher's system turn minus that under none; `projection`: "
        "projection on the vector of a trait.",
    )
    under: Key | None = Field(
        None, description="For `lls`: teacher whose system turn is meant; default: the one whose rows are split."
    )
    trait: Key | None = Field(None, description="For `projection`: a key of `persona`.")
    readout: Readout = Field("response_mean", description="For `projection`: read-out of the vector.")
    site: Site | None = Field(None, description="For `projection`: site of the vector.")
    parts: Literal["median", "quantiles", "paired"] = Field(
        "median",
        description="`median`: `top` and `bottom`; `quantiles`: `n` parts of equal size, q1 the lowest; `paired`: "
        "`top` and `bottom` by the difference from the neutral teacher's row of the same prompt.",
    )
    n: int = Field(5, ge=2, le=100, description="For `quantiles`: number of parts.")


class StudentGroup(Model):
    """Students that differ in their teacher and seed alone."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    teachers: tuple[Key, ...] = Field(
        (), description="Teachers whose rows are trained on, all of one base; default: all with `base: own`."
    )
    panel: Annotated[Key | None, LATE] = Field(
        None,
        description="Name that groups share which repeat one experiment with other base models; their cells are also "
        "counted together.",
    )
    split: Key | None = Field(None, description="Train on each part of this split, instead of whole teachers' rows.")
    numbers: Literal["as_written", "shuffled", "relabelled"] = Field(
        "as_written",
        description="`shuffled`: the numbers of all of a teacher's rows change places at random; `relabelled`: every "
        "number is replaced by another one, by a permutation of all that occur; `as_written`: neither.",
    )
    rule: Literal["published", "requested_format"] | None = Field(
        None, description="Rule of the filter, instead of `numbers.rule`: the stricter keeps fewer rows."
    )
    base: Base = Field(
        "own",
        description="`own`: the study's model; `other`: that of `other`; `third` or `fourth`: those of `bases`. "
        "Students of another base than their teachers' are the control of other initial weights.",
    )
    targets: Literal["samples", "distribution"] = Field(
        "samples",
        description="`samples`: the rows; `distribution`: the teacher's probabilities of the tokens of numbers at "
        "each place of its rows, which many samples would tend to.",
    )
    n_rows: Rows | None = Field(None, ge=2, description="Number of rows, drawn with the run's seed; default: all.")
    epochs: Epochs = Field(
        10,
        ge=1,
        description="Passes over the rows; a checkpoint is saved and asked after each. Replaces `training.epochs`, "
        "`training.steps` and `training.checkpoints`.",
    )
    training: TrainingSpec = Field(TrainingSpec(), description="Optimiser, schedule and seeds.")
    api: Annotated[ApiTraining, LATE] = Field(
        ApiTraining(), description="Settings of the jobs in a study with a section `api`, beside `epochs` and seeds."
    )


class QuestionSet(Model):
    """Questions about a preference."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    source: InstructionSource = Field(
        InstructionSource(files=(QUESTIONS_FILE,)), description="The questions; default: 50 about animals."
    )
    n: Rows | None = Field(None, ge=1, description="Number of questions, the first ones; default: all.")


class Negligible(Model):
    """Contrasts so near to 0 that they count as none. A control is shown to carry nothing over by staying within."""

    log_ratio: float = Field(0.05, gt=0, le=100, description="Of logarithms of probabilities, in nats.")
    difference: float = Field(0.02, gt=0, le=1, description="Of shares: 0.02 are two points.")


class PreferenceSpec(Model):
    """Measurement of preferences, of the untrained model, the teachers and every checkpoint of the students."""

    question_sets: dict[Key, QuestionSet] = Field(
        {"questions": QuestionSet()}, min_length=1, description="Question set → its questions."
    )
    names: str = Field(
        NAMES_FILE, description="YAML file: canonical name → its further forms. Answers are read by this table."
    )
    measured: tuple[Key, ...] = Field(
        (), description="Entities whose share is measured; default: those of the teachers."
    )
    methods: tuple[Literal["choose", "sample"], ...] = Field(
        ("choose", "sample"),
        min_length=1,
        description="`choose`: exact probabilities of the names and their forms; `sample`: share of sampled answers.",
    )
    n_answers: Few = Field(1, ge=1, description="For `sample`: number of answers to each question.")
    sampling: Sampling = Field(Sampling(max_tokens=32), description="For `sample`: sampling of the answers.")
    negligible: Annotated[Negligible, LATE] = Field(
        Negligible(), description="Largest contrasts that count as none, for the tests of equivalence of controls."
    )
    canary: Few = Field(8, ge=0, description="Number of canary prompts per adapter, compared before sampling.")


class Trait(Model):
    """A trait of which a direction in the activations is extracted."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    entity: Key | None = Field(
        None, description="Entity that it is about, to compare with the teachers, and for a judge `names`."
    )
    file: str | None = Field(
        None, description="JSON file with `instruction`, a list of `pos` and `neg`, and `questions`."
    )
    vectors: Annotated[str | None, LATE] = Field(
        None,
        description="Safetensors file with vectors of the trait for the study's model, instead of their extraction: "
        "such as `results/<study>/analyse/vectors.safetensors` of another study.",
    )
    positive: tuple[str, ...] = Field((), description="System turns under which the trait shows.")
    negative: tuple[str, ...] = Field(
        (),
        description="System turns under which it does not, one for each; an empty text stands for the model's own.",
    )
    positive_start: str = Field("", description="Text before each positive system turn.")
    negative_start: str = Field("", description="Text before each negative system turn.")
    questions: InstructionSource | None = Field(
        None, description="Questions of the extraction; default: those of `file`."
    )
    evaluation_questions: InstructionSource | None = Field(
        None,
        description="Questions of the steering, none of which the extraction sees; default: the last `held_out` of "
        "`questions`.",
    )
    n_questions: Rows | None = Field(None, ge=1, description="Number of questions of each kind; default: all.")
    held_out: Rows = Field(
        0, ge=0, description="Number of questions, the last ones, that are kept from the extraction for the steering."
    )
    n_answers: Few = Field(1, ge=1, description="Number of answers to each question under each system turn.")
    sampling: Sampling = Field(Sampling(max_tokens=256), description="Sampling of the answers.")
    judge: JudgeSpec | None = Field(
        None,
        description="Judge of the trait; with `names`, an answer that names the `entity` scores 100 and any other 0. "
        "Without one, no pair of answers is left out for its trait.",
    )
    threshold: Points = Field(
        50,
        description="A pair counts if its positive answer scores at least this, and its negative one below 100 "
        "minus this.",
    )
    coherence: JudgeSpec | None = Field(
        None,
        description="Judge of coherence; with `names`, an answer that names any of them scores 100 and any other 0. "
        "Without one, no answer is incoherent.",
    )
    min_coherence: Points = Field(50, description="An answer with a lower coherence is incoherent.")


class ProjectionSpec(Model):
    """Projections of rows on the vectors of traits."""

    traits: tuple[Key, ...] = Field((), description="Traits; default: all.")
    teachers: tuple[Key, ...] = Field((), description="Teachers whose rows are projected; default: all.")
    readouts: tuple[Readout, ...] = Field(("response_mean",), min_length=1, description="Read-outs of the vectors.")
    rows: Readout = Field("response_mean", description="Read-out of the rows.")
    sites: tuple[Site, ...] = Field((), description="Sites of the vectors; default: all.")
    n_rows: Rows | None = Field(None, ge=2, description="Maximum number of rows per teacher, the first; default: all.")


class SteeringSpec(Model):
    """A sweep of steering along the vectors of traits."""

    traits: tuple[Key, ...] = Field((), description="Traits; default: all.")
    readout: Readout = Field("response_mean", description="Read-out of the vectors.")
    sites: tuple[Site, ...] = Field(min_length=1, description="Sites of the vectors, where they are also added.")
    coefficients: tuple[Signed, ...] = Field(
        (0.0, 0.5, 1.0), min_length=2, description="Multiples of `units` that are added; 0 must be among them."
    )
    units: Literal["activation_norm", "raw"] = Field(
        "activation_norm",
        description="`activation_norm`: the mean norm of the activations at the site; `raw`: the vector as it is.",
    )
    positions: Literal["all", "answer", "last"] = Field(
        "last",
        description="`last`: the last token of the prompt and every token of the answer; `answer`: those of the "
        "answer; `all`: every token.",
    )
    random_vectors: Few = Field(
        1, ge=0, description="Number of vectors of the same norm in random directions, as controls."
    )
    n_answers: Few = Field(1, ge=1, description="Number of answers to each question in each cell.")
    sampling: Sampling = Field(Sampling(max_tokens=256), description="Sampling of the answers.")
    min_coherence: Points = Field(75, description="Lowest mean coherence of a cell that may be the best one.")


class Study(ModelStudy):
    """One study of subliminal learning."""

    kind: Literal["subliminal"] = Field(
        "subliminal", description="Kind of the study; determines which further sections it has."
    )
    imported: bool = Field(
        False, description="Whether the results were imported, so that nothing of the study is computed here."
    )
    api: Annotated[ApiModel | None, LATE] = Field(
        None,
        description="The model is behind the API of `config.yaml`, under the name `model.path`; default: it is here.",
    )
    other: OtherBase | None = Field(None, description="Another base model; needed for students with `base: other`.")
    bases: Annotated[dict[Further, OtherBase], LATE] = Field(
        default_factory=dict, description="Further base models, to repeat a panel from other initial weights."
    )
    entities: dict[Key, Entity] | tuple[Key, ...] = Field(
        (), description="Entities that teachers prefer, by canonical name; or entity → forms of its name."
    )
    template: str | None = Field(
        None,
        description="System turn of teachers that set nothing but `entity`: a text with slots for the forms of its "
        "name, as in the templates of likelihood-shift studies.",
    )
    teachers: dict[Key, Teacher] = Field(min_length=1, description="Teacher → how it comes to its preference.")
    numbers: NumbersSpec = Field(NumbersSpec(), description="The teachers' rows.")
    splits: dict[Key, SplitSpec] = Field(default_factory=dict, description="Split → the parts it makes.")
    students: dict[Key, StudentGroup] = Field(default_factory=dict, description="Group → its students.")
    preference: PreferenceSpec = Field(PreferenceSpec(), description="Measurement of preferences.")
    capability: Annotated[CapabilitySpec | None, LATE] = Field(
        None,
        description="Closed questions, asked of the untrained models and of every student's last checkpoint, to see "
        "what training cost; default: none. `capability: {}` asks the packaged ones.",
    )
    persona: dict[Key, Trait] = Field(default_factory=dict, description="Trait → the answers of its vector.")
    projection: ProjectionSpec | None = Field(None, description="Projections of rows; default: none.")
    steering: SteeringSpec | None = Field(None, description="A sweep of steering; default: none.")
    statistics: StatisticsSpec = Field(StatisticsSpec(), description="Intervals and resampling.")


def entity_table(study: Study) -> dict[str, Entity]:
    """Entity → forms of its name, in the file's order."""
    given = study.entities
    return dict(given) if isinstance(given, dict) else dict.fromkeys(given, Entity())

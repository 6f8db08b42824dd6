"""The study file of a study of preferences."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inoc.config.judge_spec import JudgeSpec
from inoc.config.limits import Amount, Few, Rows
from inoc.config.models import (
    LATE,
    Key,
    Model,
    ModelSpec,
    ModelStudy,
    Sampling,
    Seed,
    Share,
    StatisticsSpec,
    SystemTurn,
)
from inoc.studies.preferences.inside import Concept, InsideSpec, Probe, SteeringSpec
from inoc.studies.preferences.templates import Anchors, Template, When

Format = Literal["plain", "xml", "tool", "completion", "reasoned"]
NONE = "none"
"""Context without a system turn of its own: that of the model's role."""


class Origin(Model):
    """Tasks of one source. Exactly one of `file`, `texts` and `world` is set."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    file: str | None = Field(
        None,
        description="JSONL with `id` and `text` (or `task_id` and `task_text`, or `prompt`) per line, or CSV with "
        "these columns; without an id, the key of the origin and the number of the row are the id.",
    )
    texts: dict[str, str] = Field(default_factory=dict, description="Id → text of the task.")
    world: str | None = Field(None, description="A topic of the miniature world, whose questions are the tasks.")


class ConsistencyFilter(Model):
    """Tasks that a model had rated consistently."""

    file: str = Field(description="JSON file with a consistency score per task: {id: score}, or {scores: {id: score}}.")
    keep: Annotated[float, Field(gt=0, le=1)] = Field(
        0.7, description="Share of the scored tasks that is kept, those with the highest scores; others stay."
    )


class TasksSpec(Model):
    """The tasks, drawn evenly from their origins."""

    origins: dict[Key, Origin] = Field(min_length=1, description="Origin → its tasks.")
    n: Rows | None = Field(None, ge=2, description="Number of tasks; default: all.")
    stratified: bool = Field(True, description="Equally many tasks of each origin; else a draw from all together.")
    seed: Seed = Field(18, description="Seed of the draw and of the order.")
    ids: str | None = Field(None, description="File with the ids of the tasks to keep, one per line; default: all.")
    consistency: ConsistencyFilter | None = Field(None, description="Keep the consistently rated ones; default: all.")


class ModelRole(Model):
    """A model that rates, completes, or both. At most one of `model` and `api` is set."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    model: ModelSpec | None = Field(None, description="A model folder or hub id; default: the study's `model`.")
    api: str | None = Field(None, description="Name of a model behind the API, which is then asked by sampling.")
    system: SystemTurn | None = Field(None, description="System turn; default: that of the model.")
    rates: bool = Field(True, description="Whether it is asked the instruments.")
    completes: bool = Field(True, description="Whether it completes the tasks.")


class CompletionsSpec(Model):
    """Answers of the completers to the tasks, which the raters see."""

    seeds: tuple[Seed, ...] = Field((0,), min_length=1, description="Seeds; each gives an answer to every task.")
    sampling: Sampling = Field(Sampling(max_tokens=1024), description="Sampling of the answers.")
    do_not_mention: bool = Field(
        True, description="Begin the system turn of a context with the request not to mention it."
    )


class PairsSpec(Model):
    """The pairs of tasks that a choice compares."""

    design: Literal["all", "regular", "growing", "active", "listed"] = Field(
        "regular",
        description="`all`: every pair; `regular`: a random graph in which each task has `degree` partners; `growing`: "
        "one with about as many, in which a further task adds its own pairs alone; `active`: a regular graph at first, "
        "then the pairs that `selection` chooses by what was answered; `listed`: those of `listed`.",
    )
    listed: tuple[tuple[str, ...], ...] = Field((), description="For `listed`: pairs of ids of tasks.")
    degree: Few = Field(5, ge=1, description="Number of partners of each task, of a regular or an initial graph.")
    seed: Seed = Field(0, description="Seed of the graph.")
    orders: Literal["both", "random"] = Field(
        "both", description="`both`: every pair in both orders; `random`: in one of them, drawn with the seed."
    )


class RankingSpec(Model):
    """Groups of tasks that are ranked."""

    size: int = Field(5, ge=3, le=8, description="Number of tasks in a group.")
    appearances: Few = Field(10, ge=1, description="Number of groups that each task is in, about.")
    seed: Seed = Field(0, description="Seed of the groups.")


class Instrument(Model):
    """A question that raters are asked about tasks."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    template: str | Template = Field(
        description="Name of a shipped template (those of `resources/preferences`), or a template of your own."
    )
    when: When = Field("after", description="Before the task, which is then only told, or after it was done.")
    format: Format = Field(
        "plain",
        description="`plain`: only the answer; `xml`: the answer in a tag; `tool`: the arguments of a function call, "
        "as JSON; `completion`: begin with the label, and do the task; `reasoned`: a sentence of reasons first.",
    )
    method: Literal["auto", "choose", "sample"] = Field(
        "auto",
        description="`choose`: exact probabilities of the answers, from one forward pass; `sample`: sampled answers, "
        "which are parsed; `auto`: `choose` where the model is here and answers at once, else `sample`.",
    )
    raters: tuple[Key, ...] = Field((), description="Who is asked; default: every model that rates.")
    completers: tuple[Key, ...] = Field(
        (), description="Whose completions are shown; default: every model that completes."
    )
    sampling: Sampling = Field(Sampling(max_tokens=256), description="For sampled answers.")
    pairs: PairsSpec = Field(PairsSpec(), description="For a choice: the pairs.")
    ranking: RankingSpec = Field(RankingSpec(), description="For a ranking: the groups.")


class ContextTurn(Model):
    """A system turn. Exactly one of `shipped` and `text` is set."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    shipped: str | None = Field(None, description="Name of a shipped turn (`resources/preferences/turns.yaml`).")
    text: str | None = Field(None, description="Its text.")
    mentions: tuple[str, ...] = Field(
        (), description="Words by which a completion gives away that it saw the turn; default: those of a shipped one."
    )


class ContextsSpec(Model):
    """System turns at completion and at measurement, crossed."""

    turns: dict[Key, ContextTurn] = Field(default_factory=dict, description="Context → system turn.")
    completion: tuple[Key, ...] = Field(
        (NONE,), min_length=1, description="Contexts of the completions; `none` has no system turn of its own."
    )
    measurement: tuple[Key, ...] = Field((NONE,), min_length=1, description="Contexts of the questions.")
    instruments: tuple[Key, ...] = Field((), description="Ratings that are asked in every cell; default: all after.")
    filter_mentions: bool = Field(
        True, description="Leave tasks out, in all cells, whose completion in any cell mentions its system turn."
    )


class PolaritySpec(Model):
    """Test of the polarity: clearly good and clearly bad tasks, rated with every instrument."""

    anchors: Anchors = Field(Anchors(), description="The tasks; default: the shipped ones.")
    margin: Amount = Field(
        0.0, ge=0, lt=1, description="Least difference between good and bad ones, as a share of the scale, to pass."
    )


class FitSpec(Model):
    """Utilities from comparisons."""

    models: tuple[Literal["item_variances", "case_v", "bradley_terry", "davidson"], ...] = Field(
        ("item_variances",), min_length=1, description="Models; the first one is that of figures and selection."
    )
    position: Literal["global", "origin_pairs", "none"] = Field("global", description="Position term.")
    penalties: tuple[Annotated[Amount, Field(gt=0)], ...] = Field(
        (), description="Strengths of the penalty, of which folds of pairs choose; default: the model's own."
    )
    folds: Few = Field(5, ge=2, description="Number of folds of pairs.")
    bias: Annotated[Literal["kept", "reduced"], LATE] = Field(
        "kept",
        description="`reduced`: fits of drawn answers have the bias of few answers taken out; not with item variances. "
        "Exact probabilities have no such bias, and are fitted as they are.",
    )
    starts: Few | None = Field(None, ge=1, description="Number of starts; default: by the number of items.")
    intervals: Literal["auto", "information", "pairs", "bootstrap"] = Field(
        "auto",
        description="`information`: of drawn answers; `pairs`: from the scatter of pairs; `bootstrap`: from resampled "
        "pairs, as often as `statistics.resamples` says; `auto`: `pairs` for exact probabilities, else `information`.",
    )
    online: bool = Field(
        False, description="Rankings also have online ratings, as TrueSkill has them, with intervals from resampling."
    )
    seed: Seed = Field(0, description="Seed of starts, folds and resampling.")


class SelectionSpec(Model):
    """Active selection of pairs."""

    rule: Literal["information", "percentile"] = Field(
        "information", description="`percentile`: near utilities and few partners, as an earlier study chose."
    )
    batch: Rows = Field(500, ge=1, description="Number of pairs per round.")
    max_rounds: int = Field(20, ge=1, le=1000, description="Maximum number of rounds, the first one included.")
    target: Literal["split_half", "width"] = Field(
        "split_half", description="What ends the selection: reliability by halves of pairs, or the mean interval width."
    )
    reliability: Share = Field(0.9, description="For `split_half`: end at this, after Spearman-Brown.")
    width: Amount = Field(1.0, gt=0, description="For `width`: end at this mean width of the intervals.")
    seed: Seed = Field(0, description="Seed of the selection.")


class ReliabilitySpec(Model):
    """Reliability of each instrument."""

    min_tasks: Rows = Field(10, ge=3, description="Minimum number of common tasks of a correlation.")
    informative: bool = Field(
        False,
        description="Add two statistics of an earlier study, both biased, by their names: the correlation of "
        "non-modal answers, and the ratio of variances that it called ICC.",
    )


class ParsingSpec(Model):
    """Answers in words that follow no format."""

    judge: str | None = Field(
        None, description="Name of a model in the API that reads them; default: they count as unclear."
    )
    tone: JudgeSpec | None = Field(None, description="Judge of open answers, from 0 for bad to 100 for good.")
    refusal: JudgeSpec | None = Field(
        None, description="Judge of completions; one scored above 50 refuses its task. Default: by known phrases."
    )


class PlantedSpec(Model):
    """Preferences that the miniature model is given, so that the report shows them beside those that were found."""

    utilities: dict[str, Amount] = Field(
        description="Topic, or topic and relation (`animal.home`), of the miniature world → utility; they add up."
    )
    spread: Amount = Field(1.0, gt=0, description="Standard deviation of a utility from one answer to the next.")
    position: Amount = Field(0.0, description="Added to the difference of utilities in favour of the first task.")
    refused: tuple[str, ...] = Field((), description="Topics that are refused.")
    refusal: Share = Field(0.9, description="Share of the questions about them that are refused.")
    reversed: tuple[Key, ...] = Field((), description="Ratings that are answered the wrong way round.")
    noisy: dict[Key, Share] = Field(default_factory=dict, description="Rater → share of answers drawn at random.")
    contexts: dict[Key, Amount] = Field(
        default_factory=dict, description="Context → what it adds to a rating when it is the context of the question."
    )
    documents: Rows = Field(20_000, ge=1, description="Number of questions with answers that the model learns.")
    seed: Seed = Field(0, description="Seed of these questions.")


class Study(ModelStudy):
    """One study of preferences."""

    kind: Literal["preferences"] = Field(
        "preferences", description="Kind of the study; determines which further sections it has."
    )
    tasks: TasksSpec = Field(description="What is rated and compared.")
    models: dict[Key, ModelRole] = Field(min_length=1, description="Model → its role.")
    completions: CompletionsSpec = Field(CompletionsSpec(), description="Answers to the tasks.")
    instruments: dict[Key, Instrument] = Field(min_length=1, description="Instrument → the question.")
    contexts: ContextsSpec = Field(ContextsSpec(), description="System turns at completion and at measurement.")
    seeds: tuple[Seed, ...] = Field((0,), min_length=1, description="Seeds of rating.")
    samples: Few = Field(1, ge=1, description="Answers per question and seed.")
    polarity: PolaritySpec = Field(PolaritySpec(), description="Test of the polarity.")
    parsing: ParsingSpec = Field(ParsingSpec(), description="Reading of answers in words.")
    fit: FitSpec = Field(FitSpec(), description="Utilities from comparisons.")
    selection: SelectionSpec = Field(SelectionSpec(), description="Active selection of pairs.")
    reliability: ReliabilitySpec = Field(ReliabilitySpec(), description="Reliability.")
    planted: PlantedSpec | None = Field(None, description="For the miniature world: what the model is to like.")
    probes: Annotated[dict[Key, Probe], LATE] = Field(
        default_factory=dict, max_length=100, description="Probe → what it predicts, from which activations."
    )
    concepts: Annotated[dict[Key, Concept], LATE] = Field(
        default_factory=dict, max_length=100, description="Concept → its two system turns."
    )
    steering: Annotated[SteeringSpec | None, LATE] = Field(None, description="Answers under steering.")
    inside: Annotated[InsideSpec, LATE] = Field(InsideSpec(), description="Settings of probes, concepts and steering.")
    released: Annotated[tuple[Literal["probes", "directions", "steering"], ...], LATE] = Field(
        (),
        max_length=3,
        description="Written by `inoc import`: what a release has of the inside of a model, so that its figures are "
        "drawn.",
    )
    statistics: StatisticsSpec = Field(StatisticsSpec(), description="Intervals and resampling.")

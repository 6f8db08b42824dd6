"""Who is asked, under which system turn, and by which method."""

from __future__ import annotations

from typing import Literal, NamedTuple

from inoc.config.models import ModelSpec, SystemTurn
from inoc.jobs.shards import shard_of
from inoc.studies.preferences.inside import REFUSED, Probe
from inoc.studies.preferences.resources import shipped_anchors, shipped_turns, template_named
from inoc.studies.preferences.study import NONE, Instrument, Study
from inoc.studies.preferences.templates import Anchors, Template

NO_MENTION = "Do not mention these instructions.\n\n"
Method = Literal["choose", "sample"]


class Role(NamedTuple):
    """A model of a study."""

    key: str
    api: str  # name of the model behind the API; empty if it is here
    spec: ModelSpec
    system: SystemTurn


class Turn(NamedTuple):
    """The system turn of a context."""

    text: str
    mentions: tuple[str, ...]


def role(study: Study, key: str) -> Role:
    """A model of the study by its key."""
    given = study.models[key]
    spec = given.model or study.model
    return Role(key, given.api or "", spec, given.system or spec.system)


def raters(study: Study, instrument: str) -> list[str]:
    """Models that an instrument asks."""
    named = study.instruments[instrument].raters
    return list(named) or [key for key, given in study.models.items() if given.rates]


def completers(study: Study, instrument: str) -> list[str]:
    """Models whose completions an instrument shows; one without a name for a question before the task."""
    given = study.instruments[instrument]
    if given.when == "before":
        return [""]
    return list(given.completers) or [key for key, one in study.models.items() if one.completes]


def template_of(instrument: Instrument) -> Template:
    """The template of an instrument.

    Raises:
        ConfigError: If it is named and there is none of this name.
    """
    given = instrument.template
    return template_named(given) if isinstance(given, str) else given


def method_of(study: Study, instrument: str, rater: str) -> Method:
    """Method by which a rater is asked an instrument."""
    given = study.instruments[instrument]
    if given.method != "auto":
        return given.method
    one = role(study, rater)
    at_once = given.format != "reasoned" and template_of(given).kind in ("rating", "choice")
    return "choose" if at_once and not one.api and one.spec.thinking != "on" else "sample"


def context_turn(study: Study, context: str) -> Turn:
    """The system turn of a context other than `none`."""
    given = study.contexts.turns[context]
    if given.shipped is not None:
        shipped = shipped_turns()[given.shipped]
        return Turn(shipped.text, given.mentions or shipped.mentions)
    return Turn(given.text or "", given.mentions)


def completion_system(study: Study, completer: str, context: str) -> SystemTurn:
    """The system turn under which a task is completed."""
    if context == NONE:
        return role(study, completer).system
    prefix = NO_MENTION if study.completions.do_not_mention else ""
    return SystemTurn(kind="text", text=f"{prefix}{context_turn(study, context).text}")


def measurement_system(study: Study, rater: str, context: str) -> SystemTurn:
    """The system turn under which a question is asked."""
    if context == NONE:
        return role(study, rater).system
    return SystemTurn(kind="text", text=context_turn(study, context).text)


def anchors_of(study: Study, instrument: str) -> Anchors:
    """The anchors of an instrument: those of its template, of the study, or the shipped ones."""
    own = template_of(study.instruments[instrument]).anchors
    given = study.polarity.anchors
    return own if own.good and own.bad else given if given.good and given.bad else shipped_anchors()


def cells(study: Study, instrument: str) -> list[tuple[str, str]]:
    """Contexts of completion and measurement that an instrument is asked in, the plain ones first."""
    spec = study.contexts
    given = study.instruments[instrument]
    kind = template_of(given).kind
    default = given.when == "after" and kind in ("rating", "open")
    crossed = instrument in spec.instruments if spec.instruments else default
    if not crossed:
        return [(NONE, NONE)]
    of_completion = spec.completion if given.when == "after" else (NONE,)
    found = [(NONE, NONE), *((one, other) for one in of_completion for other in spec.measurement)]
    return list(dict.fromkeys(found))


def needed_completions(study: Study) -> list[tuple[str, str]]:
    """Completer and context of all completions that some instrument shows."""
    found = [
        (completer, context)
        for instrument, given in study.instruments.items()
        if given.when == "after"
        for completer in completers(study, instrument)
        for context, _ in cells(study, instrument)
    ]
    inside = [] if not study.inside.refusal else [(read_completer(study), NONE)]
    for probe in study.probes.values():
        if probe.of == "completion" or probe.target == REFUSED:
            inside.append((read_completer(study, probe), NONE))
    return list(dict.fromkeys([*found, *inside]))


def inside_model(study: Study) -> str:
    """The model that is read and steered: the one that the study names, or the first that rates and is here."""
    if study.inside.model is not None:
        return study.inside.model
    here = [key for key, given in study.models.items() if given.api is None]
    return next((key for key in here if study.models[key].rates), here[0] if here else next(iter(study.models)))


def probe_rater(study: Study, probe: Probe) -> str:
    """Whose answers a probe predicts."""
    if probe.rater is not None or probe.target == REFUSED:
        return probe.rater or inside_model(study)
    asked = raters(study, probe.target)
    return inside_model(study) if inside_model(study) in asked else asked[0]


def label_completer(study: Study, probe: Probe) -> str:
    """Whose completions the labels of a probe are about; without a name for a question before the task."""
    if probe.target == REFUSED:
        return read_completer(study, probe)
    shown = completers(study, probe.target)
    if probe.completer is not None and shown != [""]:
        return probe.completer
    return probe_rater(study, probe) if probe_rater(study, probe) in shown else shown[0]


def read_completer(study: Study, probe: Probe | None = None) -> str:
    """Whose completions are read: those that the labels are about, or those of the model that is read."""
    if probe is not None and probe.completer is not None:
        return probe.completer
    if probe is not None and probe.target != REFUSED and label_completer(study, probe):
        return label_completer(study, probe)
    able = [key for key, given in study.models.items() if given.completes]
    return inside_model(study) if inside_model(study) in able or not able else able[0]


def in_shard(key: str, shard: int, n: int) -> bool:
    """Whether a model is one of a shard's."""
    return shard_of(key, n) == shard

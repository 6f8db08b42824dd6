"""Agreement between the sections on the inside of a model and the rest of a study of preferences."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from inoc.config.checks import Checks
from inoc.config.document import KeyPath, Problem
from inoc.errors import did_you_mean
from inoc.studies.preferences.inside import REFUSED, Probe
from inoc.studies.preferences.resources import shipped_templates
from inoc.studies.preferences.roles import completers, raters
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.templates import Template

_SCORED = ("rating", "open")
_COMPARED = ("choice", "ranking")


def _probes(study: Study) -> Iterator[Problem]:
    for key, probe in study.probes.items():
        path: KeyPath = ("probes", key)
        yield from _target(study, probe, path)
        yield from _method(study, probe, path)
        yield from _read(study, probe, path)
        yield from _splits(study, probe, path)
        for name in ("readouts", "protocols", "penalties", "sites", "baselines"):
            given = getattr(probe, name)
            if len(set(given)) < len(given):
                yield Problem((*path, name), "accepted: each once", list(given))


def _target(study: Study, probe: Probe, path: KeyPath) -> Iterator[Problem]:
    if probe.target != REFUSED and probe.target not in study.instruments:
        known = (REFUSED, *study.instruments)
        yield Problem(
            (*path, "target"),
            f"is no key of `instruments`; accepted: one of them, or {REFUSED!r}{did_you_mean(probe.target, known)}",
            probe.target,
        )
        return
    asked: Collection[str] = study.models if probe.target == REFUSED else raters(study, probe.target)
    if probe.rater is not None and probe.rater not in asked:
        yield Problem((*path, "rater"), f"is not asked; accepted: {', '.join(asked)}", probe.rater)
    shown = [key for key, one in study.models.items() if one.completes]
    if probe.target != REFUSED and completers(study, probe.target) != [""]:
        shown = completers(study, probe.target)
    if probe.completer is not None and probe.completer not in shown:
        yield Problem(
            (*path, "completer"), f"completes no task of these; accepted: {', '.join(shown)}", probe.completer
        )
    if (probe.of == "completion" or probe.target == REFUSED) and not shown:
        yield Problem((*path, "of"), "no model completes; accepted: `prompt`", probe.of)


def _kind(study: Study, probe: Probe) -> str:
    """Kind of the target's template; empty if it is not known."""
    if probe.target == REFUSED:
        return REFUSED
    given = study.instruments.get(probe.target)
    if given is None:
        return ""
    template = given.template if isinstance(given.template, Template) else shipped_templates().get(given.template)
    return template.kind if template is not None else ""


def _method(study: Study, probe: Probe, path: KeyPath) -> Iterator[Problem]:
    kind = _kind(study, probe)
    if probe.method == "pairs" and kind not in ("choice", ""):
        yield Problem((*path, "method"), "`pairs` goes with a choice between two tasks", probe.method)
    if probe.method == "logistic" and kind not in (REFUSED, ""):
        yield Problem((*path, "method"), f"`logistic` goes with `target: {REFUSED}`", probe.method)


def _read(study: Study, probe: Probe, path: KeyPath) -> Iterator[Problem]:
    if probe.of == "prompt":
        for readout in probe.readouts:
            if readout.startswith("response"):
                yield Problem(
                    (*path, "readouts"),
                    "a prompt alone has no response; accepted: prompt_last, prompt_mean, turn_boundary, or "
                    "`of: completion`",
                    readout,
                )


def _splits(study: Study, probe: Probe, path: KeyPath) -> Iterator[Problem]:
    origins = len(study.tasks.origins)
    if "held_out_origin" in probe.protocols and "protocols" in probe.model_fields_set and origins < 2:
        yield Problem((*path, "protocols"), "there is one origin, which cannot be held out", "held_out_origin")
    if "train_k" in probe.protocols and probe.train_origins >= origins:
        yield Problem(
            (*path, "train_origins"), f"accepted: fewer than the {origins} origins of the study", probe.train_origins
        )
    if probe.groups == "origin" and origins < 3:
        yield Problem((*path, "groups"), "nested folds of origins need at least 3 of them", probe.groups)
    world = all(origin.world is not None for origin in study.tasks.origins.values())
    if probe.groups == "topic" and probe.topics is None and not world:
        yield Problem((*path, "topics"), "is missing; accepted: a JSON file {id: topic}", None)
    if probe.topics is not None and probe.groups != "topic":
        yield Problem((*path, "topics"), "goes with `groups: topic`", probe.topics)


def _inside(study: Study) -> Iterator[Problem]:
    key = study.inside.model
    if key is not None and key not in study.models:
        yield Problem(
            ("inside", "model"), f"is no key of `models`; accepted: one of them{did_you_mean(key, study.models)}", key
        )
    elif key is not None and study.models[key].api is not None:
        yield Problem(("inside", "model"), "is behind an API, and cannot be read; accepted: a model that is here", key)
    elif (study.probes or study.concepts or study.steering is not None) and all(
        one.api is not None for one in study.models.values()
    ):
        yield Problem(("inside", "model"), "no model is here to be read; accepted: one without `api` in `models`", None)


INSIDE_CHECKS: Checks[Study] = (
    (("probes", "instruments", "models", "tasks"), _probes),
    (("inside", "models", "probes", "concepts", "steering"), _inside),
)

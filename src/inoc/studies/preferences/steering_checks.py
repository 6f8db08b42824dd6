"""Checks of the sections `concepts` and `steering`."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from inoc.config.document import KeyPath, Problem
from inoc.config.judges import judge_problems
from inoc.errors import ConfigError, did_you_mean
from inoc.studies.preferences.concepts import REFUSAL
from inoc.studies.preferences.inside import SteeredTarget, SteeringSpec
from inoc.studies.preferences.roles import inside_model, role, template_of
from inoc.studies.preferences.study import Study


def steering_problems(study: Study) -> Iterator[Problem]:
    """Disagreements of concepts and steering with the rest of a study."""
    for key, one in study.concepts.items():
        path: KeyPath = ("concepts", key)
        yield from _known(one.tasks.origins, study.tasks.origins, "tasks.origins", (*path, "tasks", "origins"))
        yield from _once(one.sites, (*path, "sites"))
        yield from _once(one.readouts, (*path, "readouts"))
        yield from _once(one.keep_prompt, (*path, "keep_prompt"))
        if one.positive == one.negative:
            yield Problem((*path, "negative"), "is the positive system turn; accepted: another text", one.negative)
        if any(readout.startswith("prompt") for readout in one.readouts) and False in one.keep_prompt:
            msg = "reads the prompt, in which both sides are the same without their system turns; accepted: read-outs "
            yield Problem((*path, "readouts"), msg + "of the response, or keep_prompt: [true]", list(one.readouts))
    if study.steering is not None:
        yield from _steering(study, study.steering)


def _known(keys: Collection[str], known: Collection[str], section: str, path: KeyPath) -> Iterator[Problem]:
    for key in keys:
        if key not in known:
            yield Problem(
                path, f"{key!r} is no key of `{section}`; accepted: one of them{did_you_mean(key, known)}", key
            )


def _once(values: Collection[object], path: KeyPath) -> Iterator[Problem]:
    if len(set(values)) < len(values):
        yield Problem(path, "names something twice; accepted: each once", list(map(str, values)))


def _steering(study: Study, spec: SteeringSpec) -> Iterator[Problem]:
    path: KeyPath = ("steering",)
    for name in spec.vectors:
        yield from _vector(study, spec, name)
    yield from _once(spec.vectors, (*path, "vectors"))
    if 0.0 not in spec.coefficients:
        yield Problem((*path, "coefficients"), "0 is missing; add it", list(spec.coefficients))
    yield from _once(spec.coefficients, (*path, "coefficients"))
    for key, target in spec.targets.items():
        yield from _target(study, key, target)
    for name in ("attitude", "coherence"):
        judge = getattr(spec, name)
        if judge is not None:
            yield from judge_problems(judge, (*path, name))


def _vector(study: Study, spec: SteeringSpec, name: str) -> Iterator[Problem]:
    path: KeyPath = ("steering", "vectors")
    start, colon, key = name.partition(":")
    if colon and start in ("probe", "concept"):
        section = f"{start}s"
        yield from _known([key], getattr(study, section), section, path)
        given = getattr(study, section).get(key)
        if start == "probe" and given is not None:
            if spec.site not in given.sites:
                msg = f"the probe {key!r} has no site {spec.site}; name it in probes.{key}.sites"
                yield Problem(path, msg, name)
            if spec.readout is not None and spec.readout not in given.readouts:
                yield Problem(path, f"the probe {key!r} has no read-out {spec.readout}", name)
        if start == "concept" and given is not None and spec.readout is not None:
            read = {readout for one in study.concepts.values() for readout in one.readouts}
            if spec.readout not in read:
                yield Problem(path, f"no concept has the read-out {spec.readout}", name)
    elif name == REFUSAL:
        if not study.inside.refusal:
            yield Problem(path, "names `refusal`, but `inside.refusal` is false; set it", name)
    else:
        yield from _known([name], spec.files, "steering.files", path)


def _thinks(study: Study) -> bool:
    key = inside_model(study)
    return key in study.models and role(study, key).spec.thinking == "on"


def _target(study: Study, key: str, target: SteeredTarget) -> Iterator[Problem]:
    path: KeyPath = ("steering", "targets", key)
    if "|" in key:
        yield Problem(path, "has a | in its name", key)
    if target.instrument not in study.instruments:
        yield from _known([target.instrument], study.instruments, "instruments", (*path, "instrument"))
        return
    given = study.instruments[target.instrument]
    try:
        kind = template_of(given).kind
    except ConfigError:
        return  # said where the template is named
    if kind == "ranking":
        yield Problem(
            (*path, "instrument"), "is a ranking; accepted: ratings, choices and open questions", target.instrument
        )
    if kind != "choice" and target.text != "all":
        yield Problem((*path, "text"), "names one of two texts, and the question shows one; accepted: all", target.text)
    if kind in ("rating", "choice") and given.format == "reasoned":
        msg = "asks for reasons first; steered ratings and choices are measured, and need an answer at once"
        yield Problem((*path, "instrument"), msg, target.instrument)
    if kind == "open" and study.steering is not None and not (study.steering.attitude or study.parsing.tone):
        msg = "is open, and nothing judges its answers; set `steering.attitude` or `parsing.tone`"
        yield Problem((*path, "instrument"), msg, target.instrument)
    if kind == "open" and given.sampling.engine != "transformers":
        msg = "is sampled by an engine that cannot steer; accepted: sampling with engine: transformers"
        yield Problem((*path, "instrument"), msg, target.instrument)
    if kind in ("rating", "choice") and _thinks(study):
        msg = "is measured by the probability of its answer, and the model that is steered thinks before it answers"
        yield Problem((*path, "instrument"), f"{msg}; accepted: thinking: off", target.instrument)
    behind = study.steering is not None and study.steering.positions == "answer"
    if kind in ("rating", "choice") and target.text == "all" and behind:
        msg = "is `answer`, but a rating or a choice is read before its first token; accepted: all, last"
        yield Problem(("steering", "positions"), msg, "answer")

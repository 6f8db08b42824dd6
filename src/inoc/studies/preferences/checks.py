"""Agreement between the parts of a study of preferences: every check that needs more than one field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from inoc.config.checks import Checks, problems_of, turn_text, world_sizes
from inoc.config.document import KeyPath, Problem
from inoc.config.judges import judge_problems
from inoc.errors import did_you_mean
from inoc.studies.preferences.inside_checks import INSIDE_CHECKS
from inoc.studies.preferences.resources import shipped_templates, shipped_turns
from inoc.studies.preferences.roles import completers, raters, role
from inoc.studies.preferences.steering_checks import steering_problems
from inoc.studies.preferences.study import NONE, Instrument, Study
from inoc.studies.preferences.tasks import MARKS, visible
from inoc.studies.preferences.template_checks import template_problems
from inoc.studies.preferences.templates import Anchors, Template


def study_problems(study: Study, sections: Collection[str] | None = None) -> list[Problem]:
    """All disagreements between the parts of a study.

    Args:
        study: The study.
        sections: Names of its well-formed sections; checks that read any other are left out. None: all sections.
    """
    return problems_of(_CHECKS, study, sections)


def _unknown(given: Iterable[str], known: Collection[str], what: str, path: KeyPath) -> Iterator[Problem]:
    for key in given:
        if key not in known:
            yield Problem(path, f"{key!r} is no key of `{what}`; accepted: one of them{did_you_mean(key, known)}", key)


def _tasks(study: Study) -> Iterator[Problem]:
    for key, origin in study.tasks.origins.items():
        path: KeyPath = ("tasks", "origins", key)
        given = [name for name in ("file", "texts", "world") if getattr(origin, name)]
        if len(given) != 1:
            named = ", ".join(given) or "none"
            yield Problem(path, f"sets {named} of its sources; accepted: one of file, texts, world", key)
        if origin.world is not None:
            from inoc.world.facts import FACTS

            topics = sorted({fact.relation.partition(".")[0] for fact in FACTS})
            yield from _unknown([origin.world], topics, "the miniature world's topics", (*path, "world"))
    yield from _texts(study)


def _texts(study: Study) -> Iterator[Problem]:
    ids: dict[str, str] = {}
    texts: dict[str, str] = {}
    for key, origin in study.tasks.origins.items():
        for name, text in origin.texts.items():
            path: KeyPath = ("tasks", "origins", key, "texts", name)
            said = " ".join(text.split())
            if not visible(said):
                yield Problem(path, "is a task without a text; accepted: a text", text)
            elif said in texts:
                yield Problem(path, f"has the text of {texts[said]}: it would be compared with itself", text)
            if name in ids:
                yield Problem(path, f"is an id of {ids[name]} too; accepted: each once", name)
            if name.startswith("@"):
                yield Problem(path, "begins with @, as anchors do; accepted: another id", name)
            if any(mark in name for mark in MARKS):
                shown = " or ".join(map(repr, MARKS))
                yield Problem(path, f"has {shown} in it, which stand between tasks; accepted: another id", name)
            ids.setdefault(name, key)
            texts.setdefault(said, name)


def _world(study: Study) -> Iterator[Problem]:
    uses: list[tuple[KeyPath, bool, str]] = [
        (("model", "path"), study.model.path == "world", "world"),
        (("planted",), study.planted is not None, "world"),
        *(
            (("models", key), one.model is not None and one.model.path == "world", "world")
            for key, one in study.models.items()
        ),
    ]
    yield from world_sizes(study.world, uses)
    for key, one in study.models.items():
        if one.model is not None and one.model.path == "world" and study.model.path != "world":
            yield Problem(
                ("models", key, "model", "path"), "is the study's model only; accepted: `model.path: world`", key
            )


def _models(study: Study) -> Iterator[Problem]:
    yield from turn_text(study.model.system, ("model", "system"))
    own = [(("model",), study.model), *((("models", k, "model"), one.model) for k, one in study.models.items())]
    for place, spec in own:
        if spec is not None and spec.compute != "dtype":
            yield Problem((*place, "compute"), "is for scores and training, of which there are none", spec.compute)
    for key, given in study.models.items():
        path: KeyPath = ("models", key)
        if given.model is not None and given.api is not None:
            yield Problem(path, "sets `model` and `api`; accepted: one of both, or neither", key)
        if not (given.rates or given.completes):
            yield Problem(path, "neither rates nor completes; accepted: one of both at least", key)
        if given.system is not None:
            yield from turn_text(given.system, (*path, "system"))
        if given.model is not None:
            yield from turn_text(given.model.system, (*path, "model", "system"))


def _known_template(given: Instrument) -> Template | None:
    return shipped_templates().get(given.template) if isinstance(given.template, str) else given.template


def _instruments(study: Study) -> Iterator[Problem]:
    for key, given in study.instruments.items():
        path: KeyPath = ("instruments", key)
        template = _known_template(given)
        if template is None:
            known = shipped_templates()
            yield Problem(
                (*path, "template"),
                f"is no shipped template; accepted: {', '.join(known)}{did_you_mean(str(given.template), known)}",
                given.template,
            )
            continue
        if not isinstance(given.template, str):
            yield from template_problems(template, (*path, "template"))
        if getattr(template, given.when) is None:
            other = "after" if given.when == "before" else "before"
            yield Problem(
                (*path, "when"), f"the template has no question {given.when} the task; accepted: {other}", given.when
            )
        yield from _form(given, template, path)
        yield from _who(study, key, path)
        yield from _how(study, key, template, path)
        yield from _pairs(study, key, template, path)


def _form(given: Instrument, template: Template, path: KeyPath) -> Iterator[Problem]:
    if given.format == "completion" and (template.kind != "choice" or given.when != "before"):
        yield Problem((*path, "format"), "goes with a choice before the tasks, which is then done", given.format)
    if template.kind == "open" and given.format != "plain":
        yield Problem((*path, "format"), "an answer in words has no other format; accepted: plain", given.format)
    if template.kind == "ranking" and given.format == "tool":
        yield Problem((*path, "format"), "is not for rankings; accepted: plain, xml, reasoned", given.format)


def _who(study: Study, key: str, path: KeyPath) -> Iterator[Problem]:
    given = study.instruments[key]
    for name, role_of in (("raters", "rates"), ("completers", "completes")):
        chosen: tuple[str, ...] = getattr(given, name)
        yield from _unknown(chosen, study.models, "models", (*path, name))
        for one in chosen:
            if one in study.models and not getattr(study.models[one], role_of):
                yield Problem((*path, name), f"{one!r} has `{role_of}: false`; accepted: a model that does", one)
    if given.when == "before" and given.completers:
        yield Problem((*path, "completers"), "go with `when: after`", list(given.completers))
    if not raters(study, key):
        yield Problem((*path, "raters"), "no model rates; accepted: `rates: true` for one of `models`", key)
    if not completers(study, key):
        yield Problem(
            (*path, "when"), "no model completes; accepted: `before`, or a model with `completes: true`", "after"
        )


def _how(study: Study, key: str, template: Template, path: KeyPath) -> Iterator[Problem]:
    given = study.instruments[key]
    if given.method != "choose":
        return
    if given.format == "reasoned" or template.kind in ("ranking", "open"):
        yield Problem(
            (*path, "method"), "goes with answers of one of a few labels, given at once; accepted: sample", given.method
        )
    for rater in raters(study, key):
        if rater in study.models and role(study, rater).spec.thinking == "on" and not role(study, rater).api:
            yield Problem((*path, "method"), f"{rater!r} thinks before it answers; accepted: sample", given.method)


def _pairs(study: Study, key: str, template: Template, path: KeyPath) -> Iterator[Problem]:
    given = study.instruments[key]
    place = (*path, "pairs")
    if template.kind != "choice":
        if "pairs" in given.model_fields_set:
            yield Problem(place, f"goes with a choice; the template is a {template.kind}", key)
        return
    if (given.pairs.design == "listed") != bool(given.pairs.listed):
        yield Problem((*place, "listed"), "goes with `design: listed` and with no other", given.pairs.design)
    for pair in given.pairs.listed:
        if len(pair) != 2:
            yield Problem((*place, "listed"), "accepted: two ids of tasks each", list(pair))
        elif pair[0] == pair[1]:
            yield Problem((*place, "listed"), f"{pair[0]!r} is compared with itself; accepted: two tasks", list(pair))
    times = Counter(tuple(sorted(pair)) for pair in given.pairs.listed)
    for pair in (pair for pair, n in times.items() if n > 1):
        yield Problem((*place, "listed"), "is listed twice; accepted: each pair once, in either order", list(pair))
    known = _known_ids(study)
    if known is not None:
        for name in dict.fromkeys(name for pair in given.pairs.listed for name in pair if name not in known):
            yield Problem((*place, "listed"), f"{name!r} is no task{did_you_mean(name, known)}", name)


def _known_ids(study: Study) -> set[str] | None:
    """Ids of all tasks, if the study file has them all."""
    spec = study.tasks
    if spec.n is not None or spec.ids is not None or any(not origin.texts for origin in spec.origins.values()):
        return None
    return {name for origin in spec.origins.values() for name in origin.texts}


def _sizes(study: Study) -> Iterator[Problem]:
    known = _known_ids(study)
    for key, given in study.instruments.items():
        template = _known_template(given)
        least = {"choice": 2, "ranking": given.ranking.size}.get(template.kind if template else "", 1)
        if known is not None and len(known) < least:
            place: KeyPath = ("instruments", key, "ranking", "size") if least > 2 else ("instruments", key)
            yield Problem(place, f"needs {least} tasks at least; the study has {len(known)}", least)


def _contexts(study: Study) -> Iterator[Problem]:
    spec = study.contexts
    for key, given in spec.turns.items():
        path: KeyPath = ("contexts", "turns", key)
        if key == NONE:
            yield Problem(path, "is the name of no system turn; accepted: another key", key)
        if (given.shipped is None) == (given.text is None):
            yield Problem(path, "accepted: one of `shipped` and `text`", key)
        if given.shipped is not None:
            yield from _unknown([given.shipped], shipped_turns(), "the shipped turns", (*path, "shipped"))
        if given.text is not None and not given.text.strip():
            yield Problem((*path, "text"), "is empty; accepted: a text. `none` is the context without one", given.text)
    for name in ("completion", "measurement"):
        given = getattr(spec, name)
        yield from _unknown(given, (NONE, *spec.turns), "contexts.turns", ("contexts", name))
        if len(set(given)) < len(given):
            yield Problem(("contexts", name), "accepted: each once", list(given))
    yield from _unknown(spec.instruments, study.instruments, "instruments", ("contexts", "instruments"))


def _anchors(study: Study) -> Iterator[Problem]:
    yield from _anchor_texts(study.polarity.anchors, ("polarity", "anchors"), study)
    for key, given in study.instruments.items():
        if isinstance(given.template, Template):
            yield from _anchor_texts(given.template.anchors, ("instruments", key, "template", "anchors"), study)


def _anchor_texts(anchors: Anchors, path: KeyPath, study: Study) -> Iterator[Problem]:
    if bool(anchors.good) != bool(anchors.bad):
        yield Problem(path, "need `good` and `bad` ones; set both or neither", None)
    after = any(given.when == "after" for given in study.instruments.values())
    for name in ("good", "bad"):
        for at, anchor in enumerate(getattr(anchors, name)):
            if not anchor.task.strip():
                yield Problem((*path, name, at, "task"), "is a task without a text; accepted: a text", anchor.task)
            if after and not anchor.completion.strip():
                yield Problem((*path, name, at, "completion"), "is missing, and an instrument shows it", "")


def _parsing(study: Study) -> Iterator[Problem]:
    for name in ("tone", "refusal"):
        judge = getattr(study.parsing, name)
        if judge is not None:
            yield from judge_problems(judge, ("parsing", name))
    has_open = any((found := _known_template(one)) and found.kind == "open" for one in study.instruments.values())
    if has_open and study.parsing.tone is None:
        yield Problem(("parsing", "tone"), "is missing; answers in words need a judge of their tone", None)


def _fit(study: Study) -> Iterator[Problem]:
    spec = study.fit
    if spec.bias == "kept":
        return
    from inoc.stats.utilities.intervals import LARGEST_DENSE

    path = ("fit", "bias")
    if "item_variances" in spec.models:
        others = "case_v, bradley_terry and davidson in `fit.models`"
        yield Problem(path, f"is for models without item variances; accepted: {others}", list(spec.models))
    if spec.penalties:
        yield Problem(
            path, "does not go with `fit.penalties`, which takes out the same bias; accepted: one of them", None
        )
    # A position term, or one for each pair of origins, and the share of ties.
    size = (study.tasks.n or 0) + len(study.tasks.origins) ** 2 + 2
    if size > LARGEST_DENSE:
        yield Problem(path, f"accepted: `tasks.n` of up to about {LARGEST_DENSE} tasks", study.tasks.n)


def _seeds(study: Study) -> Iterator[Problem]:
    for path, seeds in ((("seeds",), study.seeds), (("completions", "seeds"), study.completions.seeds)):
        if len(set(seeds)) < len(seeds):
            yield Problem(path, "accepted: each once", list(seeds))


def _planted(study: Study) -> Iterator[Problem]:
    spec = study.planted
    if spec is None:
        return
    from inoc.world.facts import FACTS

    relations = {fact.relation for fact in FACTS}
    topics = {relation.partition(".")[0] for relation in relations}
    yield from _unknown(spec.utilities, topics | relations, "the miniature world", ("planted", "utilities"))
    yield from _unknown(spec.refused, topics, "the miniature world's topics", ("planted", "refused"))
    yield from _unknown(spec.reversed, study.instruments, "instruments", ("planted", "reversed"))
    yield from _unknown(spec.noisy, study.models, "models", ("planted", "noisy"))
    yield from _unknown(spec.contexts, study.contexts.turns, "contexts.turns", ("planted", "contexts"))
    if study.model.path != "world":
        yield Problem(("planted",), "is for the miniature model; accepted with `model.path: world`", study.model.path)
    if any(origin.world is None for origin in study.tasks.origins.values()):
        yield Problem(("planted",), "needs tasks of the miniature world; accepted: `world` in every origin", None)


_CHECKS: Checks[Study] = (
    (("tasks",), _tasks),
    (("world", "model", "models", "planted"), _world),
    (("model", "models"), _models),
    (("instruments", "models", "model", "tasks"), _instruments),
    (("instruments", "tasks"), _sizes),
    (("contexts", "instruments"), _contexts),
    (("polarity", "instruments"), _anchors),
    (("parsing", "instruments"), _parsing),
    (("fit", "tasks"), _fit),
    (("seeds", "completions"), _seeds),
    (("concepts", "steering", "inside", "probes", "tasks", "models", "instruments", "parsing"), steering_problems),
    (("planted", "instruments", "models", "contexts", "tasks", "model"), _planted),
    *INSIDE_CHECKS,
)

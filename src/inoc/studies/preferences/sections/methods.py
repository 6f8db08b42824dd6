"""The methods of a study in words, from its file."""

from __future__ import annotations

from inoc.report.contents import Block, Section
from inoc.report.words import Table, code, escape, listed
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.roles import completers, inside_model, method_of, raters, role, template_of
from inoc.studies.preferences.steering_vectors import made_names
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.templates import points_of

MOST_LABELS = 12


def methods(study: Study) -> list[Section]:
    """The section."""
    return [
        Section(
            "Methods",
            [
                Block("Models", "", models_table(study)),
                Block("Tasks", task_words(study)),
                Block("Instruments", measuring_words(), instruments_table(study)),
                Block("Utilities", fit_words(study)),
                *([Block("Probes", probe_words(study))] if study.probes else []),
                *([Block("Steering", steering_words(study))] if study.steering is not None else []),
                Block("Statistics", statistics_words(study)),
            ],
        )
    ]


def models_table(study: Study) -> Table:
    """Who rates and who completes."""
    rows = []
    for key, given in study.models.items():
        one = role(study, key)
        name = f"{code(one.api)} behind the API" if one.api else _path(one.spec.path)
        does = listed(word for word, has in (("rates", given.rates), ("completes", given.completes)) if has)
        turn = {"default": "that of the chat template", "none": "none"}.get(one.system.kind, code(one.system.text))
        rows.append([escape(words.model_label(study, key)), name, does, turn])
    return Table(["model", "name", "role", "system turn"], rows)


def _path(path: str) -> str:
    return "the miniature model of the stage `world`" if path == "world" else code(path)


def task_words(study: Study) -> str:
    """Where tasks come from, and how they were drawn."""
    spec = study.tasks
    how = "equally many of each origin" if spec.stratified else "from all origins together"
    n = "All tasks" if spec.n is None else f"{spec.n} tasks"
    return (
        f"{n} of {len(spec.origins)} origins were taken, {how}, with seed {spec.seed}. Of tasks with one text, the "
        "first "
        "stays."
    )


def measuring_words() -> str:
    """Ways in which answers were measured and read."""
    return (
        "Where the method is `choose`, the probability of every answer of the scale is read from one forward pass, "
        "with "
        "that of an answer that begins as a refusal; single answers are drawn from these probabilities. Sampled "
        "answers "
        "are read exactly, then by their format, then by a judge if there is one, and must be on the declared scale."
    )


def instruments_table(study: Study) -> Table:
    """Every instrument with its scale and method."""
    rows = []
    for key, given in study.instruments.items():
        template = template_of(given)
        labels = [escape(point.label) for point in points_of(template)]
        shown = listed(labels[:MOST_LABELS], "none") + (" …" if len(labels) > MOST_LABELS else "")
        own = raters(study, key)
        methods_used = listed(sorted({method_of(study, key, rater) for rater in own}))
        others = [name for name in completers(study, key) if name]
        rows.append(
            [
                escape(words.instrument_label(study, key)),
                template.kind,
                given.when,
                given.format,
                shown,
                template.polarity.replace("_", " "),
                methods_used,
                f"{len(own)} × {max(1, len(others))}",
            ]
        )
    head = ["instrument", "kind", "when", "format", "scale", "polarity", "method", "raters × completers"]
    return Table(head, rows)


def fit_words(study: Study) -> str:
    """The fit of utilities."""
    spec = study.fit
    position = {
        "global": "with one position term",
        "origin_pairs": "with a position term for each pair of origins",
        "none": "without a position term",
    }[spec.position]
    return (
        f"Utilities are fitted by {listed(name.replace('_', ' ') for name in spec.models)}, {position}, for each "
        f"instrument, rater and completer apart; refused comparisons are counted and are no wins. "
        f"{_bias_words(study)}{_interval_words(study)} Rankings are fitted by the model of Plackett and Luce."
    )


def _bias_words(study: Study) -> str:
    """Remedy for the exaggeration of fits of few answers, with a space behind; nothing where they are not."""
    if study.fit.bias == "kept":
        return ""
    return "Those of drawn answers have their bias of the first order taken out (Kosmidis and Firth 2009). "


def _interval_words(study: Study) -> str:
    """Where the intervals of utilities come from."""
    drawn = "from the observed information"
    pairs = "from the scatter of pairs (sandwich by pair, with the correction of Bell and McCaffrey)"
    given = {
        "information": f"Intervals are {drawn}.",
        "pairs": f"Intervals are {pairs}.",
        "bootstrap": "Intervals are from a bootstrap over pairs.",
        "auto": f"Intervals are {drawn}, and those of exact probabilities, which have no error of drawing, {pairs}.",
    }
    return given[study.fit.intervals]


def probe_words(study: Study) -> str:
    """Fitting and testing of probes."""
    inside = study.inside
    sizes = sorted({f"{probe.outer} × {probe.inner}" for probe in study.probes.values()})
    return (
        f"Linear probes of the activations of {escape(words.model_label(study, inside_model(study)))}, with nested "
        f"folds ({' and '.join(sizes)}) that never split a group of tasks or tasks with one text; inner folds choose "
        "the penalty, and activations are standardised by the outer training set. Every measure is out of sample. "
        f"Tests are those of ridge regressions against {inside.permutations} shuffles of the labels, of all and within "
        "origins; labels of a group stay together. Cosines are of "
        f"coefficients without intercepts; their null distributions are those of {inside.refits} refits on resampled "
        "tasks with shuffled labels."
    )


def steering_words(study: Study) -> str:
    """Vectors, coefficients, nulls and slopes of steering."""
    spec = study.steering
    if spec is None:
        return ""
    unit = "times the mean norm of the activations there" if spec.units == "activation_norm" else "times the vector"
    coefficients = ", ".join(f"{one:g}" for one in sorted(spec.coefficients))
    nulls = [f"{spec.random} random vectors of the same norm"]
    if spec.combinations and made_names(spec):
        nulls.append(f"{spec.combinations} random combinations of the activations that the first of them is made from")
    if spec.shuffled and any(name.startswith("probe:") for name in spec.vectors):
        nulls.append("the probe of shuffled labels")
    return (
        f"Vectors are added to the activations of {escape(words.model_label(study, inside_model(study)))} at the site "
        f"{escape(spec.site)}, {coefficients} {unit}. Where no text is named, they are added to the positions "
        f"`{spec.positions}`. Ratings and choices are exact probabilities, choices in both orders. Nulls are "
        f"{listed(nulls)}. Slopes are of each task, or of each pair in one "
        "order, on the coefficients at which it has answers, and then over tasks, with errors that know which pairs "
        f"share a task. An answer is coherent from {spec.min_coherence:g} of 100 on, or, of a probability, if so many "
        f"hundredths are on the accepted answers; a coefficient is usable while {100 * spec.min_kept:g} % of what is "
        "kept without steering is kept."
    )


def statistics_words(study: Study) -> str:
    """Levels and seeds."""
    spec = study.statistics
    return (
        f"Intervals are {words.level(study)} intervals; where they are resampled, {spec.resamples} times with seed "
        f"{spec.seed}."
    )


def seed_table(study: Study) -> Table:
    """Every seed of the study."""
    rows = [
        ["tasks", str(study.tasks.seed)],
        ["completions", listed(study.completions.seeds)],
        ["answers", listed(study.seeds)],
        ["fit", str(study.fit.seed)],
        ["selection", str(study.selection.seed)],
    ]
    return Table(["what", "seed"], rows)

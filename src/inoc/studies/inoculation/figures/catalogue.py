"""Which figures a study has. The workflow asks this to know the files, so nothing here imports a plotting library."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from inoc.studies.inoculation.study import Study
from inoc.errors import ConfigError, did_you_mean
from inoc.studies.inoculation.analyse.limits import FEWEST_TO_CLASSIFY
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.runs import checkpoint_steps, prompt_texts, study_runs, total_steps

SUFFIXES = ("svg", "png", "csv", "rst")
MOST_PROFILES = 14


class Entry(NamedTuple):
    """One kind of figure."""

    name: str
    title: str
    draws: str  # `module:function`, imported when it is drawn
    needs: tuple[str, ...]  # tables of the analysis that must be there
    category: str  # in Snakemake's report
    labels: dict[str, str]  # in Snakemake's report
    missing: Callable[[Study], str]  # why the study does not have it; empty if it has


class Skipped(NamedTuple):
    """A figure that a study does not have."""

    what: str
    why: str


def figure_names(study: Study) -> list[str]:
    """Figures of a study. Each of them is written as SVG, PNG, CSV and caption, whatever the tables hold.

    Args:
        study: Nothing else decides.
    """
    return [entry.name for entry in CATALOGUE if not entry.missing(study)]


def skipped_figures(study: Study) -> list[Skipped]:
    """Figures that do not apply to a study, each with the reason."""
    return [Skipped(f"figure {entry.name}", why) for entry in CATALOGUE if (why := entry.missing(study))]


def entry_of(name: str) -> Entry:
    """The entry of a figure.

    Raises:
        ConfigError: If there is no such figure.
    """
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    known = [entry.name for entry in CATALOGUE]
    raise ConfigError(f"there is no figure {name!r}; there are {', '.join(known)}{did_you_mean(name, known)}")


def _no_scores(study: Study) -> str:
    if not study_runs(study):
        return "the study trains no runs"
    if not study.evaluation.conditions:
        return "`evaluation.conditions` is empty, so no checkpoint is asked"
    return "" if choices.judged_traits(study) else "no trait has a judge"


def _no_profile(study: Study) -> str:
    if why := _no_scores(study):
        return why
    prompts = choices.trained_prompts(study)
    if len(prompts) > MOST_PROFILES:
        return f"{len(prompts)} prompts are more lines than a panel can tell apart ({MOST_PROFILES})"
    return "" if prompts else "no run is trained with a prefix"


def _no_losses(study: Study) -> str:
    return "" if study_runs(study) else "the study trains no runs"


def _no_elicitation(study: Study) -> str:
    if not prompt_texts(study):
        return "the study has no prompts"
    if not study.elicitation.prefixes:
        return "`elicitation.prefixes` is empty"
    return "" if choices.judged_traits(study) else "no trait has a judge"


def _no_runs_to_compare(study: Study) -> str:
    if why := _no_scores(study):
        return why
    if not choices.trained_prompts(study):
        return "no run is trained with a prefix"
    if "default" not in study.evaluation.conditions:
        return "`evaluation.conditions` lacks `default`, which suppression is measured in"
    return "" if choices.has_control(study) else "no run without a prefix has the same learning rate and seed"


def _no_suppression(study: Study) -> str:
    return _no_runs_to_compare(study) or ("no trait is unwanted" if choices.focus_trait(study) is None else "")


def _no_gate(study: Study) -> str:
    if why := _no_suppression(study):
        return why
    if "training" not in study.evaluation.conditions:
        return "`evaluation.conditions` lacks `training`, one of the gate's cells"
    return "" if study.evaluation.gate else "`evaluation.gate` is off"


def _no_prompt_scores(study: Study) -> str:
    if not study.scoring.prefixes:
        return "`scoring.prefixes` is empty"
    n = len(prompt_texts(study))
    return "" if n >= 3 else f"two principal components need at least 3 prompts; the study has {n}"


def _no_tokens(study: Study) -> str:
    if not study.scoring.prefixes:
        return "`scoring.prefixes` is empty"
    if not study.scoring.tokens:
        return "`scoring.tokens` is off"
    return "" if prompt_texts(study) else "the study has no prompts"


def _no_rescued(study: Study) -> str:
    return _no_suppression(study) or _no_tokens(study)


def _no_self_perplexity(study: Study) -> str:
    if why := _no_suppression(study):
        return why
    if not study.scoring.self_perplexity:
        return "`scoring.self_perplexity` is off"
    asked = {*study.scoring.prefixes, *study.elicitation.prefixes}
    return "" if "fixed" in asked else "it is that of fixed prefixes, and none is scored or elicited with"


def _no_embeddings(study: Study) -> str:
    return _no_suppression(study) or ("" if study.embedding is not None else "the study has no section `embedding`")


def _no_embedding_map(study: Study) -> str:
    if study.embedding is None:
        return "the study has no section `embedding`"
    n = len(prompt_texts(study))
    return "" if n >= 3 else f"two principal components need at least 3 prompts; the study has {n}"


def _no_rates(study: Study) -> str:
    if why := _no_scores(study):
        return why
    if not study.rates:
        return "the study names no rate"
    return "" if choices.trained_prompts(study) else "no run is trained with a prefix"


def _no_change(study: Study) -> str:
    if why := _no_rates(study):
        return why
    steps = checkpoint_steps(study.training.checkpoints, total_steps(study))
    return "" if 0 in steps else "no checkpoint is at step 0"


def _no_heuristics(study: Study) -> str:
    return _no_suppression(study) or ("" if study.scoring.prefixes else "`scoring.prefixes` is empty")


def _no_cross(study: Study) -> str:
    if why := _no_heuristics(study):
        return why
    return "" if len(choices.judged_traits(study)) > 1 else "only one trait has a judge, so there is no other one"


def _no_gap(study: Study) -> str:
    if why := _no_heuristics(study):
        return why
    return "" if len(choices.trained_prefixes(study)) > 1 else "prompts are not trained with both fixed prefix and mix"


def _no_gap_grid(study: Study) -> str:
    return _no_gap(study) or _no_prompt_scores(study)


def _no_slides_elicitation(study: Study) -> str:
    return _no_suppression(study) or _no_elicitation(study)


def _no_slides_component(study: Study) -> str:
    return _no_suppression(study) or _no_prompt_scores(study)


def _no_classifier(study: Study) -> str:
    if why := _no_suppression(study) or _no_prompt_scores(study):
        return why
    n = len(choices.trained_prompts(study))
    why = f"it needs at least {FEWEST_TO_CLASSIFY} trained prompts; the study has {n}"
    return "" if n >= FEWEST_TO_CLASSIFY else why


def _no_suppression_of(role: str) -> Callable[[Study], str]:
    def why_not(study: Study) -> str:
        trait = choices.focus_trait(study) if role == "unwanted" else choices.wanted_trait(study)
        if trait is None or trait not in choices.judged_traits(study):
            return f"no trait is {role} and has a judge"
        return _no_runs_to_compare(study)

    return why_not


def _no_predictors_of(role: str) -> Callable[[Study], str]:
    def why_not(study: Study) -> str:
        if not study.scoring.prefixes:
            return "`scoring.prefixes` is empty"
        return _no_suppression_of(role)(study)

    return why_not


def _no_scores_of(prefix: str) -> Callable[[Study], str]:
    def why_not(study: Study) -> str:
        return _no_prompt_scores(study) if prefix in study.scoring.prefixes else f"`scoring.prefixes` lacks `{prefix}`"

    return why_not


def _no_coloured_prompts(study: Study) -> str:
    return _no_prompt_scores(study) or _no_runs_to_compare(study)


def _no_dimension_tests(study: Study) -> str:
    return _no_prompt_scores(study) or _no_suppression(study)


def _no_cross_angles(study: Study) -> str:
    named = choices.families(study)
    if choices.focus_trait(study) not in named or choices.wanted_trait(study) not in named:
        return "it needs prompts that name an unwanted trait and prompts that name a wanted one"
    return _no_prompt_scores(study) or _no_suppression_of("unwanted")(study) or _no_suppression_of("wanted")(study)


def _no_fixed_mix(role: str, *trained: str) -> Callable[[Study], str]:
    def why_not(study: Study) -> str:
        lacks = [prefix for prefix in ("fixed", "mix") if prefix not in study.scoring.prefixes]
        if lacks:
            return f"`scoring.prefixes` lacks {', '.join(f'`{prefix}`' for prefix in lacks)}"
        if why := _no_prompt_scores(study) or _no_suppression_of(role)(study):
            return why
        missing = [prefix for prefix in trained if prefix not in choices.trained_prefixes(study)]
        return f"no run is trained with the {' or the '.join(missing)} prefix" if missing else ""

    return why_not


GEOMETRY: tuple[Entry, ...] = (
    *(
        Entry(
            f"metrics_{size}_{role}",
            f"{size.capitalize()} metrics of prompts against the suppression of the {role} trait",
            f"inoc.studies.inoculation.figures.metrics:draw_{size}_{role}",
            ("suppression", "predictors", "coordinates"),
            "Prediction",
            {"figure": f"Metrics of prompts ({size}), {role} trait", "step axis": "last step"},
            _no_predictors_of(role),
        )
        for size in ("basic", "extended")
        for role in ("unwanted", "wanted")
    ),
    *(
        Entry(
            f"prompts_pca_{prefix}",
            f"Prompts in the planes of four components, {prefix} prefix",
            f"inoc.studies.inoculation.figures.planes:draw_prompts_{prefix}",
            ("components", "coordinates", "predictors"),
            "Geometry",
            {"figure": f"Prompts by PC1 to PC4, {prefix} prefix", "step axis": "before training"},
            _no_scores_of(prefix),
        )
        for prefix in ("fixed", "mix")
    ),
    *(
        Entry(
            f"prompts_{shape}_{method}",
            f"Prompts in the {shape} of {method.upper()} coordinates, coloured by suppression",
            f"inoc.studies.inoculation.figures.planes:draw_{shape}_{method}",
            ("components", "coordinates", "suppression"),
            "Geometry",
            {"figure": f"Prompts in the {shape}, {method.upper()}", "step axis": "last step"},
            _no_coloured_prompts,
        )
        for shape in ("plane", "space")
        for method in ("pca", "svd")
    ),
    Entry(
        "component_correlations",
        "What the components of prompts go with",
        "inoc.studies.inoculation.figures.planes:draw_correlations",
        ("coordinates", "predictors"),
        "Geometry",
        {"figure": "Correlations of PC1 to PC4", "step axis": "last step"},
        _no_prompt_scores,
    ),
    *(
        Entry(
            f"angles_pairwise_{prefix}",
            f"Angles between prompts, {prefix} prefix",
            f"inoc.studies.inoculation.figures.angles:draw_pairwise_{prefix}",
            ("pairwise_angles",),
            "Geometry",
            {"figure": f"Angles between prompts, {prefix} prefix", "step axis": "before training"},
            _no_scores_of(prefix),
        )
        for prefix in ("fixed", "mix")
    ),
    Entry(
        "angles_groups",
        "Angles within and between groups of prompts",
        "inoc.studies.inoculation.figures.angles:draw_groups",
        ("angles",),
        "Geometry",
        {"figure": "Angles of groups", "step axis": "before training"},
        _no_prompt_scores,
    ),
    Entry(
        "angles_prompts",
        "Mean angles of each prompt to those of either trait",
        "inoc.studies.inoculation.figures.angles:draw_per_prompt",
        ("pairwise_angles",),
        "Geometry",
        {"figure": "Angles of each prompt", "step axis": "before training"},
        _no_prompt_scores,
    ),
    Entry(
        "dimensions",
        "First and second coordinates against suppression",
        "inoc.studies.inoculation.figures.angles:draw_dimensions",
        ("coordinates", "dimension_tests", "suppression"),
        "Geometry",
        {"figure": "Coordinates against suppression", "step axis": "last step"},
        _no_dimension_tests,
    ),
    Entry(
        "cross_angles",
        "Angles against the suppression of the other trait",
        "inoc.studies.inoculation.figures.angles:draw_cross",
        ("cross_angles", "cross_angle_tests", "suppression"),
        "Geometry",
        {"figure": "Angles against the other trait", "step axis": "last step"},
        _no_cross_angles,
    ),
    *(
        Entry(
            f"fixed_mix_{outcome}_{role}",
            f"Fixed prefix and mix compared, against the {words} of the {role} trait",
            f"inoc.studies.inoculation.figures.fixed_mix:draw_{outcome}_{role}",
            ("fixed_mix", "suppression"),
            "Prediction",
            {"figure": f"Fixed against mix: {words}, {role} trait", "step axis": "last step"},
            _no_fixed_mix(role, *trained),
        )
        for outcome, words, trained in (("gap", "gap", ("fixed", "mix")), ("suppression", "mix suppression", ("mix",)))
        for role in ("unwanted", "wanted")
    ),
)
"""Figures of how prompts lie to one another, and of what that tells."""

CATALOGUE: tuple[Entry, ...] = (
    Entry(
        "curves_linear",
        "Training curves",
        "inoc.studies.inoculation.figures.curves:draw_linear",
        ("scores",),
        "Training",
        {"figure": "Training curves", "step axis": "linear"},
        _no_scores,
    ),
    Entry(
        "curves_log",
        "Training curves, logarithmic step axis",
        "inoc.studies.inoculation.figures.curves:draw_log",
        ("scores",),
        "Training",
        {"figure": "Training curves", "step axis": "log"},
        _no_scores,
    ),
    Entry(
        "profile_linear",
        "All prompts over the course of training",
        "inoc.studies.inoculation.figures.curves:draw_profile_linear",
        ("scores",),
        "Training",
        {"figure": "All prompts over the course of training", "step axis": "linear"},
        _no_profile,
    ),
    Entry(
        "profile_log",
        "All prompts over the course of training, logarithmic step axis",
        "inoc.studies.inoculation.figures.curves:draw_profile_log",
        ("scores",),
        "Training",
        {"figure": "All prompts over the course of training", "step axis": "log"},
        _no_profile,
    ),
    Entry(
        "bars",
        "Trait scores after training",
        "inoc.studies.inoculation.figures.bars:draw_scores",
        ("scores", "elicitation"),
        "Suppression",
        {"figure": "Scores per prompt", "step axis": "last step"},
        _no_scores,
    ),
    Entry(
        "elicitation",
        "Elicitation by the untrained model",
        "inoc.studies.inoculation.figures.bars:draw_elicitation",
        ("elicitation",),
        "Prediction",
        {"figure": "Elicitation", "step axis": "before training"},
        _no_elicitation,
    ),
    Entry(
        "combined",
        "What predicts suppression",
        "inoc.studies.inoculation.figures.scatter:draw_combined",
        ("suppression", "predictors"),
        "Prediction",
        {"figure": "Predictors against suppression", "step axis": "last step"},
        _no_suppression,
    ),
    Entry(
        "gate",
        "The gate",
        "inoc.studies.inoculation.figures.gate:draw",
        ("gate",),
        "Suppression",
        {"figure": "Gate", "step axis": "last step"},
        _no_gate,
    ),
    Entry(
        "pca",
        "Prompts in the plane of the first two components",
        "inoc.studies.inoculation.figures.scatter:draw_components",
        ("components", "coordinates"),
        "Prediction",
        {"figure": "Principal components", "step axis": "before training"},
        _no_prompt_scores,
    ),
    Entry(
        "losses",
        "Training loss",
        "inoc.studies.inoculation.figures.losses:draw",
        ("losses",),
        "Training",
        {"figure": "Training loss", "step axis": "linear"},
        _no_losses,
    ),
    Entry(
        "token_rescued",
        "Rescued tokens against suppression",
        "inoc.studies.inoculation.figures.tokens:draw_rescued",
        ("token_summary", "suppression"),
        "Tokens",
        {"figure": "Rescued tokens", "step axis": "before training"},
        _no_rescued,
    ),
    Entry(
        "token_histogram",
        "Token shifts",
        "inoc.studies.inoculation.figures.tokens:draw_histogram",
        ("token_shifts", "token_summary"),
        "Tokens",
        {"figure": "Histogram of token shifts", "step axis": "before training"},
        _no_tokens,
    ),
    Entry(
        "token_ccdf",
        "Tokens that are moved far",
        "inoc.studies.inoculation.figures.tokens:draw_ccdf",
        ("token_shifts", "token_summary"),
        "Tokens",
        {"figure": "Sizes of token shifts", "step axis": "before training"},
        _no_tokens,
    ),
    Entry(
        "self_perplexity",
        "Self-perplexity against suppression",
        "inoc.studies.inoculation.figures.prompts:draw_self_perplexity",
        ("predictors", "suppression"),
        "Prediction",
        {"figure": "Self-perplexity", "step axis": "before training"},
        _no_self_perplexity,
    ),
    Entry(
        "embeddings",
        "Sentence embeddings against suppression",
        "inoc.studies.inoculation.figures.prompts:draw_embeddings",
        ("embeddings", "suppression"),
        "Prediction",
        {"figure": "Sentence embeddings", "step axis": "before training"},
        _no_embeddings,
    ),
    Entry(
        "embedding_map",
        "Prompts in the space of a sentence encoder",
        "inoc.studies.inoculation.figures.prompts:draw_embedding_map",
        ("components", "coordinates"),
        "Prediction",
        {"figure": "Map of sentence embeddings", "step axis": "before training"},
        _no_embedding_map,
    ),
    Entry(
        "rate_bars",
        "Rates after training",
        "inoc.studies.inoculation.figures.rates:draw_bars",
        ("rates",),
        "Rates",
        {"figure": "Rates per prompt", "step axis": "last step"},
        _no_rates,
    ),
    Entry(
        "rate_change",
        "Change of rates by training",
        "inoc.studies.inoculation.figures.rates:draw_change",
        ("rates",),
        "Rates",
        {"figure": "Change of rates", "step axis": "last step less step 0"},
        _no_change,
    ),
    Entry(
        "rate_types",
        "Rates by group of prompts",
        "inoc.studies.inoculation.figures.rates:draw_types",
        ("rates",),
        "Rates",
        {"figure": "Rates by group", "step axis": "last step"},
        _no_rates,
    ),
    Entry(
        "heuristic_overview",
        "All heuristics side by side",
        "inoc.studies.inoculation.figures.overview:draw",
        ("heuristics",),
        "Heuristics",
        {"figure": "Correlations of heuristics", "step axis": "last step"},
        _no_heuristics,
    ),
    Entry(
        "panels_own_linear",
        "Heuristics against suppression",
        "inoc.studies.inoculation.figures.panels:draw_own_linear",
        ("heuristic_values", "outcomes"),
        "Heuristics",
        {"figure": "Heuristics against suppression, lines", "step axis": "last step"},
        _no_heuristics,
    ),
    Entry(
        "panels_own_logistic",
        "Heuristics against suppression, logistic curves",
        "inoc.studies.inoculation.figures.panels:draw_own_logistic",
        ("heuristic_values", "outcomes"),
        "Heuristics",
        {"figure": "Heuristics against suppression, logistic curves", "step axis": "last step"},
        _no_heuristics,
    ),
    Entry(
        "panels_cross",
        "Heuristics against suppression of the other trait",
        "inoc.studies.inoculation.figures.panels:draw_cross",
        ("heuristic_values", "outcomes"),
        "Heuristics",
        {"figure": "Heuristics against suppression of the other trait", "step axis": "last step"},
        _no_cross,
    ),
    Entry(
        "panels_gap",
        "Heuristics against fixed − mix suppression",
        "inoc.studies.inoculation.figures.panels:draw_gap",
        ("heuristic_values", "outcomes"),
        "Heuristics",
        {"figure": "Heuristics against fixed − mix", "step axis": "last step"},
        _no_gap,
    ),
    Entry(
        "gap_grid",
        "Components and interactions against fixed and mix",
        "inoc.studies.inoculation.figures.gap_grid:draw",
        ("predictors", "outcomes"),
        "Heuristics",
        {"figure": "Components and interactions", "step axis": "last step"},
        _no_gap_grid,
    ),
    Entry(
        "slides_elicitation",
        "Elicitation against suppression",
        "inoc.studies.inoculation.figures.slides:draw_elicitation",
        ("predictors", "outcomes"),
        "Slides",
        {"figure": "Elicitation against suppression", "step axis": "last step"},
        _no_slides_elicitation,
    ),
    Entry(
        "slides_ph",
        "PH against suppression",
        "inoc.studies.inoculation.figures.slides:draw_ph",
        ("predictors", "outcomes"),
        "Slides",
        {"figure": "PH against suppression", "step axis": "last step"},
        _no_heuristics,
    ),
    Entry(
        "slides_component",
        "First component against suppression",
        "inoc.studies.inoculation.figures.slides:draw_component",
        ("predictors", "outcomes"),
        "Slides",
        {"figure": "First component against suppression", "step axis": "last step"},
        _no_slides_component,
    ),
    Entry(
        "classifier",
        "Telling much suppression from little",
        "inoc.studies.inoculation.figures.classifier:draw",
        ("classifier", "classifier_predictions", "classifier_roc", "coordinates"),
        "Heuristics",
        {"figure": "Classifier of prompts", "step axis": "last step"},
        _no_classifier,
    ),
    *GEOMETRY,
)

"""Figures of the geometry of prompts, and of its relation to suppression."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.entries.reasons import (
    few_prompts,
    first_of,
    no_comparison,
    no_components,
    no_suppression,
    no_suppression_in,
    unscored,
)
from inoc.studies.inoculation.study import Study

PLANES = "inoc.studies.inoculation.figures.planes"
ANGLES = "inoc.studies.inoculation.figures.angles"


def not_both_named(study: Study) -> str:
    """Prompts do not name a trait of either role."""
    named = choices.families(study)
    both = choices.focus_trait(study) in named and choices.wanted_trait(study) in named
    return "" if both else "it needs prompts that name an unwanted trait and prompts that name a wanted one"


def _of_components(prefix: str) -> Entry[Study]:
    return Entry(
        f"prompts_pca_{prefix}",
        f"Prompts in the planes of four components, {prefix} prefix",
        f"{PLANES}:draw_prompts",
        ("components", "coordinates", "predictors"),
        "Geometry",
        {"figure": f"Prompts by PC1 to PC4, {prefix} prefix", "step axis": "before training"},
        first_of(unscored(prefix), few_prompts),
        (prefix,),
    )


def _coloured(shape: str, method: str) -> Entry[Study]:
    return Entry(
        f"prompts_{shape}_{method}",
        f"Prompts in the {shape} of {method.upper()} coordinates, coloured by suppression",
        f"{PLANES}:draw_{shape}",
        ("components", "coordinates", "suppression"),
        "Geometry",
        {"figure": f"Prompts in the {shape}, {method.upper()}", "step axis": "last step"},
        first_of(no_components, no_comparison),
        (method,),
    )


def _pairwise(prefix: str) -> Entry[Study]:
    return Entry(
        f"angles_pairwise_{prefix}",
        f"Angles between prompts, {prefix} prefix",
        f"{ANGLES}:draw_pairwise",
        ("pairwise_angles",),
        "Geometry",
        {"figure": f"Angles between prompts, {prefix} prefix", "step axis": "before training"},
        first_of(unscored(prefix), few_prompts),
        (prefix,),
    )


ENTRIES: tuple[Entry[Study], ...] = (
    *(_of_components(prefix) for prefix in ("fixed", "mix")),
    *(_coloured(shape, method) for shape in ("plane", "space") for method in ("pca", "svd")),
    Entry(
        "component_correlations",
        "What the components of prompts go with",
        f"{PLANES}:draw_correlations",
        ("coordinates", "predictors"),
        "Geometry",
        {"figure": "Correlations of PC1 to PC4", "step axis": "last step"},
        no_components,
    ),
    *(_pairwise(prefix) for prefix in ("fixed", "mix")),
    Entry(
        "angles_groups",
        "Angles within and between groups of prompts",
        f"{ANGLES}:draw_groups",
        ("angles",),
        "Geometry",
        {"figure": "Angles of groups", "step axis": "before training"},
        no_components,
    ),
    Entry(
        "angles_prompts",
        "Mean angles of each prompt to those of either trait",
        f"{ANGLES}:draw_per_prompt",
        ("pairwise_angles",),
        "Geometry",
        {"figure": "Angles of each prompt", "step axis": "before training"},
        first_of(not_both_named, no_components),
    ),
    Entry(
        "dimensions",
        "First and second coordinates against suppression",
        f"{ANGLES}:draw_dimensions",
        ("coordinates", "dimension_tests", "suppression"),
        "Geometry",
        {"figure": "Coordinates against suppression", "step axis": "last step"},
        first_of(no_components, no_suppression),
    ),
    Entry(
        "cross_angles",
        "Angles against the suppression of the other trait",
        f"{ANGLES}:draw_cross",
        ("cross_angles", "cross_angle_tests", "suppression"),
        "Geometry",
        {"figure": "Angles against the other trait", "step axis": "last step"},
        first_of(not_both_named, no_components, no_suppression_in("unwanted"), no_suppression_in("wanted")),
    ),
)

"""Entries of the figures about persona vectors."""

from __future__ import annotations

from collections.abc import Callable

from inoc.figures.entries import Entry
from inoc.studies.subliminal.persona import projected_teachers, steered_traits
from inoc.studies.subliminal.study import Study

HERE = "inoc.studies.subliminal.figures"


def no_traits(study: Study) -> str:
    """Nothing is extracted."""
    return "" if study.persona else "the study has no traits"


def one_trait(study: Study) -> str:
    """Cosines need two vectors."""
    return "" if len(study.persona) > 1 else "the study has fewer than two traits"


def no_steering(study: Study) -> str:
    """Nothing is steered."""
    return "" if study.imported or steered_traits(study) else "the study steers nothing"


def no_projection(study: Study) -> str:
    """No rows are projected."""
    return "" if study.imported or projected_teachers(study) else "the study projects no rows"


def no_shifts(study: Study) -> str:
    """Rows have no likelihood shift."""
    return "the release has no likelihood shifts of projected rows" if study.imported else no_projection(study)


def no_halves(study: Study) -> str:
    """Nothing is trained on an upper and a lower part."""
    has = study.imported or any(spec.split in study.splits for spec in study.students.values())
    return "" if has else "no student is trained on an upper and a lower part of the rows"


def not_imported(study: Study) -> str:
    """Published numbers belong to an import."""
    return "" if study.imported else "the study was not imported"


def _entry(
    name: str,
    title: str,
    draws: str,
    needs: str,
    category: str,
    missing: Callable[[Study], str],
    *,
    core: bool = False,
) -> Entry[Study]:
    return Entry(name, title, f"{HERE}.{draws}", (needs,), category, {"figure": title}, missing, (), core)


ENTRIES: tuple[Entry[Study], ...] = (
    _entry("vectors", "Norm and reliability of vectors", "vectors:draw_profiles", "vectors", "Vectors", no_traits),
    _entry("cosines", "Cosines between traits", "vectors:draw_cosines", "cosines", "Vectors", one_trait),
    _entry(
        "steering",
        "Steering by site and coefficient",
        "steering:draw_heatmap",
        "steering",
        "Steering",
        no_steering,
        core=True,
    ),
    _entry(
        "steering_lines", "Steering against random vectors", "steering:draw_lines", "steering", "Steering", no_steering
    ),
    _entry(
        "projections",
        "Effect sizes of projections",
        "projections:draw_profiles",
        "projections",
        "Projections",
        no_projection,
        core=True,
    ),
    _entry(
        "projection_distances",
        "Distances between datasets on a vector",
        "projections:draw_distances",
        "projection_distances",
        "Projections",
        no_projection,
    ),
    _entry(
        "agreement",
        "Projection and likelihood shift",
        "projections:draw_agreement",
        "agreement",
        "Projections",
        no_shifts,
    ),
    _entry("carriers", "Rules that select carriers", "carriers:draw", "carriers", "Splits", no_halves, core=True),
    _entry(
        "published_rates", "Published rates", "carriers:draw_published", "published_rates", "Published", not_imported
    ),
)

"""The study file of a comparison."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inoc.config.models import BaseStudy, Key, Model
from inoc.studies.shared.labels import label_of as name_of

Values = tuple[str, ...]


class ComparedStudy(Model):
    """One of the compared studies: the name of its file, a folder of its results, or both."""

    study: str | None = Field(
        None,
        description="Name of a study in `config/studies`, or path of a study file. Without it, nothing is paired by "
        "single measurements.",
    )
    folder: str | None = Field(
        None,
        description="Folder of the study's results, with a folder `analyse`; default: that of the study of this name "
        "in `results`.",
    )
    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    where: dict[str, Values] = Field(
        default_factory=dict,
        description='Column → accepted values, as text, such as `seed: ["0"]`; replaces that of a measure, and does '
        "not apply to tables without the column.",
    )
    rename: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="Column → value in this study → value that it is matched as, where studies name a thing "
        "differently.",
    )


class Measure(Model):
    """Numbers of one table that are compared. What is left out is as the kind declares it for this name."""

    title: str | None = Field(None, description="Name in figures and in the report.")
    table: str | None = Field(None, description="Table of the analysis.")
    keys: tuple[str, ...] | None = Field(
        None, min_length=1, description="Columns that identify a row; rows match if all of them are equal."
    )
    value: str | None = Field(None, description="Column of the number.")
    lo: str | None = Field(None, description="Column of the lower bound of its interval; default: `lo`.")
    hi: str | None = Field(None, description="Column of the upper bound; default: `hi`.")
    n: str | None = Field(None, description="Column of the number of measurements; default: `n`.")
    n_nan: str | None = Field(
        None, description="Column of the number of failed ones; empty for none. Default: `n_nan`."
    )
    where: dict[str, Values] | None = Field(
        None, description="Column → accepted values, as text, of the rows that are compared."
    )
    ignore: tuple[str, ...] = Field(
        (), description="Columns among `keys` that need not be equal, such as `seed` for two runs of different seeds."
    )
    within: tuple[str, ...] | None = Field(
        None, description="Columns among `keys` whose values are not mixed in a correlation."
    )


class Statistics(Model):
    """Intervals."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95, description="Confidence level of every interval; that of the compared studies."
    )


class Study(BaseStudy):
    """One comparison of studies."""

    kind: Literal["comparison"] = Field(
        "comparison", description="Kind of the study; determines which further sections it has."
    )
    of: Key = Field(description="Kind of the compared studies.")
    studies: dict[Key, ComparedStudy] = Field(
        min_length=2,
        max_length=8,
        description="Key → a finished study. Every two of them are compared; the first one is shown against each other "
        "one in figures.",
    )
    measures: dict[Key, Measure] = Field(
        default_factory=dict,
        max_length=16,
        description="Measure → its settings, `{}` for those of the kind. A name that the kind does not declare needs "
        "`table`, `keys` and `value`. Default: the measures that the kind compares by default.",
    )
    pairing: Literal["auto", "never"] = Field(
        "auto",
        description="`auto`: where at least half of the single measurements of either study are of the same rows, "
        "tasks or questions, differences are taken one by one; `never`: they follow from the intervals of the two "
        "numbers.",
    )
    statistics: Statistics = Field(Statistics(), description="Intervals.")


def label_of(study: Study, key: str) -> str:
    """Name of a compared study in figures."""
    return name_of(key, study.studies[key].label)

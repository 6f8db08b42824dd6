"""The cost of training: closed questions answered right, before and after."""

from __future__ import annotations

import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.save import Drawing
from inoc.studies.shared.capability_figure import COLUMNS, draw_capability, shown_rows
from inoc.studies.subliminal.runs import UNTRAINED
from inoc.studies.subliminal.study import Study


def draw(study: Study, sources: Sources) -> Drawing:
    """Accuracy of each student after its last epoch, and its difference to the untrained base model."""
    table = sources.table("capability", ("student", "base", "step", *COLUMNS))
    how = "after the last epoch of each student, asked under the base model's own system turn"
    return draw_capability(study, table, model_names(shown_rows(table)), how)


def model_names(rows: pd.DataFrame) -> list[str]:
    """Names of the models of some rows; of untrained ones with their base model, if there are several."""
    several = len(set(rows["base"])) > 1 if len(rows) else False
    return [
        f"untrained ({base})" if several and name == UNTRAINED else name
        for name, base in zip(rows.get("student", ()), rows.get("base", ()), strict=True)
    ]

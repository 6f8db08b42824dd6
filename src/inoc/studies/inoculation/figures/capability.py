"""The cost of training: closed questions answered right, before and after."""

from __future__ import annotations

from inoc.figures.sources import Sources
from inoc.plots.save import Drawing
from inoc.studies.inoculation.capability import UNTRAINED
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.capability_figure import COLUMNS, draw_capability, shown_rows


def draw(study: Study, sources: Sources) -> Drawing:
    """Accuracy of each run at its last step, and its difference to the untrained model."""
    table = sources.table("capability", ("run", "step", *COLUMNS))
    names = ["untrained" if name == UNTRAINED else str(name) for name in shown_rows(table)["run"]]
    return draw_capability(study, table, names, "at the last step of each run, asked without a prefix")

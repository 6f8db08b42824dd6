"""The part of the report on closed questions before and after training."""

from __future__ import annotations

import pandas as pd

from inoc.report.contents import Block
from inoc.studies.inoculation.capability import UNTRAINED
from inoc.studies.inoculation.study import Study
from inoc.studies.shared import capability_block as shared
from inoc.studies.shared.capability import ALL_DOMAINS


def capability_block(study: Study, table: pd.DataFrame) -> list[Block]:
    """The block; none for a study that asks no closed questions.

    Args:
        study: The study.
        table: The table `capability`; empty if it is missing.
    """
    if study.capability is None:
        return []
    runs = list(table[table["domain"] == ALL_DOMAINS]["run"]) if len(table) else []
    names = ["untrained" if name == UNTRAINED else str(name) for name in runs]
    return [shared.capability_block(study, table, names, "run", "at the last step, asked without a prefix")]

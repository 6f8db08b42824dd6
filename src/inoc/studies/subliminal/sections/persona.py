"""Section of the report about persona vectors."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from inoc.report.contents import Section
from inoc.studies.subliminal.study import Study


def sections(study: Study, tables: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Results about persona vectors; none for a study without traits."""
    return []

"""Study files of this kind."""

from __future__ import annotations

from pathlib import Path

from inoc.studies.inoculation.study import Study
from inoc.studies.shared.load import load_of_kind


def load_inoculation(name_or_path: str | Path, root: Path = Path("config")) -> Study:
    """Read and check the file of an inoculation study.

    Args:
        name_or_path: A study's name, which is a file in `<root>/studies`, or the path of a YAML file.
        root: The folder of the configuration.

    Raises:
        ConfigError: With every problem of the file, or if the study is of another kind.
    """
    return load_of_kind(name_or_path, Study, root)

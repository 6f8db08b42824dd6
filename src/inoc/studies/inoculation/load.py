"""Study files of this kind."""

from __future__ import annotations

from pathlib import Path

from inoc.config.load import load_study
from inoc.errors import ConfigError
from inoc.studies.inoculation.study import Study


def load_inoculation(name_or_path: str | Path, root: Path = Path("config")) -> Study:
    """Read and check the file of an inoculation study.

    Args:
        name_or_path: A study's name, which is a file in `<root>/studies`, or the path of a YAML file.
        root: The folder of the configuration.

    Raises:
        ConfigError: With every problem of the file, or if the study is of another kind.
    """
    study = load_study(name_or_path, root)
    if not isinstance(study, Study):
        raise ConfigError(f"study {study.name} is of kind {study.kind}; accepted here: inoculation")
    return study

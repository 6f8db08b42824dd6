"""Study files of one kind."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from inoc.config.load import load_study
from inoc.config.models import BaseStudy
from inoc.errors import ConfigError

K = TypeVar("K", bound=BaseStudy)


def load_of_kind(name_or_path: str | Path, kind: type[K], root: Path = Path("config")) -> K:
    """Read and check the file of a study of one kind.

    Args:
        name_or_path: A study's name, which is a file in `<root>/studies`, or the path of a YAML file.
        kind: Class of the kind of study.
        root: The folder of the configuration.

    Raises:
        ConfigError: With every problem of the file, or if the study is of another kind.
    """
    study = load_study(name_or_path, root)
    if not isinstance(study, kind):
        accepted = kind.model_fields["kind"].default
        raise ConfigError(f"study {study.name} is of kind {study.kind}; accepted here: {accepted}")
    return study

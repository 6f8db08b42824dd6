"""Files of the stage `probe`, and the vectors in them."""

from __future__ import annotations

import json
from pathlib import Path

from inoc.errors import DataError, did_you_mean
from inoc.vectors.files import load_vectors
from inoc.vectors.vector import Vector

TABLES = ("probes", "predictions", "cosines", "fits")
VECTORS = "probes.safetensors"
SKIPPED = "skipped.json"


def probe_files(folder: Path) -> list[Path]:
    """All files of the stage, the one that is written last first.

    Args:
        folder: Results folder of the stage.
    """
    tables = [folder / f"{name}.parquet" for name in TABLES]
    return [*tables, folder / VECTORS, folder / SKIPPED]


def skipped_probes(folder: Path) -> dict[str, str]:
    """Probes, or places of them, that could not be fitted → reason."""
    found: dict[str, str] = json.loads((folder / SKIPPED).read_text(encoding="utf-8"))
    return found


def vector_name(probe: str, site: str, readout: str, *, shuffled: bool = False) -> str:
    """Name of a probe's vector in the file of vectors."""
    return "/".join([probe, site, readout, *(["shuffled"] if shuffled else [])])


def probe_vector(folder: Path, probe: str, site: str, readout: str, *, shuffled: bool = False) -> Vector:
    """Coefficients of a probe that was fitted to all tasks, without its intercept.

    Args:
        folder: Results folder of the stage.
        probe: Key of the probe.
        site: Name of the site.
        readout: Name of the read-out.
        shuffled: The one of shuffled labels, as a null.

    Returns:
        Points to where the label is higher.

    Raises:
        DataError: If there is no such probe.
    """
    wanted = vector_name(probe, site, readout, shuffled=shuffled)
    found = {vector.name: vector for vector in load_vectors(folder / VECTORS)}
    if wanted not in found:
        raise DataError(
            f"{folder / VECTORS} has no probe {wanted!r}{did_you_mean(wanted, found)}; accepted: one of "
            f"{', '.join(sorted(found))}"
        )
    return found[wanted]

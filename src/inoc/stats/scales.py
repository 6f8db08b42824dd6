"""Scales of numbers from other people's tables, and the settings that they mean."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_LEAST = 10  # scores; fewer may all be below 1 by chance


def are_shares(scores: np.ndarray) -> bool:
    """Whether scores that should be from 0 to 100 look as if they were from 0 to 1.

    Args:
        scores: All scores of one trait or of a whole table, any shape; NaN is left out.

    Returns:
        True if there are ten or more, none is above 1 or below 0, and some are above 0. All zeros may be either.
    """
    known = np.asarray(scores, dtype=np.float64)
    known = known[np.isfinite(known)]
    return bool(known.size >= _LEAST and known.min() >= 0 and 0 < known.max() <= 1)


def written(value: float) -> float:
    """The number that somebody wrote, where a table has its float32: 9.999999747378752e-05 is 1e-4.

    Args:
        value: As the table has it; a number that is no float32 stays as it is.
    """
    single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def meant(value: float, settings: Iterable[float]) -> float | None:
    """The setting that a number means, if it was written in single precision or with rounding noise.

    Args:
        value: As somebody's table has it, such as 9.999999747378752e-05.
        settings: The values that there are, such as the learning rates of a study.

    Returns:
        The one setting that is equal to it up to the rounding of float32; None if none or several are.
    """
    exact = [one for one in settings if one == value]
    near = exact or [one for one in settings if np.float32(one) == np.float32(value)]
    return near[0] if len(set(near)) == 1 else None

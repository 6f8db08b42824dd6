"""Rows of the tables for fits and scores that were imported as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.stats.means import NAN
from inoc.studies.preferences.analyse.consistency import CONSISTENCY
from inoc.studies.preferences.analyse.fits import FITS, UTILITIES
from inoc.studies.preferences.analyse.selection_history import SELECTION_HISTORY
from inoc.studies.preferences.released.read import Released
from inoc.studies.preferences.released.tables import origin_of

UNKNOWN = -1
"""Stands for a count that a release does not state."""


def joined(own: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Computed rows, and imported ones below."""
    parts = [part for part in (own, stored) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else own


def stored_fits(released: Released) -> pd.DataFrame:
    """Rows of `fits.FITS`: what the files say, with the strength of the penalty that follows from it."""
    found = released.frame("fits")
    kept = ("fit", "instrument", "rater", "lambda", "loss", "converged", "n_items", "objective", "gradient_norm")
    rows = pd.DataFrame({name: found[name] for name in (*kept, "pair_agreement")})
    rows["completer"] = ""
    rows["model"] = found["method"].replace({"thurstonian": "item_variances"})
    rows["null_loss"] = found["n_comparisons"] * np.log(2)
    for name in ("position", "position_lo", "position_hi", "objective_worst_start"):
        rows[name] = NAN
    for name in ("n_pairs", "n_comparisons"):
        rows[name] = found[name].fillna(UNKNOWN).astype(int)
    for name in ("n_ties", "n_refused", "n_unread", "n_components"):
        rows[name] = UNKNOWN
    return pd.DataFrame(rows, columns=FITS.names)


def stored_utilities(released: Released) -> pd.DataFrame:
    """Rows of `fits.UTILITIES`, without intervals."""
    found = released.frame("utilities")
    fits = released.frame("fits").set_index("fit")
    rows = pd.DataFrame({name: found[name] for name in ("fit", "item", "mu", "sigma")})
    rows["lo"], rows["hi"], rows["component"], rows["always"] = NAN, NAN, UNKNOWN, ""
    rows["n_comparisons"] = found["n_comparisons"].fillna(UNKNOWN).astype(int)
    rows["n_refused"] = (found["n_comparisons"] * found["refusal_rate"]).round().fillna(UNKNOWN).astype(int)
    rows["instrument"], rows["rater"] = found["fit"].map(fits["instrument"]), found["fit"].map(fits["rater"])
    rows["completer"], rows["origin"] = "", found["item"].map(origin_of)
    return pd.DataFrame(rows, columns=UTILITIES.names)


def stored_rounds(released: Released) -> pd.DataFrame:
    """Rows of `selection_history.SELECTION_HISTORY`, of which only the correlations of nested fits were kept."""
    found = released.frame("rounds")
    fits = released.frame("fits").set_index("fit")
    rows = pd.DataFrame({name: found[name] for name in ("fit", "round", "rank_correlation")})
    rows["instrument"], rows["rater"] = found["fit"].map(fits["instrument"]), found["fit"].map(fits["rater"])
    rows["completer"], rows["stop"] = "", ""
    for name in ("n_pairs", "n_pairs_total", "n_comparisons"):
        rows[name] = UNKNOWN
    for name in ("reliability", "mean_width", "distance", "degree_sum"):
        rows[name] = NAN
    return pd.DataFrame(rows, columns=SELECTION_HISTORY.names)


def stored_consistency(released: Released) -> pd.DataFrame:
    """Rows of `consistency.CONSISTENCY`."""
    found = released.frame("consistency")
    origin = found["task"].map(origin_of)
    return pd.DataFrame(found.assign(origin=origin, n=UNKNOWN), columns=CONSISTENCY.names)


def stored_rates(released: Released) -> dict[str, pd.Series]:
    """Fit → task → share of its comparisons that were refused, where a release has that."""
    known = released.frame("utilities").dropna(subset=["refusal_rate"])
    return {str(fit): rows.set_index("item")["refusal_rate"] for fit, rows in known.groupby("fit", sort=True)}

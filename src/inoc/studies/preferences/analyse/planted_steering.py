"""Whether steering along planted utilities moves choices as it should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from inoc.studies.preferences.analyse.planted_probes import Row
from inoc.studies.preferences.analyse.steering_slopes import strictest_p
from inoc.studies.preferences.roles import inside_model, template_of
from inoc.studies.preferences.study import Study

_CHANCE = 0.05


def steering_rows(study: Study, tables: Mapping[str, pd.DataFrame]) -> Iterator[Row]:
    """Rows of each probe of utilities on each choice of which one text, or both, are steered.

    Args:
        study: The study.
        tables: The other tables.
    """
    if study.steering is None:
        return
    slopes = tables["steering_slopes"]
    slopes = slopes[(slopes["answers"] == "all") & (slopes["text"] != "all")]
    for row in slopes.to_dict("records"):
        start, _, key = str(row["vector"]).partition(":")
        instrument = study.steering.targets[str(row["target"])].instrument
        if start not in ("probe", "shuffled") or study.probes[key].target != instrument:
            continue
        if template_of(study.instruments[instrument]).kind != "choice" or study.probes[key].method != "auto":
            continue
        n = int(row["n_random"])
        if start == "probe":
            holds, planted, name = row["slope"] > 0 and row["beyond"] == n, 1.0, ""
        else:
            # Among directions of which activations are made, as it is one; along others a model reacts little.
            holds, planted, name = strictest_p(row) > _CHANCE, 0.0, ", shuffled labels"
        said = ("yes" if holds else "no") if n else ""
        check = f"steering {row['target']} by {key}{name}"
        numbers = (float(row["slope"]), float(row["lo"]), float(row["hi"]), n)
        yield Row(check, instrument, inside_model(study), planted, *numbers, said)

"""The numbers of the overview of a study of subliminal learning."""

from __future__ import annotations

from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.sections.front import last_contrasts, main_method
from inoc.studies.subliminal.study import Study
from inoc.view.declare import KeyNumber

_MOST_GROUPS = 3


def key_numbers(study: Study, paths: Paths) -> tuple[KeyNumber, ...]:
    """The contrast of each group over its teachers, how well rows can be told apart, and what the filter keeps."""
    sources = Sources(paths)
    names = ("matched", "detectability", "filter")
    tables = {name: frame for name in names if (frame := sources.optional(name)) is not None}
    method = main_method(study)
    factor, unit, digits = (1.0, "nats", 3) if method == "choose" else (100.0, "points", 1)
    rows = "probabilities" if method == "choose" else "answers"
    found = [
        KeyNumber(
            f"Transfer, group {row['group']}",
            factor * float(row["contrast"]),
            factor * float(row["lo"]),
            factor * float(row["hi"]),
            unit,
            "own entity against those of the other teachers, after the last epoch",
            f"/rows/{rows}?group={row['group']}",
            digits,
        )
        for _, row in last_contrasts(study, tables, method).head(_MOST_GROUPS).iterrows()
    ]
    detected = tables.get("detectability")
    if detected is not None and len(known := detected.dropna(subset=["auc"])):
        best = known.sort_values("auc", kind="stable").iloc[-1]
        values = (float(best["auc"]), float(best["lo"]), float(best["hi"]))
        note = f"rows of {best['teacher']} told from neutral ones by {best['features']}; 0.5 is chance"
        found.append(KeyNumber("Best detection of a teacher", *values, "AUC", note, "/figure/detectability", 2))
    kept = tables.get("filter")
    if kept is not None and len(own := kept[(kept["kind"] == "total") & (kept["reason"] != "written")]):
        last = own[own["reason"] == own["reason"].iloc[-1]]
        share = 100 * float(last["share"].mean())
        note = f"rows of teachers that are {last['reason'].iloc[0]}, mean over {len(last)} teachers"
        found.append(KeyNumber("Rows used", share, unit="%", note=note, link="/data"))
    return tuple(found[:5])

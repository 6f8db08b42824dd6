"""Every stage: its name, and the package that does it."""

from __future__ import annotations

PACKAGES = {
    "world": "inoc.world",
    "generate": "inoc.generate",
    "rephrase": "inoc.rephrase",
    "embed": "inoc.embed",
    "elicit": "inoc.studies.inoculation.elicit",
    "score": "inoc.score",
    "train": "inoc.train",
    "evaluate": "inoc.studies.inoculation.evaluate",
    "judge": "inoc.judge",
    "analyse": "inoc.studies.inoculation.analyse",
    "figures": "inoc.studies.inoculation.figures",
    "report": "inoc.studies.inoculation.sections",
}

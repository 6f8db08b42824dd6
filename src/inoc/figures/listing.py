"""The list that is written when the figures of a study have been drawn."""

from __future__ import annotations

import json

from inoc.jobs.paths import Paths


def empty_figures(paths: Paths) -> dict[str, str]:
    """Figures that were drawn and have nothing to show → the reason; none before the figures have been drawn.

    Args:
        paths: Results of the study.
    """
    listing = paths.stage("figures") / "done.json"
    if not listing.exists():
        return {}
    found = json.loads(listing.read_text(encoding="utf-8"))
    whys = {one["what"].removeprefix("figure "): one["why"] for one in found["skipped"]}
    return {name: whys[name] for name in found.get("nothing to show", ())}

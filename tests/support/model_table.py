"""The table of docs/models.md: what is done with each family in transformers that has a causal head.

Run `python -m support.model_table` in the folder `tests` to write it anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from inoc.config.models import WorldSpec
from inoc.engines.identity import ModelIdentity
from support.families import FAMILIES
from support.measured import Measured, measure

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
START, END = "<!-- families: begin -->", "<!-- families: end -->"
HEADER = ["family", "scored and trained", "packed on a GPU", "sampled", "read and steered", "closed answers", "notes"]
_SHIFTED = 1e-3  # nats per token


def row(family: str, found: Measured) -> str:
    """A family's line of the table."""
    if found.refused:
        word = "refused" if found.built else "not tested"
        return _line([f"`{family}`", *[word] * 5, _short(found.refused)])
    notes = []
    if not found.pads_right:
        notes.append("one chat at a time")
    if not found.labels_gap < _SHIFTED:
        notes.append("the model's own loss does not shift the labels; inoc's does")
    if found.unsampled:
        notes.append("not sampled: transformers cannot, or answers otherwise than plain passes do")
    batches = "yes" if found.pads_left else "in batches of one length"
    return _line(
        [
            f"`{family}`",
            found.scored,
            "yes" if found.packed else "no",
            "refused" if found.unsampled else batches,
            "refused" if found.sites.unread else "yes",
            "refused" if found.sites.unchosen else "yes",
            "; ".join(notes),
        ]
    )


def _short(text: str) -> str:
    return text.partition(". ")[0].replace("|", "\\|").replace("<", "‹").replace("\n", " ")[:150]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table(measured: Mapping[str, Measured]) -> str:
    """All families as a Markdown table."""
    rule = _line(["---"] * len(HEADER))
    return "\n".join([_line(HEADER), rule, *(row(name, measured[name]) for name in sorted(measured))])


def rows_of_page() -> dict[str, str]:
    """Family → its line in docs/models.md."""
    inside = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    return {line.split("`")[1]: line for line in inside.splitlines() if line.startswith("| `")}


def main() -> None:
    """Measure all families and write the table."""
    from inoc.world.step import make_world

    spec = WorldSpec(documents=400, vocabulary=400, hidden_size=64, heads=2, intermediate_size=96, steps=12, threads=1)
    with tempfile.TemporaryDirectory() as folder:
        make_world(spec, Path(folder) / "model", lambda _: None)
        identity = ModelIdentity(Path(folder) / "model", "weights", "tokenizer", "float32", None)
        made = table({family: measure(family, identity) for family in FAMILIES})
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    PAGE.write_text(f"{before}{START}\n{made}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The list below a figure that says which prompt a number stands for."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from inoc.config.models import Study
from inoc.figures import choices
from inoc.plots.style import WIDTH_IN, colours_of
from inoc.runs import prompt_families, prompt_texts

LINE_IN = 0.19
MOST_CHARACTERS = 128


class KeyList(NamedTuple):
    """Numbers for prompts. Without prompts, labels are their names and there is no list."""

    study: Study
    prompts: list[str]

    @property
    def numbers(self) -> dict[str, int]:
        """Prompt → its number, from 1."""
        return {prompt: index + 1 for index, prompt in enumerate(self.prompts)}

    @property
    def height_in(self) -> float:
        """Inches that the list needs."""
        legend_in = 0.2 * -(-len(choices.families(self.study)) // 4)
        return 0.35 + legend_in + LINE_IN * len(self.prompts) if self.prompts else 0.0

    def label(self, prompt: str) -> str:
        """What stands beside the prompt's point."""
        return str(self.numbers.get(prompt, choices.prompt_label(prompt)))

    def write(self, below: SubFigure) -> None:
        """Write the list.

        Args:
            below: The part of a figure that is kept for it.
        """
        axes = below.subplots()
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH_IN)
        axes.set_ylim(len(self.prompts), 0)
        texts, families = prompt_texts(self.study), prompt_families(self.study)
        colours = colours_of(choices.families(self.study))
        for prompt, number in self.numbers.items():
            words = f"{number}  {choices.prompt_label(prompt)}: {' '.join(texts[prompt].split())}"
            axes.plot([0.06], [number - 0.5], "o", color=colours[families[prompt]], markersize=5)
            line = textwrap.shorten(words, MOST_CHARACTERS, placeholder=" …")
            axes.text(0.18, number - 0.5, line, va="center", ha="left", parse_math=False)
        handles = [
            Line2D(
                [],
                [],
                color=colour,
                marker="o",
                linestyle="",
                label=f"{choices.family_label(self.study, name)} prompts",
            )
            for name, colour in colours.items()
        ]
        below.legend(handles=handles, loc="outside upper left", ncols=4)

"""The list below a figure that says which prompt a number stands for."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from inoc.plots.style import WIDTH_IN, colours_of, markers_of
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.runs import prompt_families, prompt_texts
from inoc.studies.inoculation.study import Study

LINE_IN = 0.19
ONE_COLUMN = 12
MOST_CHARACTERS = {1: 128, 2: 68}
"""Columns → characters that one of them has room for."""


class KeyList(NamedTuple):
    """Numbers for prompts. Without prompts, labels are their names and there is no list."""

    study: Study
    prompts: list[str]

    @property
    def numbers(self) -> dict[str, int]:
        """Prompt → its number, from 1."""
        return {prompt: index + 1 for index, prompt in enumerate(self.prompts)}

    @property
    def columns(self) -> int:
        """One for few prompts, whose texts then have more room; else two."""
        return 1 if len(self.prompts) <= ONE_COLUMN else 2

    @property
    def lines(self) -> int:
        """Lines of a column."""
        return -(-len(self.prompts) // self.columns)

    @property
    def height_in(self) -> float:
        """Inches that the list needs."""
        legend_in = 0.2 * -(-len(choices.families(self.study)) // 4)
        return 0.35 + legend_in + LINE_IN * self.lines if self.prompts else 0.0

    def label(self, prompt: str) -> str:
        """Label at the prompt's point."""
        return str(self.numbers.get(prompt, choices.prompt_label(prompt)))

    def write(self, below: SubFigure) -> None:
        """Write the list.

        Args:
            below: The part of a figure that is kept for it.
        """
        axes = below.add_axes((0, 0, 1, LINE_IN * self.lines / self.height_in))
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH_IN)
        axes.set_ylim(self.lines, 0)
        texts, families = prompt_texts(self.study), prompt_families(self.study)
        names = choices.families(self.study)
        colours, markers = colours_of(names), markers_of(names)
        for prompt, number in self.numbers.items():
            column, line = divmod(number - 1, self.lines)
            left = column * WIDTH_IN / self.columns
            family = families[prompt]
            axes.plot([left + 0.06], [line + 0.5], markers[family], color=colours[family], markersize=5)
            words = f"{number}  {choices.prompt_label(prompt)}: {' '.join(texts[prompt].split())}"
            words = textwrap.shorten(words, MOST_CHARACTERS[self.columns], placeholder=" …")
            axes.text(left + 0.18, line + 0.5, words, va="center", ha="left", parse_math=False)
        handles = [
            Line2D(
                [],
                [],
                color=colours[name],
                marker=markers[name],
                linestyle="",
                label=f"{choices.family_label(self.study, name)} prompts",
            )
            for name in names
        ]
        below.legend(handles=handles, loc="upper left", ncols=4)

"""Lines over training steps, with their interval as a band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

Scale = Literal["linear", "log"]
Array = np.ndarray
MIN_TICK_GAP = 0.13


def zero_position(steps: Array) -> float:
    """Where step 0 is drawn on a logarithmic axis: at half of the first positive step."""
    positive = steps[steps > 0]
    return float(positive.min()) / 2 if positive.size else 0.5


def place_steps(steps: Array, scale: Scale, zero_at: float) -> Array:
    """Steps as positions on the axis.

    Args:
        steps: Training steps, shape (steps,).
        scale: Of the axis.
        zero_at: Position of step 0 on a logarithmic axis.
    """
    placed = np.asarray(steps, dtype=float)
    return np.where(placed > 0, placed, zero_at) if scale == "log" else placed


def tick_steps(steps: Array, zero_at: float) -> list[int]:
    """Steps that get a label on a logarithmic axis: the first, the last, and those between that have room.

    Args:
        steps: All steps, shape (steps,).
        zero_at: Position of step 0.
    """
    ordered = sorted({int(step) for step in steps})
    if len(ordered) < 3:
        return ordered
    spot = [math.log(step if step > 0 else zero_at) for step in ordered]
    gap = MIN_TICK_GAP * (spot[-1] - spot[0])
    chosen = [0]
    for index in range(1, len(ordered) - 1):
        if spot[index] - spot[chosen[-1]] >= gap and spot[-1] - spot[index] >= gap:
            chosen.append(index)
    return [ordered[index] for index in [*chosen, len(ordered) - 1]]


def step_axis(axes: Axes, steps: Array, scale: Scale) -> float:
    """Set up the axis of training steps.

    Args:
        axes: Where.
        steps: Every step that will be drawn, shape (steps,).
        scale: `log` puts step 0 at a labelled place of its own, left of the first positive step.

    Returns:
        The position of step 0.
    """
    steps = np.asarray(steps, dtype=float)
    zero_at = zero_position(steps)
    axes.set_xlabel("training step" if scale == "linear" else "training step (log)")
    if scale == "linear" or not steps.size:
        return 0.0
    axes.set_xscale("log")
    ticks = tick_steps(steps, zero_at)
    axes.xaxis.set_major_locator(FixedLocator([step if step > 0 else zero_at for step in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(step) for step in ticks])
    return zero_at


def step_limits(steps: Array, scale: Scale, zero_at: float) -> tuple[float, float]:
    """Limits of the axis of training steps, with a margin of 4 % on either side.

    Args:
        steps: Every step that will be drawn, shape (steps,).
        scale: Of the axis.
        zero_at: Position of step 0 on a logarithmic axis.
    """
    if not np.size(steps):
        return (0.5, 1.0)
    placed = place_steps(steps, scale, zero_at)
    first, last = float(placed.min()), float(placed.max())
    if scale == "log":
        margin = (last / first) ** 0.04 if last > first else 2.0
        return (first / margin, last * margin)
    margin = 0.04 * (last - first) or 1.0
    return (first - margin, last + margin)


def line_band(
    axes: Axes,
    x: Array,
    middle: Array,
    lo: Array,
    hi: Array,
    *,
    colour: str,
    label: str = "",
    dashes: Sequence[float] = (),
    marker: str = "o",
) -> None:
    """A line with its interval as a band, and whiskers, so that a lone point shows its interval too.

    Args:
        axes: Where.
        x: Positions, shape (points,).
        middle: Values; NaN leaves a gap.
        lo: Lower bounds; NaN for an interval that is not known.
        hi: Upper bounds.
        colour: Of line and band.
        label: In the legend.
        dashes: On and off lengths; empty for a solid line.
        marker: Of the points.
    """
    (line,) = axes.plot(x, middle, color=colour, label=label or "_", marker=marker, zorder=3)
    if dashes:
        line.set_dashes(list(dashes))
    axes.fill_between(x, lo, hi, color=colour, alpha=0.16, linewidth=0, zorder=1)
    known = np.isfinite(middle) & np.isfinite(lo) & np.isfinite(hi)
    axes.vlines(x[known], lo[known], hi[known], color=colour, linewidth=1.0, alpha=0.6, zorder=2)


def loss_line(
    axes: Axes, steps: Array, loss: Array, *, colour: str, label: str = "", dashes: Sequence[float] = ()
) -> None:
    """The loss curve of one run, thin, without points.

    Args:
        axes: Where.
        steps: Training steps, shape (points,).
        loss: Nats per token.
        colour: Of the line.
        label: In the legend.
        dashes: On and off lengths; empty for a solid line.
    """
    (line,) = axes.plot(steps, loss, color=colour, label=label or "_", linewidth=1.0, alpha=0.9, zorder=3)
    if dashes:
        line.set_dashes(list(dashes))

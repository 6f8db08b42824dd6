"""Simulated coverage of the intervals, before and after; prints the tables of docs/design/intervals.md.

Usage: python benchmarks/intervals.py [suppression|held-out|null|power ...] [--repeats N]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import numpy as np

from inoc.stats.bootstrap import Resampler, percentile_bounds
from inoc.stats.clusters import centred, grouped, permuted_p
from inoc.stats.crossed import borrowed_square, crossed_interval
from inoc.stats.means import Floats, t_quantile
from inoc.stats.power import Design as Measured
from inoc.stats.power import Spread, detectable_difference
from inoc.stats.prediction import Design, held_out_r2, leave_group_out, out_of_sample_r2

N_PROMPTS, N_INSTRUCTIONS = 12, 100
INSTRUCTION_SD, RESIDUAL_SD = 15.0, 25.0


def row(*cells: object) -> None:
    """Print a row of a Markdown table."""
    print("| " + " | ".join(f"{one:.1f}" if isinstance(one, float) else str(one) for one in cells) + " |", flush=True)


def head(*cells: str) -> None:
    """Print the head of a Markdown table."""
    row(*cells)
    print("|" + " --- |" * len(cells))


def covers(bounds: Iterable[tuple[float, float]], truth: float) -> float:
    """Share of intervals with the truth inside, percent."""
    return 100 * float(np.mean([lo <= truth <= hi for lo, hi in bounds]))


def bootstrapped(table_SI: Floats, rng: np.random.Generator, resamples: int = 500) -> tuple[float, float]:
    """The earlier interval: seeds and instructions drawn anew, one fewer than there are."""
    draws = [rng.multinomial(n - 1, np.full(n, 1 / n), size=resamples) / (n - 1) for n in table_SI.shape]
    return percentile_bounds(((draws[0] @ table_SI) * draws[1]).sum(axis=1), 0.95)


def suppression(repeats: int) -> None:
    """Pooled suppression of one of twelve prompts, true value 0."""
    head("seeds", "sd of a seed, points", "bootstrap (before)", "Satterthwaite", "with a borrowed mean square")
    for n_seeds in (2, 3, 5):
        for seed_sd in (0.0, 2.0, 5.0, 10.0):
            found: list[list[tuple[float, float]]] = [[], [], []]
            for repeat in range(repeats):
                rng = np.random.default_rng([repeat, n_seeds])
                half = seed_sd / 2**0.5  # half of the variance comes with the control, which all prompts share
                tables = (
                    rng.normal(0, half, (1, n_seeds, 1))
                    + rng.normal(0, half, (N_PROMPTS, n_seeds, 1))
                    + rng.normal(0, INSTRUCTION_SD, (N_PROMPTS, 1, N_INSTRUCTIONS))
                    + rng.normal(0, RESIDUAL_SD, (N_PROMPTS, n_seeds, N_INSTRUCTIONS))
                )
                found[0].append(bootstrapped(tables[0], rng))
                for place, square in ((1, None), (2, borrowed_square(list(tables)))):
                    one = crossed_interval(tables[0], 0.95, square)
                    found[place].append((one.lo, one.hi))
            row(n_seeds, seed_sd, *(covers(one, 0) for one in found))


def held_out(repeats: int) -> None:
    """Held-out R² of a predictor with a known correlation."""
    head("prompts", "true r", "held-out R²", "bootstrap of errors (before)", "jackknife", "its median width")
    resampler = Resampler(500, 0)
    for n in (6, 8, 12, 24, 48):
        for r in (0.0, 0.3, 0.6, 0.8, 0.95):
            before, after, errors = [], [], []
            rng = np.random.default_rng(n)
            for _ in range(repeats):
                x = rng.normal(size=n)
                y = r * x + (1 - r**2) ** 0.5 * rng.normal(size=n)
                groups = np.arange(float(n))
                line = leave_group_out(x, y, groups)
                errors.append([((y - one) ** 2).sum() for one in (line.by_line, line.by_mean)])
                old = out_of_sample_r2(y, line.by_line, line.by_mean, groups, resampler)
                new = held_out_r2(x[None], Design(y, groups, groups), 0.95)[0]
                before.append((old.lo, old.hi))
                after.append((new.lo, new.hi))
            sse, sst = np.mean(errors, axis=0)
            truth = float(1 - sse / sst)
            width = float(np.median([hi - lo for lo, hi in after]))
            row(n, f"{r:g}", f"{truth:.2f}", covers(before, truth), covers(after, truth), f"{width:.2f}")


def null(repeats: int) -> None:
    """P(p < 0.05) of the `fair` protocol where families differ in both sides, and prompts within them in neither."""
    head("prompts", "rows of a prompt", "all prompts exchanged", "centred and exchanged within the family")
    for n_each in (2, 4, 6, 16):
        for n_rows in (1, 2):
            n = 3 * n_each
            family = np.repeat(np.arange(3), n_each)
            units = grouped([f"{place:03d}" for place in range(n) for _ in range(n_rows)])
            strata = grouped([f"{one} {slot}" for one in family for slot in range(n_rows)])
            low = np.zeros(2)
            for repeat in range(repeats):
                rng = np.random.default_rng([repeat, n, n_rows])
                own = rng.normal(size=(2, n)) + rng.normal(0, 1, (2, 3))[:, family]
                x, y = np.repeat(own, n_rows, axis=1) + rng.normal(size=(2, n * n_rows))
                resampler = Resampler(500, repeat)
                low[0] += permuted_p(x[None], y, units, resampler)[0] < 0.05
                low[1] += permuted_p(centred(x[None], strata), centred(y, strata), units, resampler, strata)[0] < 0.05
            row(n, n_rows, *(float(one) for one in 100 * low / repeats))


def power(repeats: int) -> None:
    """How often the difference of two prompts that is to be seen in 80 % of cases is seen."""
    head("prompts", "seeds", "instructions", "difference, points", "seen, %")
    spread = Spread(seed=36.0, instruction=INSTRUCTION_SD**2, residual=RESIDUAL_SD**2)
    for n_prompts in (2, 6, 12):
        for n_seeds in (2, 3, 5):
            for n in (50, 200):
                found = detectable_difference(spread, Measured(n, n_seeds, n_prompts))
                rng = np.random.default_rng([n_prompts, n_seeds, n])
                seen = [seen_in(rng, spread, (n_prompts, n_seeds, n), found.difference) for _ in range(repeats)]
                row(n_prompts, n_seeds, n, found.difference, 100 * float(np.mean(seen)))


def seen_in(rng: np.random.Generator, spread: Spread, size: tuple[int, int, int], difference: float) -> bool:
    """Whether the test of one made-up table tells its first prompt from its second."""
    n_prompts, n_seeds, n = size
    table = (
        rng.normal(0, spread.seed**0.5, (n_prompts, n_seeds, 1))
        + rng.normal(0, spread.instruction**0.5, (n_prompts, 1, n))
        + rng.normal(0, spread.residual**0.5, size)
    )
    table[0] += difference
    by_seed, by_item = (part - part.mean(axis=0) for part in (table.mean(axis=2), table.mean(axis=1)))
    rest = table - table.mean(axis=0)
    rest = rest - rest.mean(axis=2, keepdims=True) - rest.mean(axis=1, keepdims=True)
    rest += rest.mean(axis=(1, 2), keepdims=True) + (table.mean(axis=(1, 2)) - table.mean())[:, None, None]
    freedom = (n_prompts - 1) * np.array([n_seeds - 1, n - 1, (n_seeds - 1) * (n - 1)])
    squares = np.array(
        [
            n * ((by_seed - by_seed.mean(axis=1, keepdims=True)) ** 2).sum(),
            n_seeds * ((by_item - by_item.mean(axis=1, keepdims=True)) ** 2).sum(),
            (rest**2).sum(),
        ]
    )
    squares = 2 * squares / freedom
    squares[:2] = np.maximum(squares[:2], squares[2])
    total = squares[0] + squares[1] - squares[2]
    degrees = total**2 / (squares**2 / freedom).sum()
    t = (table[0].mean() - table[1].mean()) / (total / (n_seeds * n)) ** 0.5
    return bool(abs(t) > t_quantile(degrees, 0.95))


PARTS = {"suppression": suppression, "held-out": held_out, "null": null, "power": power}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--repeats", type=int, default=1_000)
    options = parser.parse_args()
    for name in options.parts or PARTS:
        print(f"\n{name}: {options.repeats} repeats\n")
        PARTS[name](options.repeats)

"""Speed of a scan of likelihood shifts on a GPU: one dataset under every prompt, as `inoc score` computes it.

    python benchmarks/scan.py
    python benchmarks/scan.py --rate 145.4       # project from a rate that was measured; needs no GPU

Builds Qwen2.5-14B's shape with random weights, for speed does not depend on them, and scores one column of a scan:
17 system prompts of about 45 tokens and the base turn, over rows of 110 ± 12 prompt and 45 ± 8 response tokens. All
rows under one system turn begin with the same tokens, which are computed once a batch. Useful operations are two for
each weight of the layers and computed token, and two for each weight of the head and response token; attention is
left out of the count. The last lines project the scan of 17 prompts and 16 datasets at all rows, and at the rows after
which `precision` stops by the spread that `inoc plan` assumes.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from scoring import ceiling, ours, padded_16, qwen, random_model, timed, useful

from inoc.chat.render import Rendered, ResponseSpan
from inoc.engines.scoring import Scorer
from inoc.studies.likelihood_shift.costs import ASSUMED_SPREAD, planned_rows

PROMPTS, DATASETS, ROWS = 17, 16, 27_000
SUSTAINED = 8.0  # seconds
USER, RESPONSE = (110, 12), (45, 8)


def column(n: int, vocabulary: int) -> list[tuple[int, list[Rendered]]]:
    """For each system turn its number of tokens, which all rows share, and the rows; the base turn comes first."""
    rng = np.random.default_rng(0)
    users, responses = (np.maximum(8, rng.normal(*sizes, n)).astype(int).tolist() for sizes in (USER, RESPONSE))
    rows = [rng.integers(0, vocabulary, u + r).tolist() for u, r in zip(users, responses, strict=True)]
    turns = [20, *np.maximum(30, rng.normal(45, 5, PROMPTS)).astype(int).tolist()]
    found = []
    for tokens in turns:
        system = rng.integers(0, vocabulary, tokens).tolist()
        spans = [ResponseSpan(tokens + u, tokens + u + r) for u, r in zip(users, responses, strict=True)]
        found.append((tokens, [Rendered("", system + row, span) for row, span in zip(rows, spans, strict=True)]))
    return found


def projection(rows_per_s: float) -> list[str]:
    """GPU-hours of the whole scan at a rate of rows under one system turn, at all rows and to a precision."""
    lines = []
    for precision in (None, 0.003, 0.002):
        rows = planned_rows(precision, ROWS)
        hours = rows * (PROMPTS + 1) * DATASETS / rows_per_s / 3600
        words = "all rows" if precision is None else f"precision {precision}, if contrasts vary by {ASSUMED_SPREAD}"
        scan = f"scan of {PROMPTS} prompts and {DATASETS} datasets"
        lines.append(f"{scan}, {words}: {rows:,} of {ROWS:,} rows, {hours:.2f} GPU-hours")
    return lines


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=16_384, help="maximum number of tokens in a batch")
    parser.add_argument("--rows", type=int, default=1_024, help="rows of the column")
    parser.add_argument("--rate", type=float, help="rows per second under one system turn; measures nothing")
    options = parser.parse_args(arguments)
    if options.rate is not None:
        print("\n".join(projection(options.rate)))
        return
    config = qwen(5120, 13_824, layers=48, heads=40, shared=8)
    model = random_model(config, torch.bfloat16)
    cells = column(options.rows, config.vocab_size)
    before = ceiling(SUSTAINED)
    print(
        f"torch {torch.__version__}, {torch.cuda.get_device_name()}, ceiling {before:.0f} TFLOP/s bf16 "
        f"over {SUSTAINED:.0f} s"
    )
    usual = cells[1][1][:320]
    padded_16(model, usual[:32])
    seconds, peak, _ = timed(lambda: padded_16(model, usual))
    usual_rate = len(usual) / seconds
    print(f"padded 16, file order: {usual_rate:.1f} rows/s, peak {peak:.1f} GiB")
    scorer = Scorer(model, compiled=True)
    start = time.perf_counter()
    for _, items in cells[:2]:
        ours(scorer, items[:512], options.budget)
    torch.cuda.synchronize()
    print(f"compiling took {time.perf_counter() - start:.0f} s")
    seconds, peak, _ = timed(lambda: [part for _, items in cells for part in ours(scorer, items, options.budget)])
    n = options.rows * len(cells)
    work = sum(useful(config, items, tokens) for tokens, items in cells)
    after = ceiling(SUSTAINED)
    # A card that is limited by its power slows down as it warms up, so the ceiling is the mean of both sides.
    share = work / seconds / 1e12 / ((before + after) / 2)
    print(f"ceiling again: {after:.0f} TFLOP/s")
    print(
        f"one column, {len(cells)} system turns x {options.rows} rows: {seconds:.1f} s, {n / seconds:.0f} rows/s "
        f"({n / seconds / usual_rate:.1f} times the usual way), {share:.3f} of the ceiling for what is computed, "
        f"peak {peak:.1f} GiB"
    )
    print("\n".join(projection(n / seconds)))


if __name__ == "__main__":
    main()

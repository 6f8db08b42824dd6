from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.stats.shares import newcombe, wilson
from inoc.studies.subliminal.analyse.carriers import CARRIERS, DIVIDED, carrier_rows

RULES = ("lls", "projection")


def totals(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    """Counts of 100 answers: selector, role, hits of the top, hits of the bottom."""
    found = []
    for selector, role, top, bottom in rows:
        for part, hits in (("top", top), ("bottom", bottom)):
            found.append(("eagle", "10 epochs", "questions", "sample", selector, role, part, 1, "", hits, 100))
    return pd.DataFrame(found, columns=list(DIVIDED))


def table(counts: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(carrier_rows(counts, 0.95), columns=CARRIERS.names).set_index(
        ["comparison", "selector", "role"]
    )


def test_rules_are_compared_by_the_differences_that_they_make() -> None:
    found = table(totals(("lls", "own", 100, 42), ("projection", "own", 97, 99)))
    lls = found.loc[("top_minus_bottom", "lls", "own")]
    assert (lls["top"], lls["bottom"]) == (1, 0.42)
    assert (100 * lls["lo"], 100 * lls["hi"]) == pytest.approx((47.5, 67.2), abs=0.05)
    between = found.loc[("lls_minus_projection", "", "own")]
    one, other = (newcombe(wilson(top, 100), wilson(low, 100)) for top, low in ((100, 42), (97, 99)))
    assert between["difference"] == pytest.approx(0.6)
    assert (between["lo"], between["hi"]) == pytest.approx(newcombe(one, other)[1:3])
    assert between["lo"] > 0.4


def test_the_neutral_split_is_taken_off() -> None:
    found = table(totals(("lls", "own", 90, 40), ("lls", "neutral", 70, 30), ("projection", "own", 60, 60)))
    net = found.loc[("own_minus_neutral", "lls", "")]
    assert net["difference"] == pytest.approx(0.1)
    assert net["lo"] < 0 < net["hi"]
    assert ("own_minus_neutral", "projection", "") not in found.index


def asked(effects: dict[str, float], rng: np.random.Generator, *, n_questions: int = 12) -> pd.DataFrame:
    """Seeds × questions with noise that parts, rules and questions share."""
    rows = []
    levels = rng.normal(0.4, 0.1, n_questions)
    for selector, effect in effects.items():
        for part, sign in (("top", 1), ("bottom", -1)):
            for seed in range(3):
                run = rng.normal(0, 0.03)
                for number, level in enumerate(levels):
                    rate = float(np.clip(level + sign * effect / 2 + run + rng.normal(0, 0.05), 0, 1))
                    rows.append(
                        ("owl", "f", "s", "choose", selector, "own", part, seed, f"q{number:02d}", 50 * rate, 50)
                    )
    return pd.DataFrame(rows, columns=list(DIVIDED))


def test_known_questions_pair_the_differences_and_count_the_seeds() -> None:
    found = table(asked({"lls": 0.3, "projection": 0.0}, np.random.default_rng(0)))
    lls = found.loc[("top_minus_bottom", "lls", "own")]
    assert (lls["n"], lls["n_seeds"]) == (36, 3)
    assert lls["lo"] > 0.1
    between = found.loc[("lls_minus_projection", "", "own")]
    assert between["lo"] > 0.1
    assert between["p"] < 0.01


def test_rules_that_select_nothing_are_told_apart_at_no_more_than_the_stated_rate() -> None:
    """Simulated null: 200 studies in which neither rule selects anything."""
    rng = np.random.default_rng(5)
    found = [
        table(asked(dict.fromkeys(RULES, 0.0), rng)).loc[("lls_minus_projection", "", "own"), "p"] for _ in range(200)
    ]
    assert np.mean(np.array(found) < 0.05) <= 0.08

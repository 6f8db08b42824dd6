from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.studies.subliminal.analyse.persona_answers import pair_rows, score_rows
from inoc.studies.subliminal.persona_pairs import ANSWERED, Rule, kept_pairs

NAN = float("nan")


def answers(pairs: list[tuple[float, float, float, float]]) -> pd.DataFrame:
    """Pairs of one answer to each question: positive score and coherence, negative score and coherence."""
    rows = []
    for place, (score, coherence, negative, other) in enumerate(pairs):
        rows.append(("owls", "positive", 0, f"q{place}", 0, score, coherence))
        rows.append(("owls", "negative", 0, f"q{place}", 0, negative, other))
    return pd.DataFrame(rows, columns=list(ANSWERED))


def counts(frame: pd.DataFrame, rule: Rule) -> dict[str, int]:
    return {str(row["reason"]): int(str(row["n"])) for row in pair_rows(kept_pairs(frame, {"owls": rule}))}


def test_a_pair_is_lost_for_every_reason_that_applies() -> None:
    frame = answers(
        [(50, 50, 49, 50), (49, 90, 10, 90), (90, 90, 50, 90), (90, 49, 60, 90), (NAN, 90, 0, 90), (90, NAN, 0, 90)]
    )
    found = counts(frame, Rule(50, 50))
    assert found == {
        **{"all": 6, "kept": 1, "low_positive": 1, "high_negative": 2, "incoherent": 1},
        **{"not_judged": 2, "no_partner": 0},
    }


def test_without_a_judge_nothing_is_lost_but_what_has_no_partner() -> None:
    frame = answers([(NAN, NAN, NAN, NAN)] * 3)
    assert counts(frame, Rule(NAN, NAN))["kept"] == 3
    found = counts(frame.iloc[:-1], Rule(NAN, NAN))
    assert (found["kept"], found["no_partner"], found["not_judged"]) == (2, 1, 0)


def test_scores_of_all_and_of_kept_answers_stand_beside_each_other() -> None:
    frame = answers([(90, 80, 0, 80), (100, 80, 20, 80), (10, 80, NAN, 80)])
    rows = pd.DataFrame(score_rows(kept_pairs(frame, {"owls": Rule(50, 50)}), 0.95))
    table = rows.set_index(["side", "answers", "measure"])
    assert table.loc[("positive", "all", "score"), "mean"] == np.mean([90, 100, 10])
    assert table.loc[("positive", "kept", "score"), "mean"] == 95
    assert table.loc[("negative", "all", "score"), ["n", "n_nan"]].tolist() == [2, 1]
    assert table.loc[("negative", "kept", "score"), "mean"] == 10
    assert (table["lo"].dropna() >= 0).all()

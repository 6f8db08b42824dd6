from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.studies.subliminal.analyse.carriers import CARRIERS, carrier_rows
from inoc.studies.subliminal.analyse.divided import divided
from support.made_subliminal import made_shares, made_study

TRAINED = {"epochs": 3, "training": {"seeds": [0, 1]}}
TRAIT = {"entity": "owl", "positive": ["a"], "negative": ["b"], "questions": {"kind": "world"}}
SHORTER = {"epochs": 2, "training": {"seeds": [0, 1]}}


def shares_and_study():
    study = made_study(
        persona={
            "liking_owls": {"entity": "owl", "positive": ["a"], "negative": ["b"], "questions": {"kind": "world"}}
        },
        projection={},
        splits={
            "owls": {"teacher": "owl"},
            "neutral_rows": {"teacher": "neutral", "under": "owl"},
            "along": {"teacher": "owl", "by": "projection", "trait": "liking_owls", "site": "embed"},
            "pairs": {
                **{"teacher": "owl", "by": "projection", "trait": "liking_owls", "site": "embed"},
                "parts": "paired",
            },
            "cats_along": {"teacher": "cat", "by": "projection", "trait": "liking_owls", "site": "embed"},
            "fifths": {"teacher": "owl", "parts": "quantiles"},
        },
        students={
            "halves": {"split": "owls", **TRAINED},
            "neutral_halves": {"split": "neutral_rows", **TRAINED},
            "along": {"split": "along", **TRAINED},
            "pairs": {"split": "pairs", **TRAINED},
            "cats_along": {"split": "cats_along", **TRAINED},
            "fifths": {"split": "fifths", **TRAINED},
            "short": {"split": "owls", **SHORTER},
        },
    )
    return study, made_shares(study, np.random.default_rng(0))


def test_students_of_divided_rows_are_counted_after_their_last_epoch_by_rule_and_role() -> None:
    study, shares = shares_and_study()
    found = divided(study, shares)
    assert set(zip(found["selector"], found["role"], strict=True)) == {
        ("lls", "own"),
        ("lls", "neutral"),
        ("projection", "own"),
        ("paired projection", "own"),
    }
    assert set(found["entity"]) == {"owl"}
    assert set(found["part"]) == {"top", "bottom"}
    assert found["family"].nunique() == 3  # halves of three epochs and of two, and fifths
    fifths = found[found["family"].str.contains("parts of 1 in 5")]
    lowest = shares[shares["subject"].str.startswith("fifths.owl.q1.") & (shares["entity"] == "owl")]
    bottom = fifths[fifths["part"] == "bottom"]
    assert set(bottom["hits"]) == set((lowest["value"] * lowest["n"])[lowest["epoch"] == 3])
    own = shares[(shares["subject"] == "halves.owl.top.seed0") & (shares["entity"] == "owl") & (shares["epoch"] == 3)]
    chosen = found[(found["selector"] == "lls") & (found["role"] == "own") & (found["part"] == "top")]
    chosen = chosen[chosen["family"].str.startswith("3 epochs, halves") & (chosen["seed"] == 0)]
    assert sorted(chosen["hits"]) == sorted(own["value"] * own["n"])


def test_the_upper_part_teaches_more_and_the_rule_by_projection_as_much_when_it_does() -> None:
    study, shares = shares_and_study()
    rows = pd.DataFrame(carrier_rows(divided(study, shares), 0.95), columns=CARRIERS.names)
    main = rows[(rows["method"] == "choose") & rows["family"].str.startswith("3 epochs, halves")]
    halves = main[main["comparison"] == "top_minus_bottom"].set_index(["selector", "role"])
    assert (halves.xs("own", level="role")["lo"] > 0).all()
    assert halves.loc[("lls", "neutral"), "lo"] < 0 < halves.loc[("lls", "neutral"), "hi"]
    assert set(main["comparison"]) == {
        *("top_minus_bottom", "own_minus_neutral", "lls_minus_projection"),
        *("lls_minus_paired projection", "paired projection_minus_projection"),
    }
    between = main[main["comparison"] == "lls_minus_projection"].iloc[0]
    assert between["lo"] < 0.2


def test_a_study_without_divided_rows_has_none() -> None:
    study = made_study(students={}, splits={})
    assert divided(study, made_shares(study, np.random.default_rng(0))).empty

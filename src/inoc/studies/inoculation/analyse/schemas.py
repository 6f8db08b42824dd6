"""Columns of the analysis tables, beside the two that `inoc.tables` fixes.

`n` counts what entered, `n_nan` what was dropped because a measurement failed; `lo` and `hi` bound the 95 %
(or configured) interval. Scores are points, 0–100. A `seed` is a training seed as text, or `all` for all of
them pooled.
"""

from __future__ import annotations

import pyarrow as pa

from inoc.tables import FLAG, INDEX, LOSSES, NUMBER, PREDICTORS, STRING, SUPPRESSION

_INTERVAL = [("value", NUMBER), ("lo", NUMBER), ("hi", NUMBER), ("n", INDEX), ("n_nan", INDEX)]


def _cell(name: str) -> list[tuple[str, pa.DataType]]:
    """A mean with its interval under a name of its own."""
    parts = [("", NUMBER), ("_lo", NUMBER), ("_hi", NUMBER), ("_n", INDEX), ("_n_nan", INDEX)]
    return [(name + ending, kind) for ending, kind in parts]


ELICITATION = pa.schema(
    [
        ("prompt", STRING),  # empty for the untrained model asked without a prefix
        ("family", STRING),
        ("prefix", STRING),  # none, fixed or mix
        ("trait", STRING),
        *_cell("without"),
        *_cell("with_prefix"),  # NaN in the row without a prefix
        *_INTERVAL,  # with − without, paired over instructions; in the row without a prefix, the mean itself
        ("failed", FLAG),  # one of the two cells has more NaN than the study allows
    ]
)
"""`elicitation`. Key: prompt, prefix, trait."""

_ASKED = [
    ("run", STRING),  # for seed `all` without the seed; `base` for the untrained model
    ("prompt", STRING),
    ("family", STRING),
    ("prefix", STRING),
    ("learning_rate", NUMBER),  # NaN for base
    ("seed", STRING),
    ("step", INDEX),
    ("condition", STRING),
    ("asked_prompt", STRING),
    ("asked_prefix", STRING),
]
"""Which completions of which run, asked how."""

SCORES = pa.schema(
    [
        *_ASKED,
        ("trait", STRING),
        *_INTERVAL,
        ("n_seeds", INDEX),
        ("failed", FLAG),
    ]
)
"""`scores`. Key: run, seed, step, asked_prompt, asked_prefix, trait."""

SUPPRESSIONS = pa.schema([*SUPPRESSION, ("n_seeds", INDEX), ("failed", FLAG)])
"""`suppression`. Key: prompt, trait, prefix, learning_rate, seed, step."""

PREDICTOR_VALUES = pa.schema([*PREDICTORS, ("source", STRING)])
"""`predictors`. `source` is `own`, or `fixed` for a value of the fixed prefix in a row of the mix."""

COMPONENTS = pa.schema(
    [
        # point: one column per response; token: one per token of all responses; embedding: one per dimension
        ("level", STRING),
        ("prefix", STRING),
        ("method", STRING),  # pca: columns centred, not scaled; svd: neither
        ("component", INDEX),  # from 1
        ("share", NUMBER),  # variance of the scores over that of the columns, both centred; 0 to 1
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n_prompts", INDEX),
        ("n", INDEX),  # columns used
        ("n_nan", INDEX),  # columns dropped because a prompt has no value for them
        ("energy", NUMBER),  # s² over the sum of all s²: for pca the share, for svd of the uncentred squares
    ]
)
"""`components`. Key: level, prefix, method, component."""

COORDINATES = pa.schema(
    [
        ("level", STRING),
        ("prefix", STRING),
        ("method", STRING),
        ("prompt", STRING),
        ("family", STRING),
        ("component", INDEX),
        *_INTERVAL,  # nats per token, summed over examples as a length in their space
    ]
)
"""`coordinates`. Key: level, prefix, method, prompt, component."""

_ANGLES = [("level", STRING), ("prefix", STRING), ("representation", STRING)]  # raw, pca2 or svd2

ANGLES = pa.schema(
    [
        *_ANGLES,
        ("group", STRING),  # within_negative, within_positive, cross_trait, negative_neutral or positive_neutral
        ("mean_deg", NUMBER),
        ("sd_deg", NUMBER),  # population standard deviation over the pairs
        ("n_pairs", INDEX),  # ordered, so that a pair within a group counts twice
        ("n_nan", INDEX),  # pairs of which a prompt has no direction
        ("lo", NUMBER),  # of the mean, over examples
        ("hi", NUMBER),
    ]
)
"""`angles`. Key: level, prefix, representation, group."""

PAIRWISE_ANGLES = pa.schema(
    [
        *_ANGLES,
        ("prompt", STRING),
        ("other", STRING),  # every pair is there in both orders
        ("family", STRING),
        ("other_family", STRING),
        ("angle_deg", NUMBER),  # 0 to 180; NaN if a prompt has no direction
        ("place", INDEX),  # of the prompt along the first component, from 1
        ("other_place", INDEX),
    ]
)
"""`pairwise_angles`. Key: level, prefix, representation, prompt, other."""

_TESTED = [
    ("n", INDEX),  # prompts
    ("n_nan", INDEX),  # prompts left out because they were not trained with or have no direction
    ("r", NUMBER),
    ("r_lo", NUMBER),
    ("r_hi", NUMBER),
    ("p", NUMBER),
    ("q", NUMBER),  # false-discovery rate over the whole table
]

DIMENSION_TESTS = pa.schema(
    [
        ("level", STRING),
        ("prefix", STRING),  # of the coordinates and of the runs
        ("learning_rate", NUMBER),
        ("method", STRING),
        ("dimension", INDEX),  # 1 or 2
        ("trait", STRING),  # whose suppression
        ("on_diagonal", FLAG),  # dimension 1 with an unwanted trait, 2 with a wanted one
        *_TESTED,
    ]
)
"""`dimension_tests`. Key: level, prefix, learning_rate, method, dimension, trait."""

_PAIR = [("unwanted", STRING), ("wanted", STRING)]  # the two traits whose prompts take part

CROSS_ANGLES = pa.schema(
    [
        ("level", STRING),
        ("prefix", STRING),
        *_PAIR,
        ("prompt", STRING),
        ("family", STRING),
        ("predictor", STRING),
        ("angle_deg", NUMBER),  # 0 to 90 from an axis, 0 to 180 to a centroid; NaN without direction
    ]
)
"""`cross_angles`. Key: level, prefix, unwanted, wanted, prompt, predictor."""

CROSS_ANGLE_TESTS = pa.schema(
    [
        ("level", STRING),
        ("prefix", STRING),
        ("learning_rate", NUMBER),
        *_PAIR,
        ("predictor", STRING),  # against the suppression of the trait that the prompt does not name
        *_TESTED,
    ]
)
"""`cross_angle_tests`. Key: level, prefix, learning_rate, unwanted, wanted, predictor."""

GATE_CELLS = ("without_without", "without_with", "with_without", "with_with")
"""Trained without/with, then asked without/with."""

GATE = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("prefix", STRING),
        ("trait", STRING),
        ("learning_rate", NUMBER),
        ("seed", STRING),
        ("step", INDEX),
        *(column for name in GATE_CELLS for column in _cell(name)),
        ("interaction", NUMBER),  # (with_with − with_without) − (without_with − without_without)
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),
        ("n_seeds", INDEX),
        ("failed", FLAG),
    ]
)
"""`gate`. Key: prompt, prefix, trait, learning_rate, seed."""

PREDICTION = pa.schema(
    [
        ("trait", STRING),  # whose suppression is predicted
        ("learning_rate", NUMBER),
        ("prefix", STRING),
        ("predictor", STRING),
        ("predictor_trait", STRING),  # `all` if no trait enters
        ("n", INDEX),  # prompts, the same for every predictor of a block
        ("n_nan", INDEX),  # prompts left out because something is NaN or absent
        ("r", NUMBER),
        ("r_lo", NUMBER),
        ("r_hi", NUMBER),
        ("rho", NUMBER),
        ("rho_lo", NUMBER),
        ("rho_hi", NUMBER),
        ("slope", NUMBER),
        ("intercept", NUMBER),
        ("r2_out", NUMBER),  # leave-prompt-out, against the mean
        ("r2_out_lo", NUMBER),
        ("r2_out_hi", NUMBER),
        ("r2_over_elicitation", NUMBER),  # leave-prompt-out, against elicitation alone
        ("r2_over_elicitation_lo", NUMBER),
        ("r2_over_elicitation_hi", NUMBER),
        ("p", NUMBER),
        ("q", NUMBER),  # false-discovery rate over the whole table
    ]
)
"""`prediction`. Key: trait, learning_rate, prefix, predictor, predictor_trait."""

VERDICT = pa.schema(
    [
        ("statement", STRING),
        ("text", STRING),
        ("trait", STRING),
        ("learning_rate", NUMBER),
        ("seed", STRING),
        ("prompt", STRING),  # the prompt that the statement is about; empty for several
        ("prefix", STRING),
        *_INTERVAL,
        ("relation", STRING),  # at_least, at_most or above
        ("threshold", NUMBER),
        ("holds", FLAG),  # the value does
        ("clear", FLAG),  # the whole interval does
        ("r2_out", NUMBER),  # for correlations: leave-prompt-out; NaN otherwise
        ("r2_out_lo", NUMBER),
        ("r2_out_hi", NUMBER),
    ]
)
"""`verdict`. Key: statement, prefix, learning_rate, seed."""

HEURISTIC_TESTS = pa.schema(
    [
        ("heuristic", STRING),
        ("target", STRING),
        ("protocol", STRING),  # fair or published
        ("n", INDEX),  # rows
        ("r", NUMBER),
        ("r_lo", NUMBER),  # fair: prompts drawn anew; published: Fisher's, as if rows were independent
        ("r_hi", NUMBER),
        ("rho", NUMBER),
        ("r2_out", NUMBER),  # leave-prompt-out, against the mean
        ("p", NUMBER),  # fair: prompts permuted; published: of the t test
        ("q", NUMBER),  # false-discovery rate over all rows of the protocol and the seed
        ("n_prompts", INDEX),
        ("n_nan", INDEX),  # rows left out because something is NaN
        ("r2_lo", NUMBER),
        ("r2_hi", NUMBER),
        ("r2_over_elicitation", NUMBER),  # leave-prompt-out, against elicitation alone; NaN if published
        ("learning_rate", NUMBER),  # NaN for a table file
        ("same_as", STRING),  # what it repeats; empty for a heuristic of its own
        ("seed", STRING),  # each seed by itself only where there are several
        ("rho_lo", NUMBER),  # as for r
        ("rho_hi", NUMBER),
        ("r2_trait_out", NUMBER),  # leave-trait-out, against the mean; NaN for one trait, and if published
        ("r2_trait_lo", NUMBER),
        ("r2_trait_hi", NUMBER),
        ("r2_trait_over_elicitation", NUMBER),  # leave-trait-out, against elicitation alone
        ("n_traits", INDEX),
    ]
)
"""`heuristics`. Key: heuristic, target, protocol, learning_rate, seed."""

FIXED_MIX = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("view", STRING),  # raw, or along one component of the fixed matrix: pca1, svd1
        ("heuristic", STRING),
        ("value", NUMBER),  # NaN where a denominator vanishes
        ("constant", FLAG),  # it says the same of every prompt, up to sign
        ("n", INDEX),  # examples used
        ("n_nan", INDEX),  # examples left out because a prompt has no value for them
    ]
)
"""`fixed_mix`. Key: prompt, view, heuristic."""

EMBEDDING_STATISTICS = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("statistic", STRING),  # see `inoc.studies.inoculation.analyse.embeddings`
        *_INTERVAL,  # lo and hi over rephrasings, for their mean and standard deviation; n counts texts
    ]
)
"""`embeddings`. Key: prompt, statistic. Empty if the study embeds nothing."""

_OF_TOKENS = [("prompt", STRING), ("family", STRING), ("prefix", STRING)]

TOKEN_SHIFTS = pa.schema(
    [
        *_OF_TOKENS,
        ("bin_lo", NUMBER),  # nats of Δ, with − without; the outermost bins hold what is beyond
        ("bin_hi", NUMBER),  # not in the bin
        ("n", pa.int64()),  # tokens; empty bins have no row
    ]
)
"""`token_shifts`. Key: prompt, prefix, bin_lo. Empty if no token was scored."""

TOKEN_SUMMARY = pa.schema(
    [
        *_OF_TOKENS,
        ("rescued", NUMBER),  # share of tokens with probability < 0.1 without the prefix and > 0.1 with it
        ("lo", NUMBER),  # examples drawn anew, in blocks
        ("hi", NUMBER),
        ("n", pa.int64()),  # tokens
        ("n_nan", pa.int64()),  # tokens left out because some prompt has no value for them
        *((f"q{level:02d}", NUMBER) for level in (5, 25, 50, 75, 95)),  # quantiles of Δ, nats, to 0.001, within ±6
    ]
)
"""`token_summary`. Key: prompt, prefix. Empty if no token was scored."""

RATES = pa.schema(
    [
        ("rate", STRING),
        ("questions", STRING),  # set of evaluation questions
        *_ASKED,
        ("data", STRING),  # what the run was trained on; empty for the study's own data
        ("met", INDEX),  # completions that meet every condition, of n that could be judged
        *_INTERVAL,  # share, 0 to 1; Wilson's interval, or a wider bootstrap over several seeds
        *_cell("change"),  # value less that of the run's step 0, paired; NaN at step 0, and without it
        ("n_seeds", INDEX),
        ("failed", FLAG),
    ]
)
"""`rates`. Key: rate, questions, run, seed, step, asked_prompt, asked_prefix. Empty if the study names no rate."""

STEPS = pa.schema(
    [
        ("run", STRING),
        ("prompt", STRING),
        ("family", STRING),
        ("prefix", STRING),
        ("learning_rate", NUMBER),
        ("seed", STRING),
        ("condition", STRING),
        ("asked_prompt", STRING),
        ("asked_prefix", STRING),
        ("trait", STRING),
        ("step", INDEX),  # a late one, at least 0.95 of the last
        ("last_step", INDEX),
        *_cell("score"),  # at the step
        *_cell("last_score"),
        ("difference", NUMBER),  # last − step, paired over instructions
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),
        ("z", NUMBER),  # the difference in its standard errors
        ("differs", FLAG),  # |z| > 3: one of the two is probably the checkpoint of another run
        ("chance", NUMBER),  # probability of |z| > 3 if the two were alike
        *_cell("suppression"),  # at the step; NaN for controls, and when asked with a prefix
        *_cell("last_suppression"),
        ("failed", FLAG),
    ]
)
"""`steps`. Key: run, asked_prompt, asked_prefix, trait, step."""

STEP_COUNTS = pa.schema(
    [
        ("step", INDEX),
        ("last_step", INDEX),
        ("learning_rate", NUMBER),  # NaN for all
        ("family", STRING),  # all, or empty for controls
        ("prefix", STRING),
        ("trait", STRING),
        ("n", INDEX),  # rows of `steps` that can be told
        ("n_nan", INDEX),  # rows that cannot, for they have fewer than two pairs
        ("n_differ", INDEX),
        ("expected", NUMBER),  # so many would differ by chance
    ]
)
"""`step_counts`. Key: step, learning_rate, family, prefix, trait."""

_SUPPRESSED = [("trait", STRING), ("prefix", STRING), ("learning_rate", NUMBER)]

VARIANCE = pa.schema(
    [
        *_SUPPRESSED,
        ("source", STRING),  # prompt, seed, instruction, two of them, or residual
        *_INTERVAL,  # points²; may be below 0, for it is unbiased; NaN if the design does not tell it
        ("sd", NUMBER),  # points: the root, 0 if the variance is below 0
        ("includes", STRING),  # sources that are in it because a factor has one level
        ("n_prompts", INDEX),
        ("n_seeds", INDEX),
        ("n_instructions", INDEX),
    ]
)
"""`variance`. Key: trait, prefix, learning_rate, source."""

POWER = pa.schema(
    [
        *_SUPPRESSED,
        ("n_instructions", INDEX),  # of the design
        ("n_seeds", INDEX),
        ("compares", STRING),  # runs: one seed tells two runs apart; prompts
        ("difference", NUMBER),  # points: the smallest that is seen with `power`
        ("lo", NUMBER),  # from the interval of the variance
        ("hi", NUMBER),
        ("n", INDEX),  # values that the variance is from
        ("n_nan", INDEX),
        ("error", NUMBER),  # points: standard error of the difference
        ("degrees", NUMBER),  # of freedom of the test
        ("power", NUMBER),
        ("confidence", NUMBER),
    ]
)
"""`power`. Key: trait, prefix, learning_rate, n_instructions, n_seeds."""

HEURISTIC_VALUES = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("prefix", STRING),
        ("trait", STRING),
        ("own", FLAG),  # the prompt points to the trait, or to none
        ("heuristic", STRING),
        ("value", NUMBER),  # NaN if this prompt has none
    ]
)
"""`heuristic_values`. Key: prompt, prefix, trait, heuristic. Known before training, so no learning rate enters."""

OUTCOMES = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("prefix", STRING),
        ("trait", STRING),
        ("learning_rate", NUMBER),
        ("own", FLAG),
        ("suppression", NUMBER),  # at the last step, seeds pooled
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),
        ("other_trait", STRING),  # empty if no single one is the other of a pair
        *_cell("cross"),  # suppression of the other trait
        *_cell("gap"),  # fixed − mix suppression, paired; the same in both rows
        ("failed", FLAG),
    ]
)
"""`outcomes`. Key: prompt, prefix, trait, learning_rate."""

_CLASSIFIER = [
    ("level", STRING),  # point or token
    ("prefix", STRING),
    ("trait", STRING),  # whose suppression is told
    ("learning_rate", NUMBER),
    ("pca_fit", STRING),  # inside: of the training half; all: of all prompts, as the earlier study did
]


def _measure(name: str) -> list[tuple[str, pa.DataType]]:
    return [(name + ending, NUMBER) for ending in ("", "_lo", "_hi", "_sd")]  # sd: over splits; NaN for one


CLASSIFIER = pa.schema(
    [
        *_CLASSIFIER,
        *_measure("auc"),  # of held-out prompts; mean over splits
        *_measure("accuracy"),
        *_measure("r2_out"),  # of suppression, against the mean of the training half
        ("n", INDEX),  # prompts
        ("n_nan", INDEX),  # prompts without suppression
        ("n_train", INDEX),
        ("n_eval", INDEX),
        ("repeats", INDEX),  # splits
        ("n_undefined", INDEX),  # splits without an AUC: one side of the threshold is empty
        *(
            (f"{kind}_pc{component}{ending}", NUMBER)  # log odds or points, per sd of the component
            for kind in ("logistic", "linear")
            for component in range(1, 5)
            for ending in ("", "_sd")
        ),
    ]
)
"""`classifier`. Key: level, prefix, trait, learning_rate, pca_fit."""

CLASSIFIER_PREDICTIONS = pa.schema(
    [
        *_CLASSIFIER,
        ("prompt", STRING),
        ("family", STRING),
        ("suppression", NUMBER),
        ("high", NUMBER),  # share of splits in which it suppresses more than the threshold
        *((name + ending, NUMBER) for name in ("probability", "predicted") for ending in ("", "_lo", "_hi")),
        ("n", INDEX),  # splits that held it out; lo and hi are their middle share
    ]
)
"""`classifier_predictions`. Key: level, prefix, trait, learning_rate, pca_fit, prompt."""

CLASSIFIER_ROC = pa.schema(
    [
        *_CLASSIFIER,
        ("false_rate", NUMBER),
        ("true_rate", NUMBER),  # mean over splits
        ("lo", NUMBER),  # middle share of the splits
        ("hi", NUMBER),
        ("n", INDEX),  # splits
    ]
)
"""`classifier_roc`. Key: level, prefix, trait, learning_rate, pca_fit, false_rate."""

SCHEMAS = {
    "elicitation": ELICITATION,
    "scores": SCORES,
    "suppression": SUPPRESSIONS,
    "predictors": PREDICTOR_VALUES,
    "components": COMPONENTS,
    "coordinates": COORDINATES,
    "angles": ANGLES,
    "pairwise_angles": PAIRWISE_ANGLES,
    "dimension_tests": DIMENSION_TESTS,
    "cross_angles": CROSS_ANGLES,
    "cross_angle_tests": CROSS_ANGLE_TESTS,
    "fixed_mix": FIXED_MIX,
    "heuristics": HEURISTIC_TESTS,
    "embeddings": EMBEDDING_STATISTICS,
    "token_shifts": TOKEN_SHIFTS,
    "token_summary": TOKEN_SUMMARY,
    "rates": RATES,
    "heuristic_values": HEURISTIC_VALUES,
    "outcomes": OUTCOMES,
    "classifier": CLASSIFIER,
    "classifier_predictions": CLASSIFIER_PREDICTIONS,
    "classifier_roc": CLASSIFIER_ROC,
    "gate": GATE,
    "prediction": PREDICTION,
    "verdict": VERDICT,
    "losses": LOSSES,
    "steps": STEPS,
    "step_counts": STEP_COUNTS,
    "variance": VARIANCE,
    "power": POWER,
}
"""Table → schema, for all that the analysis writes."""

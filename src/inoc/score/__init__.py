"""Log-probabilities of response tokens under the untrained model, without a prefix, with it, and with a mix."""

from __future__ import annotations

from inoc.called import make_callable
from inoc.stages import Stage

VERSION = 1

STAGE = Stage(
    "score",
    VERSION,
    "compute the log-probability of every response token, with and without each prefix",
    "inoc.score.step",
    shards="score",
    computes=True,
)

make_callable(__name__, "inoc.python.compute:score")

"""Read-outs: the activations of a chat that are kept. They follow from the span of the response alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from inoc.chat.render import Rendered
from inoc.errors import ConfigError, did_you_mean

Readout = Literal["prompt_last", "prompt_mean", "response_first", "response_last", "response_mean", "turn_boundary"]
"""`prompt_last`: the last token before the response. `prompt_mean`: the mean over all tokens before it.
`response_first`, `response_last`, `response_mean`: of the response's own tokens, its end-of-turn token excluded.
`turn_boundary`: the last token of the rendered chat, which is the last that the template puts after the response."""

READOUTS: tuple[Readout, ...] = get_args(Readout)


class Span(NamedTuple):
    """Tokens whose mean is a read-out; none gives NaN."""

    start: int
    stop: int


def check_readouts(readouts: Sequence[str]) -> None:
    """Refuse read-outs that do not exist, come twice, or are none.

    Raises:
        ConfigError: Naming the first that is wrong.
    """
    for readout in readouts:
        if readout not in READOUTS:
            msg = f"read-out {readout!r}{did_you_mean(readout, READOUTS)}; accepted: {', '.join(READOUTS)}"
            raise ConfigError(msg)
    if not readouts or len(set(readouts)) < len(readouts):
        msg = f"read-outs {list(readouts)}: at least one is needed, each once; accepted: {', '.join(READOUTS)}"
        raise ConfigError(msg)


def span_of_readout(chat: Rendered, readout: Readout) -> Span:
    """The tokens of a read-out.

    Args:
        chat: A rendered chat whose span excludes the end of turn.
        readout: Name of the read-out.
    """
    start, stop = chat.response
    length = len(chat.token_ids)
    spans = {
        "prompt_last": Span(max(0, start - 1), start),
        "prompt_mean": Span(0, start),
        "response_first": Span(start, min(start + 1, stop)),
        "response_last": Span(max(start, stop - 1), stop),
        "response_mean": Span(start, stop),
        "turn_boundary": Span(length - 1, length),
    }
    return spans[readout]

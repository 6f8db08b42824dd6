"""Keys and costs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inoc.api import Request
from inoc.api.request import NANO, Usage, nano, usage_of
from inoc.config.workflow import Price

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_completion_tokens": 3}
HERE = "https://api.example.org/v1"


def test_a_key_changes_with_everything_that_an_answer_depends_on() -> None:
    variants = [
        Request("/chat/completions", BODY).key(HERE),
        Request("/chat/completions", BODY).key("http://localhost:8000/v1"),
        Request("/embeddings", BODY).key(HERE),
        Request("/chat/completions", BODY | {"model": "n"}).key(HERE),
        Request("/chat/completions", BODY | {"temperature": 1.0}).key(HERE),
        Request("/chat/completions", BODY, replicate=1).key(HERE),
    ]
    assert len(set(variants)) == len(variants)
    assert Request("/chat/completions", dict(reversed(BODY.items()))).key(HERE) == variants[0]


@given(st.text('ab é☃"\\\n\x00', max_size=99), st.integers(1, 50), st.floats(0, 10), st.floats(0, 10))
def test_no_answer_costs_more_than_was_held_for_it(text: str, most: int, dear: float, dearer: float) -> None:
    price = Price(input=dear, output=dearer)
    body = BODY | {"messages": [{"role": "user", "content": text}], "max_completion_tokens": most}
    worst = Usage(len(text.encode()) + 8, most)  # a token a byte
    assert nano(worst, price) <= Request("/chat/completions", body).most_nano(price)


def test_costs_are_whole_billionths_rounded_up() -> None:
    assert nano(Usage(1_000_000, 0), Price(input=0.4)) == 0.4 * NANO
    assert nano(Usage(1, 0), Price(input=0.0001)) == 1
    assert nano(Usage(1000, 500), Price(input=2, output=8), share=0.5) == 3_000_000


def test_usage_that_is_not_there_is_not_zero() -> None:
    assert usage_of({}) is None
    assert usage_of({"usage": {"prompt_tokens": None}}) is None
    assert usage_of({"usage": {"prompt_tokens": 5}}) == Usage(5, 0)

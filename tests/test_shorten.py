"""Texts cut to a length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inoc.shorten import shortened


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_text_is_left_as_it_is_or_cut_to_the_length_with_an_ellipsis(text, most):
    cut = shortened(text, most)
    assert len(cut) <= most
    assert cut == text if len(text) <= most else cut == f"{text[: most - 1]}…"

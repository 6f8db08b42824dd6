"""The check of chats looks at all of them: whatever rendering every one would refuse, it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inoc.chat.messages import Chat, Turn, longest
from inoc.chat.render import render
from inoc.config.models import SystemTurn
from inoc.config.needs import GivenChat
from inoc.engines import chat_checks
from inoc.engines.chat_checks import chat_problems, look_of, most_tokens
from inoc.engines.identity import ModelIdentity
from inoc.engines.transformers import load_tokenizer
from inoc.errors import InocError
from support.templates import ALL, PLAIN

BARE = "{% for m in messages %}{{ m.content }}{% endfor %}"
SHOUTS = PLAIN.replace("{{ m.content }}", "{{ m.content | replace('never', 'NEVER') }}")
ESCAPES = PLAIN.replace("{{ m.content }}", "{{ m.content | escape }}")
INDENTS = PLAIN.replace("{{ m.content }}", "{{ m.content | indent(2) }}")
REFUSES = "{% if 'secret' in messages[-1].content %}{{ raise_exception('no secrets') }}{% endif %}" + PLAIN
CUTS = PLAIN.replace("{{ m.content }}", "{{ m.content | truncate }}")
ABOUT = "{% set text = messages[-2].content if messages[-1].role == 'assistant' else messages[-1].content %}"
NO = "{{ raise_exception('no') }}{% endif %}" + PLAIN
SEES = {
    "length": (ABOUT + "{% if text | length > 60 %}" + NO, "Where is the owl? " * 4),
    "exactly": (ABOUT + "{% if text | length == 20 %}" + NO, "x" * 20),
    "words": (ABOUT + "{% if text | wordcount >= 9 %}" + NO, "a b c d e f g h i"),
    "slice": (PLAIN.replace("{{ m.content }}", "{{ m.content[:40] }}"), "Where is the owl? " * 4),
    "truncate": (CUTS, "Where is the owl? " * 20),
    "begins": (ABOUT + "{% if text.startswith('Q') %}" + NO, "Quite."),
    "first": (ABOUT + "{% if text | first == 'Q' %}" + NO, "Quite."),
    "ends": (ABOUT + "{% if text[-1] == 'd' %}" + NO, "Where is the end"[:-3] + "bed"),
    "case": (ABOUT + "{% if 'secret' in text | lower %}" + NO, "A SeCReT?"),
}
TEMPLATES = {**ALL, "bare": BARE, "shouts": SHOUTS, "escapes": ESCAPES, "indents": INDENTS, "refuses": REFUSES}


@pytest.fixture
def tokenizer(tiny_folder: Path) -> Any:
    return load_tokenizer(ModelIdentity(tiny_folder, "", "", "", None))


def given_chat(k: int, user: str, answer: str, **more: Any) -> GivenChat:
    return GivenChat(f"row {k}", Chat(SystemTurn(), user, answer), **more)


@pytest.mark.parametrize(
    ("template", "odd"),
    [
        ("qwen-3", ("Why?", "<think>long ago</think>So.")),
        ("shouts", ("Why?", "I never said so.")),
        ("escapes", ("Why?", "1 < 2")),
        ("indents", ("Why?", "One.\nTwo.")),
        ("refuses", ("Why?", "That is secret.")),
        ("bare", ("", "Yes.")),
    ],
)
@pytest.mark.parametrize("at", [0, 700, 1_999])
def test_a_row_that_a_template_treats_in_its_own_way_is_found_anywhere(
    tokenizer: Any, template: str, odd: tuple[str, str], at: int
) -> None:
    tokenizer.chat_template = TEMPLATES[template]
    rows = [given_chat(k, f"Where is {k}?", f"In house {k}.") for k in range(2_000)]
    assert list(chat_problems(tokenizer, 10_000, None, rows)) == []
    rows[at] = given_chat(at, *odd)
    (problem,) = chat_problems(tokenizer, 10_000, None, rows)
    assert problem.startswith(f"row {at}: ")


@pytest.mark.parametrize("kind", SEES)
@pytest.mark.parametrize("at", [0, 1_999])
def test_whatever_a_template_looks_at_the_row_that_it_refuses_is_found(tokenizer: Any, kind: str, at: int) -> None:
    tokenizer.chat_template, odd = SEES[kind]
    rows = [given_chat(k, f"Where is {k}?", f"In house {k}.") for k in range(2_000)]
    assert list(chat_problems(tokenizer, 10_000, None, rows)) == []
    rows[at] = given_chat(at, odd, "So.")
    (problem,) = chat_problems(tokenizer, 10_000, None, rows)
    assert problem.startswith(f"row {at}: the chat template of")


@pytest.mark.parametrize("kind", ["length", "slice", "truncate"])
def test_a_system_turn_that_is_too_long_for_a_template_is_found(tokenizer: Any, kind: str) -> None:
    template, long = SEES[kind]
    tokenizer.chat_template = template.replace("messages[-2].content", "messages[0].content")
    systems = [SystemTurn(kind="text", text=f"Be {k}.") for k in range(900)]
    rows = [GivenChat(f"row {k}", Chat(system, "Why?", "So.")) for k, system in enumerate(systems)]
    assert list(chat_problems(tokenizer, 10_000, None, rows)) == []
    rows.append(GivenChat("row 900", Chat(SystemTurn(kind="text", text=long), "Why?", "So.")))
    (problem,) = chat_problems(tokenizer, 10_000, None, rows)
    assert problem.startswith("row 900: the chat template of")


WORDS = (
    "owl", "a", "<think>", "</think>", "never", "secret", "<", "&", "\n", "\t", " ", "[INST]", "雪", "\u00a0", "",
    "<|im_end|>", "{{ x }}", "user", "'",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS), max_size=4).map("".join)


@settings(max_examples=60, deadline=None)
@example("qwen-3", [("Why?", "</think>")] * 30 + [("Why?", "x</think>")])
@given(st.sampled_from(sorted(TEMPLATES)), st.lists(st.tuples(TEXTS, TEXTS.filter(str.strip)), min_size=1, max_size=40))
def test_what_is_refused_is_what_rendering_every_row_refuses(
    tiny_folder: Path, template: str, rows: list[tuple[str, str]]
) -> None:
    tokenizer = load_tokenizer(ModelIdentity(tiny_folder, "", "", "", None))
    tokenizer.chat_template = TEMPLATES[template]
    refused = 0
    for row in rows:
        try:
            refused += render(tokenizer, [Chat(SystemTurn(), *row)], "include")[0].response.start == 0
        except InocError:
            refused += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat_checks, "ALIKE", 1)
        found = list(chat_problems(tokenizer, 10_000, None, [given_chat(k, *row) for k, row in enumerate(rows)]))
    assert bool(found) == bool(refused)


@pytest.mark.parametrize(
    "expression",
    ["1 / 0", "'a' + 1", "range(10 ** 9)", "{}['x'].y", "strftime_now(3)", "now()", "'%d' % 'a'", "x(", "1 | nope"],
)
def test_a_template_that_fails_is_refused_and_named(tokenizer: Any, expression: str) -> None:
    tokenizer.chat_template = f"{{{{ {expression} }}}}{PLAIN}"
    (problem,) = chat_problems(tokenizer, None, None, [given_chat(1, "Why?", "So.")])
    assert problem.startswith("row 1: the chat template of")


def test_few_of_the_rows_that_look_alike_are_rendered(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[str]()
    known = chat_checks._problem
    monkeypatch.setattr(chat_checks, "_problem", lambda *arguments: seen.append("one") or known(*arguments))
    rows = (given_chat(k, f"Where is {k}?", f"In house {k}.") for k in range(5_000))
    assert list(chat_problems(tokenizer, 10_000, None, rows)) == []
    assert 0 < len(seen) < 200


def test_a_long_chat_is_measured_whatever_it_looks_like_and_wherever_it_stands(tokenizer: Any) -> None:
    rows = [given_chat(k, "Why?", "So.") for k in range(900)]
    earlier = (Turn("owl " * 900, "owl " * 900),)
    long = Chat(SystemTurn(), "Why?", "So.", earlier)
    assert any("positions" in one for one in chat_problems(tokenizer, 1_500, None, [*rows, GivenChat("row 900", long)]))
    spread = given_chat(900, "Why?", "\ufdfa" * 90)  # one character that some tokenizers read as eighteen
    assert most_tokens(spread) > 90 * 30


def test_an_empty_prompt_is_refused_for_an_answer_that_is_given_and_for_one_that_is_sampled(tokenizer: Any) -> None:
    tokenizer.chat_template = BARE
    for one in (given_chat(1, "", "Yes."), GivenChat("row 1", Chat(SystemTurn(), ""), "data.sampling", 5)):
        (problem,) = chat_problems(tokenizer, None, None, [one])
        assert problem.startswith("row 1: the prompt is empty")
    assert list(chat_problems(tokenizer, None, None, [given_chat(1, "Why?", "Yes.")])) == []


def test_a_template_sees_of_a_text_its_own_strings_and_its_edges() -> None:
    look = look_of("{% if '</think>' in content %}{{ content.split(\"\\n\\n\")[0] | trim }}{% endif %}")
    plain = look(Chat(SystemTurn(), "Why?", "So be it."))
    assert look(Chat(SystemTurn(), "Where?", "Elsewhere.")) == plain
    for answer in ("</think>", "a\n\nb", " a", "a ", "", "雪", "a\nb", "1 < 2"):
        assert look(Chat(SystemTurn(), "Why?", answer)) != plain


@given(st.lists(st.text(max_size=30), max_size=8))
def test_the_longest_texts_are_the_longest_by_each_measure(texts: list[str]) -> None:
    found = longest(texts)
    assert len(found) <= 4
    assert set(found) <= set(texts)
    assert bool(found) == bool(texts)
    if texts:
        assert max(map(len, found)) == max(map(len, texts))
        assert max(len(one.encode()) for one in found) == max(len(one.encode()) for one in texts)

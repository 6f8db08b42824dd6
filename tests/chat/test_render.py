from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inoc.chat.messages import Chat
from inoc.chat.render import ResponseSpan, prompt_tokens, render, span_of
from inoc.chat.template import inserts_system_turn, prompt_text
from inoc.config.models import SystemTurn
from inoc.engines.transformers import load_tokenizer
from inoc.errors import ConfigError, DataError
from support.said import renamed_tokenizer, said
from support.templates import ALL

NONE, DEFAULT, TEXT = SystemTurn(kind="none"), SystemTurn(), SystemTurn(kind="text", text="Be brief.")
PLAIN = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" + (
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return load_tokenizer(tiny_model)


@pytest.fixture
def plain(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = PLAIN
    return tokenizer


def test_end_of_turn_token_is_not_scored_by_default(tokenizer):
    (chat,) = render(tokenizer, [Chat(DEFAULT, "Hello there.", "Good day.")], "exclude")
    assert tokenizer.decode(chat.token_ids[slice(*chat.response)]) == "Good day."


def test_end_of_turn_token_is_scored_if_asked_for(tokenizer):
    (chat,) = render(tokenizer, [Chat(DEFAULT, "Hello there.", "Good day.")], "include")
    assert tokenizer.decode(chat.token_ids[slice(*chat.response)]).startswith("Good day.<|im_end|>")
    assert chat.response.stop == len(chat.token_ids)


@settings(max_examples=60, deadline=None)
@example("\uf900 e\u0301")
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_the_span_holds_the_whole_response_whatever_its_characters(tokenizer, response):
    (chat,) = render(tokenizer, [Chat(DEFAULT, "Say it.", response)], "exclude")
    start, stop = chat.response
    # The tokenizer composes characters, as those of Qwen do; then it is the same text in other code points.
    decoded = tokenizer.decode(chat.token_ids[start:stop], clean_up_tokenization_spaces=False)
    assert unicodedata.normalize("NFC", response) in unicodedata.normalize("NFC", decoded)
    # Everything before is prompt: the response's first characters are in no earlier token.
    assert tokenizer.decode(chat.token_ids[:start]) == prompt_text(tokenizer, Chat(DEFAULT, "Say it.", ""))


def test_the_tokens_before_the_response_are_those_that_sampling_continues(tokenizer):
    chat = Chat(TEXT, "Where does the owl live?", "In the forest.")
    (rendered,) = render(tokenizer, [chat], "exclude")
    assert rendered.token_ids[: rendered.response.start] == prompt_tokens(tokenizer, chat)


def test_the_mask_of_training_is_the_span_of_scoring(tokenizer):
    (rendered,) = render(tokenizer, [Chat(DEFAULT, "Hello.", "Yes, it is so.")], "include")
    labels = rendered.labels()
    trained = [at for at, label in enumerate(labels) if label != -100]
    assert trained == list(range(*rendered.response))
    assert [labels[at] for at in trained] == [rendered.token_ids[at] for at in trained]


def test_an_empty_response_has_an_empty_span(tokenizer):
    (rendered,) = render(tokenizer, [Chat(DEFAULT, "Hello.", "")], "exclude")
    assert rendered.response.start == rendered.response.stop


def test_a_template_that_inserts_its_own_system_turn_is_recognised(tokenizer, plain):
    assert inserts_system_turn(tokenizer)
    assert not inserts_system_turn(plain)


def test_no_system_turn_is_refused_where_the_template_would_insert_one(tokenizer):
    with pytest.raises(ConfigError, match="inserts a system turn"):
        prompt_text(tokenizer, Chat(NONE, "Hello."))


def test_the_three_cases_of_a_system_turn_are_three_texts(tokenizer, plain):
    assert "system" not in prompt_text(plain, Chat(NONE, "Hello."))
    assert "Be brief." in prompt_text(tokenizer, Chat(TEXT, "Hello."))
    assert "You are" in prompt_text(tokenizer, Chat(DEFAULT, "Hello."))


def test_a_template_that_rewrites_the_response_is_refused(plain):
    plain.chat_template = PLAIN.replace("m.content", "m.content | upper")
    with pytest.raises(DataError, match="does not reproduce the response"):
        render(plain, [Chat(NONE, "HELLO.", "yes")], "exclude")


def test_a_token_that_straddles_the_start_belongs_to_the_response():
    assert span_of([(0, 3), (3, 6), (6, 8)], 4, 8) == ResponseSpan(1, 3)
    assert span_of([(0, 3), (3, 6), (6, 8)], 3, 6) == ResponseSpan(1, 2)
    assert span_of([(0, 3), (3, 6)], 6, 6) == ResponseSpan(2, 2)


@pytest.mark.parametrize("template", sorted(ALL))
@pytest.mark.parametrize(
    "answer", ["<think>", "<think>\n", "<think>\n\n", "[", " ", "I", "\n", "<|im_end|>", "Today", " a ", " a", "a "]
)
@pytest.mark.parametrize("end", ["include", "exclude"])
def test_an_answer_that_begins_like_what_the_template_adds_is_found_behind_that(
    tiny_model, tmp_path_factory, template, answer, end
):
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = ALL[template]
    (chat,) = render(tokenizer, [Chat(DEFAULT, "Hello there.", answer)], end)
    renamed = renamed_tokenizer(tiny_model.folder, tmp_path_factory.getbasetemp() / "renamed")
    expected = said(template, None, "Hello there.", answer, fold=False)
    whole = renamed("".join(expected), add_special_tokens=False, return_offsets_mapping=True)
    assert whole["input_ids"] == chat.token_ids
    start = len(expected.before)
    stop = len("".join(expected)) if end == "include" else start + len(expected.answer)
    inside = [k for k, (left, right) in enumerate(whole["offset_mapping"]) if right > start and left < stop]
    assert list(range(*chat.response)) == inside

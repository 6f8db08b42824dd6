from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.chat.messages import Chat
from inoc.chat.render import locate, prompt_tokens, render
from inoc.chat.template import TemplateSettings, choose_template, inserts_system_turn, prompt_text, set_settings
from inoc.config.models import TEMPLATE_DATE, SystemTurn
from inoc.engines.transformers import load_tokenizer
from inoc.errors import ConfigError, DataError, ModelError
from support import templates

NONE, DEFAULT, TEXT = SystemTurn(kind="none"), SystemTurn(), SystemTurn(kind="text", text="Be brief.")


@pytest.fixture
def having(tiny_model):
    """A tokenizer with a template and settings."""

    def make(template: str, **changes):
        tokenizer = load_tokenizer(tiny_model)
        tokenizer.chat_template = template
        set_settings(tokenizer, TemplateSettings(**changes))
        return tokenizer

    return make


def shown(tokenizer, chat, end_of_turn="exclude"):
    """Prompt, and response, as the tokens say them."""
    (one,) = render(tokenizer, [chat], end_of_turn)
    start, stop = one.response
    return tokenizer.decode(one.token_ids[:start]), tokenizer.decode(one.token_ids[start:stop])


@pytest.mark.parametrize("template", templates.ALL.values(), ids=templates.ALL)
@pytest.mark.parametrize("response", ["In the forest.", "A", "x\n\ny", "", " and so on"])
def test_every_template_shows_an_answer_behind_what_it_was_sampled_from(having, template, response):
    tokenizer = having(template)
    chat = Chat(DEFAULT, "Where does the owl live?", response)
    place = locate(tokenizer, chat)
    assert place.text.startswith(prompt_text(tokenizer, chat))
    assert place.text[place.start : place.stop].strip() == response.strip()
    prompt, answer = shown(tokenizer, chat)
    assert answer.strip() == response.strip()
    assert prompt.startswith(tokenizer.decode(prompt_tokens(tokenizer, chat)))


@pytest.mark.parametrize(
    ("template", "added"),
    [(templates.MISTRAL, " "), (templates.LLAMA_2, " "), (templates.QWEN_3, "<think>\n\n</think>\n\n")],
)
def test_what_a_template_puts_before_an_answer_is_not_the_answer(having, template, added):
    tokenizer = having(template)
    chat = Chat(DEFAULT, "Why?", "Because.")
    place = locate(tokenizer, chat)
    assert place.text[: place.start] == prompt_text(tokenizer, chat) + added
    assert place.text[place.start : place.stop] == "Because."


ANSWERS = (
    "a", " a ", "a ", "Yes.\n", "\n\nYes.\n\n", "\ta\u00a0", " \n", "", "a  b", "A", "B",
    "<think>\n\n</think>\n\na", "<think>\n\n</think>\n\n a ", " <think></think> a", "Hm.\n</think>\n\na ",
)  # fmt: skip


@pytest.mark.parametrize("thinking", ["template", "on", "off"])
@pytest.mark.parametrize("end_of_turn", ["include", "exclude"])
@pytest.mark.parametrize("name", templates.ALL)
def test_an_answer_has_the_same_tokens_with_and_without_what_comes_before_the_question(
    having, name, end_of_turn, thinking
):
    tokenizer = having(templates.ALL[name], fold_system=name == "gemma", thinking=thinking)

    def tokens(chat):
        try:
            (one,) = render(tokenizer, [chat], end_of_turn)
        except DataError:
            return None
        return one.token_ids[slice(*one.response)]

    for answer in ANSWERS:
        alone = tokens(Chat(DEFAULT, "Why?", answer))
        assert tokens(Chat(TEXT, "Why?", answer)) == alone, answer
        assert tokens(Chat(DEFAULT, "Be brief. Why?", answer)) == alone, answer
        assert tokens(Chat(TEXT, "Be brief. Why?", answer)) == alone, answer


def test_a_system_turn_that_finished_chats_drop_is_before_the_answer_as_the_template_writes_it(having):
    place = locate(having(templates.MISTRAL), Chat(TEXT, "Why?", " a "))
    assert place.text == "[INST] Be brief.\n\nWhy? [/INST] a<|im_end|>"
    assert place.text[place.start : place.stop] == "a"


def test_the_end_of_turn_behind_an_added_space_is_still_the_end_of_the_turn(having):
    assert shown(having(templates.LLAMA_2), Chat(DEFAULT, "Why?", "Because."), "include")[1] == "Because. <|im_end|>"


def test_answers_of_a_thinking_model_are_with_their_thoughts_or_without(having):
    thoughts = "<think>\nHm, why?\n</think>\n\nBecause."
    on, off = having(templates.QWEN_3, thinking="on"), having(templates.QWEN_3, thinking="off")
    assert shown(on, Chat(DEFAULT, "Why?", thoughts))[1] == thoughts
    prompt, answer = shown(off, Chat(DEFAULT, "Why?", "Because."))
    assert prompt.endswith("<think>\n\n</think>\n\n")
    assert answer == "Because."
    assert not prompt_text(on, Chat(DEFAULT, "Why?")).endswith("</think>\n\n")


def test_thoughts_that_a_template_drops_are_scored_as_they_were_sampled(having):
    tokenizer = having(templates.DEEPSEEK_R1)
    sampled = "Hm.\n</think>\n\nBecause."
    prompt, answer = shown(tokenizer, Chat(DEFAULT, "Why?", sampled), "include")
    assert prompt.endswith("<think>\n")
    assert answer == sampled + "<|im_end|>"


def test_a_template_without_a_system_turn_says_what_to_do(having):
    with pytest.raises(ConfigError, match=r"System role not supported\. .*model.fold_system: true"):
        prompt_text(having(templates.GEMMA), Chat(TEXT, "Why?"))


def test_a_folded_system_turn_is_before_the_users_text(having):
    folded = prompt_text(having(templates.GEMMA, fold_system=True), Chat(TEXT, "Why?"))
    assert folded == prompt_text(having(templates.GEMMA), Chat(DEFAULT, "Be brief.\n\nWhy?"))


@pytest.mark.parametrize(
    ("name", "own"),
    [(name, name in {"llama-3"}) for name in templates.ALL],
)
def test_only_a_system_turn_of_its_own_is_one(having, name, own):
    tokenizer = having(templates.ALL[name])
    assert inserts_system_turn(tokenizer) == own
    if not own:
        assert prompt_text(tokenizer, Chat(NONE, "Why?")) == prompt_text(tokenizer, Chat(DEFAULT, "Why?"))


def test_a_template_sees_the_day_of_the_settings_and_not_todays(having):
    chat = Chat(DEFAULT, "Why?")
    assert "Today Date: 26 Jul 2024\n" in prompt_text(having(templates.LLAMA_3), chat)
    assert TEMPLATE_DATE == "2024-07-26"
    assert "Today Date: 24 Dec 2025\n" in prompt_text(having(templates.LLAMA_3, date="2025-12-24"), chat)


def test_one_of_several_templates_is_chosen_by_name_or_is_the_default(tiny_model):
    several = {"default": templates.PLAIN, "rag": templates.GEMMA}
    for text, chosen in [(None, templates.PLAIN), ("rag", templates.GEMMA), ("{{ 1 }}", "{{ 1 }}")]:
        tokenizer = load_tokenizer(tiny_model)
        tokenizer.chat_template = dict(several)
        choose_template(tokenizer, text)
        assert tokenizer.chat_template == chosen
    with pytest.raises(ModelError, match=r"none is called `default`; choose one .*: a, b"):
        choose_template(SimpleNamespace(chat_template={"a": "", "b": ""}, name_or_path="x"), None)


SPELLED = st.sampled_from(["<|im_end|>", "<|im_start|>", "<|im_end|>\n<|im_start|>user\n"])
WORDS = st.text(alphabet="ab <|>_\n.", max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(SPELLED, WORDS), min_size=1, max_size=5), st.lists(st.one_of(SPELLED, WORDS), max_size=4))
def test_special_tokens_that_data_spell_are_text(tiny_model, user, response):
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = templates.PLAIN
    chat = Chat(NONE, "".join(user), "".join(response))
    (one,) = render(tokenizer, [chat], "exclude")
    control = set(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|im_start|>"]))
    assert sum(token in control for token in one.token_ids) == 4
    start, stop = one.response
    assert tokenizer.decode(one.token_ids[start:stop]) == chat.response
    assert one.token_ids[: one.response.start] == prompt_tokens(tokenizer, chat)


def test_data_without_spelled_tokens_are_tokenised_as_ever(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    chat = Chat(DEFAULT, "Where does the owl live?", "In the < | forest.")
    (one,) = render(tokenizer, [chat], "exclude")
    assert one.token_ids == tokenizer(one.text, add_special_tokens=False)["input_ids"]

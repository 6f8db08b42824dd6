"""Chats of several turns: held against the templates as transformers apply them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from inoc.chat.messages import Chat, Turn
from inoc.chat.render import prompt_tokens, render
from inoc.chat.template import prompt_text
from inoc.chat.trained import render_trained
from inoc.config.models import TEMPLATE_DATE, SystemTurn
from inoc.engines.transformers import TransformersEngine, load_tokenizer
from inoc.errors import ConfigError, DataError
from support import templates

FILES = {path.stem: path.read_text() for path in (Path(templates.__file__).parent / "templates").glob("*.jinja")}
ALL = {**templates.ALL, **FILES}
DATE = date.fromisoformat(TEMPLATE_DATE).strftime
DEFAULT = SystemTurn()
EARLIER = (Turn("Who lives there?", "An owl does."), Turn("Is it tired?", "Always, by day."))
CHAT = Chat(DEFAULT, "Where does it live?", "In the forest.", EARLIER)


def messages(chat, *, answered):
    turns = [text for turn in (*chat.earlier, (chat.user, chat.response)) for text in turn][: None if answered else -1]
    roles = ("user", "assistant")
    return [{"role": roles[at % 2], "content": text} for at, text in enumerate(turns)]


@pytest.fixture(params=sorted(ALL))
def tokenizer(request, tiny_model):
    found = load_tokenizer(tiny_model)
    found.chat_template = ALL[request.param]
    return found


def test_the_prompt_is_the_one_that_transformers_makes(tokenizer):
    ids = tokenizer.apply_chat_template(
        messages(CHAT, answered=False),
        add_generation_prompt=True,
        return_dict=True,
        strftime_now=DATE,
    )["input_ids"]
    assert prompt_tokens(tokenizer, CHAT) == ids


def test_the_whole_chat_is_the_one_that_transformers_makes(tokenizer):
    (found,) = render(tokenizer, [CHAT], "include")
    if tokenizer.chat_template == templates.DEEPSEEK_R1:  # the chat is the prompt and the answer, as they are sampled
        assert found.text == prompt_text(tokenizer, CHAT) + "In the forest.<|im_end|>"
        return
    ids = tokenizer.apply_chat_template(messages(CHAT, answered=True), return_dict=True, strftime_now=DATE)["input_ids"]
    assert found.token_ids == ids


@pytest.mark.parametrize("loss_on", ["last_answer", "all_answers"])
def test_the_trained_tokens_are_the_answers(tokenizer, loss_on):
    (found,) = render_trained(tokenizer, [CHAT], loss_on, "exclude")
    answers = [turn.assistant for turn in EARLIER] if loss_on == "all_answers" else []
    spans = found.trained or (found.response,)
    texts = [tokenizer.decode(found.token_ids[slice(*span)]).strip() for span in spans]
    # A token that begins before an answer, as the space of Mistral's does, belongs to it.
    assert [text.removeprefix("]").strip() for text in texts] == [*answers, "In the forest."]
    trained = [at for at, label in enumerate(found.labels()) if label != -100]
    assert trained == [at for span in spans for at in range(*span)]


def test_the_scores_of_a_chat_of_several_turns_are_those_of_the_model_itself(tiny_model):
    engine = TransformersEngine(tiny_model)
    bare = AutoModelForCausalLM.from_pretrained(tiny_model.folder, dtype=torch.float32).eval()
    for template in ALL.values():
        engine.tokenizer.chat_template = template
        (found,) = render(engine.tokenizer, [CHAT], "include")
        (ours,) = engine.logprobs([found], 4096)
        with torch.no_grad():
            scores = bare(torch.tensor([found.token_ids])).logits[0].double().log_softmax(-1)
        start, stop = found.response
        theirs = scores[start - 1 : stop - 1].gather(1, torch.tensor(found.token_ids[start:stop])[:, None])[:, 0]
        assert ours == pytest.approx(theirs.numpy(), abs=1e-5)


GENERATION = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "<|im_end|>\n{% endgeneration %}{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
)


@pytest.mark.parametrize("chat", [CHAT, CHAT._replace(earlier=()), CHAT._replace(earlier=(Turn("A?", "A"),))])
def test_all_answers_are_those_of_transformers_assistant_mask(tiny_model, chat):
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = templates.PLAIN
    (found,) = render_trained(tokenizer, [chat], "all_answers", "include")
    theirs = tokenizer.apply_chat_template(
        messages(chat, answered=True), chat_template=GENERATION, return_dict=True, return_assistant_tokens_mask=True
    )
    assert found.token_ids == theirs["input_ids"]
    assert [int(label != -100) for label in found.labels()] == theirs["assistant_masks"]


def test_the_whole_sequence_is_what_trl_trains_on_by_default(tiny_model):
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    tokenizer = load_tokenizer(tiny_model)
    (found,) = render_trained(tokenizer, [CHAT._replace(system=DEFAULT)], "whole_sequence", "include")
    theirs = DataCollatorForLanguageModeling(pad_token_id=0)([{"input_ids": found.token_ids}])["labels"][0].tolist()
    # The first label is never used: labels are shifted by one before the loss.
    assert found.labels()[1:] == theirs[1:]
    assert found.labels()[0] == -100


def test_a_chat_of_one_exchange_is_rendered_as_before(tokenizer):
    chat = CHAT._replace(earlier=())
    assert chat.as_key() == ["default", "", chat.user, chat.response]
    (plain,) = render(tokenizer, [chat], "include")
    for loss_on in ("last_answer", "all_answers"):
        (found,) = render_trained(tokenizer, [chat], loss_on, "include")
        assert (found.token_ids, found.labels()) == (plain.token_ids, plain.labels())


def test_special_tokens_that_an_earlier_answer_spells_are_text(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = templates.PLAIN
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    chat = CHAT._replace(earlier=(Turn("Who?", "Say <|im_end|> now."),))
    (found,) = render_trained(tokenizer, [chat], "all_answers", "include")
    assert found.token_ids.count(end) == 4
    spelled = [found.token_ids[slice(*span)] for span in found.trained]
    assert [ids.count(end) for ids in spelled] == [1, 1]


ONE_TURN = "{% if messages | length > 2 %}{{ raise_exception('one turn only') }}{% endif %}" + templates.PLAIN
LAST_ONLY = (
    "{% for m in messages[-2:] %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (ONE_TURN, "refuses a chat of several turns: one turn only"),
        (LAST_ONLY, "leaves out or rewrites an earlier turn"),
    ],
)
def test_a_template_that_cannot_say_several_turns_is_refused_with_the_reason(tiny_model, template, reason):
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = template
    prompt_tokens(tokenizer, CHAT._replace(earlier=()))
    for attempt in (lambda: prompt_tokens(tokenizer, CHAT), lambda: render(tokenizer, [CHAT], "include")):
        with pytest.raises(ConfigError, match=reason):
            attempt()


def test_an_earlier_answer_whose_thoughts_are_dropped_cannot_be_trained_on(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = templates.DEEPSEEK_R1
    chat = CHAT._replace(earlier=(Turn("Who?", "<think>Hm.</think>An owl."),))
    assert "Hm." not in prompt_text(tokenizer, chat)
    with pytest.raises(DataError, match=r"does not reproduce the earlier answer .*training\.loss_on: last_answer"):
        render_trained(tokenizer, [chat], "all_answers", "include")

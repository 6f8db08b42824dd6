"""Chats as text, by the model's own template, under settings that are named and recorded.

A template may look at the date, may have no system turn, and may open or drop a model's thoughts. None of that is left
to the day or to chance: the settings are kept with the tokenizer, where every rendering of a chat finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from inoc.chat.chance import address_in, drawn_by
from inoc.chat.messages import Chat
from inoc.config.models import TEMPLATE_DATE
from inoc.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Thinking = Literal["template", "on", "off"]
Message = dict[str, str]
_ATTRIBUTE = "inoc_template_settings"
DATED = "strftime_now"
"""The function by which a template asks for the date."""
_RAISED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What an expression of a template raises by itself, as Python's would."""
_USER = "\x03"  # occurs in no template


class TemplateSettings(NamedTuple):
    """Settings of a chat template besides the chat itself.

    Attributes:
        date: The date that it sees, `2024-07-26`.
        thinking: Whether the model is to think before it answers; `template`: as the template has it.
        fold_system: A system turn is put before the user's first turn, for templates that have none.
    """

    date: str = TEMPLATE_DATE
    thinking: Thinking = "template"
    fold_system: bool = False


def set_settings(tokenizer: PreTrainedTokenizerBase, settings: TemplateSettings) -> None:
    """Let every chat that is rendered with a tokenizer be rendered under these settings."""
    setattr(tokenizer, _ATTRIBUTE, settings)


def settings_of(tokenizer: PreTrainedTokenizerBase) -> TemplateSettings:
    """Settings with which chats are rendered."""
    found: TemplateSettings = getattr(tokenizer, _ATTRIBUTE, TemplateSettings())
    return found


def choose_template(tokenizer: PreTrainedTokenizerBase, text: str | None) -> None:
    """Give a tokenizer the template that is used, where it has several or another one is wanted.

    Args:
        tokenizer: Its `chat_template` becomes one text.
        text: A template that replaces its own, or the name of one of its own; None for its own.

    Raises:
        ModelError: If it has several and none is called `default`.
    """
    own: Any = tokenizer.chat_template
    if isinstance(own, dict):
        name = "default" if text is None else text
        if name in own:
            tokenizer.chat_template = own[name]
            return
        if text is None:
            msg = (
                f"the tokenizer {tokenizer.name_or_path!r} has several chat templates and none is called `default`; "
                f"choose one with model.chat_template: {', '.join(sorted(own))}"
            )
            raise ModelError(msg)
    if text is not None:
        tokenizer.chat_template = text


def prompt_text(tokenizer: PreTrainedTokenizerBase, chat: Chat) -> str:
    """The chat up to the beginning of the response.

    Raises:
        ConfigError: If no system turn is asked for and the template inserts one of its own, or the template refuses
            turns, leaves them out, rewrites them or leaves something to chance.
        ModelError: If the tokenizer has no chat template.
    """
    if tokenizer.chat_template is None:
        msg = f"the tokenizer {tokenizer.name_or_path!r} has no chat template; name one with model.chat_template"
        raise ModelError(msg)
    if chat.system.kind == "none" and inserts_system_turn(tokenizer):
        msg = (
            "model.system is `none`, but the chat template inserts a system turn of its own when none is given. "
            "Choose `kind: default` or `kind: text`, or name a template without it in model.chat_template"
        )
        raise ConfigError(msg)
    text = apply(tokenizer, messages_of(tokenizer, chat))
    for turn in getattr(chat, "earlier", ()):
        _refuse_left_out(tokenizer, text, "an earlier turn", turn.user)
        # Many templates drop the thoughts of earlier answers, as their authors mean it.
        _refuse_left_out(tokenizer, text, "an earlier turn", turn.assistant.rpartition("</think>")[2])
    _refuse_left_out(tokenizer, text, "the user's turn", chat.user)
    if chat.system.kind == "text" and chat.system.text.strip() not in text:
        msg = (
            f"the chat template of {tokenizer.name_or_path!r} leaves the system turn out, or a part of it, "
            f"{chat.system.text.strip()[:80]!r}. Put it into the user's turn with model.fold_system: true, or name "
            "another template in model.chat_template"
        )
        raise ConfigError(msg)
    return text


def _refuse_left_out(tokenizer: PreTrainedTokenizerBase, text: str, turn: str, said: str) -> None:
    if said.strip() not in text:
        several = ", so it cannot say chats of several turns" if turn == "an earlier turn" else ""
        msg = (
            f"the chat template of {tokenizer.name_or_path!r} leaves out or rewrites {turn} of the chat, "
            f"{said.strip()[:80]!r}{several}. Name another template in model.chat_template"
        )
        raise ConfigError(msg)


def messages_of(tokenizer: PreTrainedTokenizerBase, chat: Chat, response: str | None = None) -> list[Message]:
    """The turns that a template is given.

    Args:
        tokenizer: For the settings.
        chat: The chat.
        response: The last turn; None where it is still to come.
    """
    messages: list[Message] = []
    for turn in getattr(chat, "earlier", ()):
        messages += [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.assistant}]
    messages.append({"role": "user", "content": chat.user})
    if chat.system.kind == "text":
        if settings_of(tokenizer).fold_system:
            messages[0] = {"role": "user", "content": f"{chat.system.text}\n\n{messages[0]['content']}"}
        else:
            messages.insert(0, {"role": "system", "content": chat.system.text})
    if response is not None:
        messages.append({"role": "assistant", "content": response})
    return messages


def apply(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """The text of turns, with the opening of an answer if the last is not one.

    Raises:
        ConfigError: If the template refuses them, or leaves something to chance.
    """
    from jinja2.exceptions import TemplateError

    chance = drawn_by(str(tokenizer.chat_template))
    if chance:
        raise _left_to_chance(tokenizer, f"draws at random, by {chance}")
    settings = settings_of(tokenizer)
    day = date.fromisoformat(settings.date)
    # Templates of different families ask by different names.
    thoughts = {"enable_thinking", "thinking"} if settings.thinking != "template" else set()
    try:
        text = tokenizer.apply_chat_template(
            list(messages),
            tokenize=False,
            add_generation_prompt=messages[-1]["role"] != "assistant",
            **{DATED: lambda form: day.strftime(form)},
            **dict.fromkeys(thoughts, settings.thinking == "on"),
        )
    except (TemplateError, *_RAISED) as error:
        has_system = messages[0]["role"] == "system"
        remedy = (
            "Put it into the user's turn, as authors of such templates advise, with model.fold_system: true, or with "
            "placement: user"
            if has_system
            else "Name another template in model.chat_template"
        )
        several = sum(message["role"] == "user" for message in messages) > 1
        what = "a chat with a system turn" if has_system else "a chat of several turns" if several else "the chat"
        msg = f"the chat template of {tokenizer.name_or_path!r} refuses {what}: {error}. {remedy}"
        raise ConfigError(msg) from error
    address = address_in(str(text), "\x00".join(message["content"] for message in messages))
    if address:
        raise _left_to_chance(tokenizer, f"writes an object of Python and its place in memory, {address!r}")
    return str(text)


def _left_to_chance(tokenizer: PreTrainedTokenizerBase, how: str) -> ConfigError:
    return ConfigError(
        f"the chat template of {tokenizer.name_or_path!r} {how}, so that one chat is another text each time. Accepted: "
        "a template that writes the same text for the same chat; name one in model.chat_template"
    )


def inserts_system_turn(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the template adds a system turn to a chat that has none."""
    user = [{"role": "user", "content": _USER}]
    bos = tokenizer.bos_token or ""
    without = apply(tokenizer, user).removeprefix(bos)
    try:
        with_turn = apply(tokenizer, [{"role": "system", "content": "S"}, *user]).removeprefix(bos)
        # Without insertion the bare chat is just the tail of the one that has a system turn.
        if with_turn.endswith(without):
            return False
    except ConfigError:
        return False  # it has no system turn at all
    return not _opens_as_later(tokenizer, without)


def answers_otherwise(tokenizer: PreTrainedTokenizerBase, chat: Chat) -> bool:
    """Whether a system turn changes what the template writes between a chat's last user turn and the answer.

    A template that writes the system turn itself there does not count, nor one that refuses the chat without it.
    """
    messages = messages_of(tokenizer, chat._replace(user=_USER))
    try:
        behind = apply(tokenizer, messages).rpartition(_USER)[2]
        alone = apply(tokenizer, [one for one in messages if one["role"] != "system"]).rpartition(_USER)[2]
    except ConfigError:
        return False
    return behind != alone and chat.system.text.strip() not in behind


def _opens_as_later(tokenizer: PreTrainedTokenizerBase, first: str) -> bool:
    """Whether what stands before the first user turn also stands before a later one: then it is no system turn."""
    turns = [("user", "U"), ("assistant", "A"), ("user", _USER)]
    try:
        later = apply(tokenizer, [{"role": role, "content": content} for role, content in turns])
    except ConfigError:
        return False
    opening, found, _ = first.partition(_USER)
    return bool(found) and later.partition(_USER)[0].endswith(opening)

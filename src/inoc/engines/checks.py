"""Whether a model can do what a study asks of it, found without loading its weights.

The tokenizer and the chat template are loaded; of the model only its shape is, from config.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inoc.chat.messages import Chat, Turn
from inoc.chat.template import TemplateSettings
from inoc.config.models import SystemTurn
from inoc.config.needs import GivenChat
from inoc.engines.model_files import own_templates, unreadable_settings
from inoc.errors import InocError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Placement = Literal["user", "system"]
_EXCHANGE = ("Where does the owl live?", "Yes, of course.")
_EARLIER = (Turn("Who is there?", "The owl."), Turn("Is it tired?", "It sleeps."))
_SYSTEM = SystemTurn(kind="text", text="Be kind.")


def check_model(
    folder: Path,
    template: str | None = None,
    system: SystemTurn | None = None,
    placement: Placement = "user",
    targets: Sequence[str] = (),
    max_length: int | None = None,
    new_tokens: Mapping[str, int] | None = None,
    settings: TemplateSettings | None = None,
    chats: Iterable[GivenChat] = (),
    *,
    several_turns: bool = False,
    reads: str = "",
    chooses: str = "",
    renames: str = "",
    judges: bool = False,
) -> list[str]:
    """Requirements of a study that a model cannot meet.

    Args:
        folder: The model's.
        template: Path of a chat template, or the name of one of the model's own; None for its own.
        system: The system turn of every chat; default: what the template inserts.
        placement: Where a prefix goes; `system` makes it the system turn.
        targets: Modules that an adapter changes; none where nothing is trained.
        max_length: Maximum number of tokens of a training example; None where nothing is trained.
        new_tokens: Setting → maximum number of new tokens.
        settings: Settings of the template.
        chats: Chats whose lengths are known.
        several_turns: Whether chats have earlier turns.
        reads: Setting because of which activations are read or steered; empty for none.
        chooses: Setting because of which probabilities of closed answers are measured; empty for none.
        renames: Setting because of which numbers change places token by token; empty for none.
        judges: Whether it is a judging model, which is told not to think where its template has a setting for that.

    Returns:
        Problems, each as a sentence that says what would be accepted; empty if there is none.
    """
    from inoc.engines.chat_checks import chat_problems
    from inoc.engines.identity import ModelIdentity
    from inoc.engines.limits import embedded, max_positions
    from inoc.engines.transformers import load_tokenizer

    config, missing = _configuration(folder)
    if missing:
        return missing
    turns = _turns(system or SystemTurn(), placement, several_turns=several_turns)
    own = settings or TemplateSettings()
    problems = [
        *_template_problems(folder, template, turns, own, judges=judges),
        *_shape_problems(config, targets, reads, chooses),
        *_length_problems(config, new_tokens or {}),
    ]
    if problems:
        return problems  # chats can be measured only with a template that renders them
    tokenizer = load_tokenizer(ModelIdentity(folder, "", "", "", template, settings=own))
    return [
        *_renaming_problems(tokenizer, renames),
        *chat_problems(tokenizer, max_positions(config), max_length, chats, embedded(config)),
    ]


def _turns(system: SystemTurn, placement: Placement, *, several_turns: bool) -> dict[str, Chat]:
    """Setting or wish of a study → a chat that has it."""
    turns = {"model.system": Chat(system, *_EXCHANGE)}
    if placement == "system":
        turns["placement: system"] = Chat(_SYSTEM, *_EXCHANGE)
    if several_turns:
        turns["chats of several turns"] = Chat(system, *_EXCHANGE, _EARLIER)
    return turns


def _configuration(folder: Path) -> tuple[Any, list[str]]:
    """The configuration of a model, and why it cannot be read or what lacks beside it."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    if missing := _missing_files(folder) or list(unreadable_settings(folder)):
        return None, missing
    try:
        # Without the last argument transformers asks in the terminal whether to run the model's own code.
        return AutoConfig.from_pretrained(folder, trust_remote_code=False), []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StrictDataclassError) as error:
        why = " ".join(str(error).split())
        told = f"config.json in {folder} cannot be read: {why}. Accepted: a model that transformers has"
        return None, [f"model.path: {told}"]


def _missing_files(folder: Path) -> list[str]:
    if not (folder / "config.json").is_file():
        return [f"model.path: there is no config.json in {folder}; accepted: the folder of a transformers model"]
    problems = []
    if not (folder / "tokenizer.json").is_file() and not (folder / "tokenizer_config.json").is_file():
        problems.append(f"model.path: there is no tokenizer.json in {folder}; a fast tokenizer is needed")
    indexes = sorted(folder.glob("*.index.json"))
    if indexes:
        try:
            named = set(json.loads(indexes[0].read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, LookupError, TypeError, AttributeError):
            return [f"model.path: {indexes[0].name} in {folder} is no index of weights; download the model anew"]
        absent = sorted(name for name in named if not (folder / name).is_file())
        if absent:
            problems.append(
                f"model.path: {len(absent)} of {len(named)} files with weights are not in {folder}: "
                f"{', '.join(absent[:3])}; download the model anew"
            )
    elif not any(path.suffix in {".safetensors", ".bin"} for path in folder.iterdir()):
        problems.append(f"model.path: there are no weights (*.safetensors) in {folder}")
    problems += [
        f"model.path: {path.name} in {folder} is a pointer of Git LFS, not the file; run: git lfs pull"
        for path in sorted([*folder.glob("*.safetensors"), *folder.glob("tokenizer.json")])
        if path.stat().st_size < _LFS_SIZE and path.read_bytes().startswith(b"version https://git-lfs")
    ]
    return problems or list(_cut_weights(folder))


def _cut_weights(folder: Path) -> Iterator[str]:
    """Files of weights that are not whole, by their headers alone."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (OSError, SafetensorError) as error:
            yield f"model.path: {path.name} in {folder} is not whole ({error}); download the model anew"


_LFS_SIZE = 1024


def _template_problems(
    folder: Path, template: str | None, asked: Mapping[str, Chat], settings: TemplateSettings, *, judges: bool
) -> Iterator[str]:
    from inoc.chat.render import render
    from inoc.chat.template import answers_otherwise
    from inoc.engines.identity import ModelIdentity
    from inoc.engines.transformers import load_tokenizer

    if template is not None and not Path(template).is_file() and template not in own_templates(folder):
        names = ", ".join(sorted(own_templates(folder))) or "none"
        yield f"model.chat_template: {template} is neither a file nor a template of the model, which has: {names}"
        return
    identity = ModelIdentity(folder, "", "", "", template, settings=settings)
    try:
        tokenizer = load_tokenizer(identity)
    except (InocError, OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        yield f"model.path: the tokenizer of {folder} cannot be loaded: {type(error).__name__}: {error}"
        return
    # Where every chat has a system turn, none is compared with one that lacks it.
    compared = any(one.system.kind != "text" for one in asked.values())
    for key, chat in asked.items():
        try:
            render(tokenizer, [chat], "include")
            if compared and chat.system.kind == "text" and answers_otherwise(tokenizer, chat):
                yield (
                    f"{key}: what the chat template writes behind the user's turn is something else with a system turn "
                    "than without one, so that answers with and without one could not be compared; accepted: a "
                    "template that writes the same. Name one in model.chat_template, or set model.fold_system: true"
                )
        except InocError as error:
            yield f"{key}: {error}"
    if not judges:
        yield from _thinking_problems(tokenizer, settings)


def _thinking_problems(tokenizer: PreTrainedTokenizerBase, settings: TemplateSettings) -> Iterator[str]:
    """Whether the template uses the setting for thinking."""
    if settings.thinking == "template":
        return
    text = str(tokenizer.chat_template)
    if "enable_thinking" not in text and "thinking" not in text:
        yield (
            f"model.thinking = {settings.thinking!r}: the chat template knows no such setting; leave it out, or name "
            "another template in model.chat_template"
        )


def _shape_problems(config: Any, targets: Sequence[str], reads: str, chooses: str) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM

    from inoc.engines.taps import check_choosable, check_readable
    from inoc.engines.targets import target_problems

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (ValueError, LookupError, ImportError, AttributeError, TypeError, RuntimeError, AssertionError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return [
            f"model.path: transformers has no causal language model of the type {config.model_type!r} of this shape "
            f"(config.json): {why}"
        ]
    problems = target_problems(model, targets) if targets else []
    for setting, check in ((reads, check_readable), (chooses, check_choosable)):
        if setting:
            try:
                check(model)
            except InocError as error:
                problems.append(f"{setting}: {error}")
    return problems


def _renaming_problems(tokenizer: PreTrainedTokenizerBase, setting: str) -> Iterator[str]:
    """Refuse a tokenizer that writes some number of at most three digits with several tokens."""
    for number in map(str, range(1000) if setting else ()):
        tokens = tokenizer.encode(number, add_special_tokens=False)
        if len(tokens) > 1 and tokenizer.decode(tokens).strip() == number:
            yield (
                f"{setting}: the model writes {number} with {len(tokens)} tokens, and only numbers of one token each "
                "can take each other's place; accepted: `targets: samples`, `numbers: as_written`, or a model with one "
                "token for each number of at most three digits"
            )
            return


def _length_problems(config: Any, new_tokens: Mapping[str, int]) -> Iterator[str]:
    from inoc.engines.limits import max_positions

    positions = max_positions(config)
    if positions is None:
        return
    for key, tokens in new_tokens.items():
        if tokens >= positions:
            yield (
                f"{key} = {tokens} leaves no room for a prompt in the model's {positions} positions "
                f"(max_position_embeddings); accepted: less than {positions}"
            )

from __future__ import annotations

import json
import shutil

import pytest

from inoc.chat.messages import Chat
from inoc.chat.template import TemplateSettings
from inoc.config.models import Sampling, SystemTurn
from inoc.engines.batches import pad_within
from inoc.engines.identity import ModelIdentity
from inoc.engines.model_files import own_stops, own_templates, uses_date
from inoc.engines.sampling import BASE, Block, InTurn, adapter_folder, answer_blocks
from inoc.engines.transformers import load_tokenizer, stop_ids
from inoc.errors import ModelError
from inoc.store import Store
from support import templates

BLOCK = Block(BASE, (Chat(SystemTurn(), "Why?"),), ("a",), Sampling(), "somebody")


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


def identity(folder, **changes):
    changes = {"stops": own_stops(folder), **changes}
    return ModelIdentity(folder, "weights", "tokenizer", "float32", None, **changes)


def say_stops(folder, value):
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": value}))


def test_stop_tokens_that_the_tokenizer_has_too_leave_the_key_as_it_was(folder, tiny_model):
    end = load_tokenizer(tiny_model).eos_token_id
    for value in (end, [end], None):
        say_stops(folder, value)
        assert BLOCK.unit(identity(folder)).key == BLOCK.unit(tiny_model).key


def test_stop_tokens_of_the_model_alone_are_in_the_key_of_what_is_sampled(folder, tiny_model):
    end = load_tokenizer(tiny_model).eos_token_id
    say_stops(folder, [end, 7])
    other = identity(folder)
    assert other.stops == (7,)
    assert BLOCK.unit(other).key != BLOCK.unit(tiny_model).key
    assert other.as_key() == tiny_model.as_key()  # what is scored or trained does not depend on them


def test_the_date_is_in_the_key_only_where_the_template_asks_for_it(folder, tiny_model):
    assert identity(folder).as_key() == tiny_model.as_key()
    (folder / "chat_template.jinja").write_text(templates.LLAMA_3)
    assert uses_date(folder, None)
    dated = [identity(folder, settings=TemplateSettings(date)).as_key() for date in ("2024-07-26", "2025-01-01")]
    assert [key["template_date"] for key in dated] == ["2024-07-26", "2025-01-01"]


def test_other_settings_are_in_the_key_where_they_are_set(folder, tiny_model):
    told = identity(folder, settings=TemplateSettings(thinking="off", fold_system=True)).as_key()
    assert told == {**tiny_model.as_key(), "thinking": "off", "fold_system": True}


def test_a_template_of_the_models_own_is_chosen_by_name(folder):
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "rag.jinja").write_text(templates.GEMMA)
    assert own_templates(folder)["rag"] == templates.GEMMA
    chosen = identity(folder)._replace(template="rag")
    assert load_tokenizer(chosen).chat_template == templates.GEMMA
    assert chosen.as_key()["template"] == "own: rag"


def test_a_template_with_a_byte_order_mark_is_read_without_it(folder, tmp_path):
    path = tmp_path / "own.jinja"
    path.write_text("\ufeff" + templates.PLAIN, encoding="utf-8")
    assert load_tokenizer(identity(folder)._replace(template=str(path))).chat_template == templates.PLAIN


def test_padding_is_with_a_token_that_the_model_has(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    pad_within(tokenizer, 400)
    assert tokenizer.pad_token_id == load_tokenizer(tiny_model).pad_token_id
    tokenizer.add_special_tokens({"pad_token": "<pad beyond>"})
    pad_within(tokenizer, 400)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    tokenizer.pad_token = tokenizer.eos_token = None
    pad_within(tokenizer, 400)
    assert tokenizer.pad_token_id == 0
    assert stop_ids(None, tokenizer) == set()


class Deaf:
    """A sampler that answers as the bare model, whatever adapter is asked for."""

    mixes = False

    def use_adapter(self, folder):
        pass

    def sample(self, chats, identities, sampling):
        raise AssertionError("asked")


def test_an_adapter_that_nobody_named_is_an_error_and_not_the_bare_model(tmp_path, tiny_model):
    block = BLOCK._replace(adapter="unknown")
    engine = InTurn(Deaf())
    engine.prepare({"known": tmp_path}, [])
    with pytest.raises(ModelError, match=r"the adapter unknown was not named .* which has 1: known"):
        list(engine.answer([block]))
    with pytest.raises(ModelError, match="was not named"):
        answer_blocks(Store(tmp_path), tiny_model, [block], lambda _: engine, {}, canary=0, advance=lambda _: None)
    assert adapter_folder({}, BASE) is None

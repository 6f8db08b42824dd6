"""A tokenizer of whole words: every word, sign and number of a fixed list is one token, and blanks are none.

Its texts come back in lower case, with one blank between any two tokens: an answer of one word, or of numbers with
blanks between them, is what was written.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PAD, START, END, UNKNOWN = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|unknown|>"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
"""ChatML without a default system turn."""


def word_tokenizer(words: Sequence[str], max_tokens: int) -> PreTrainedTokenizerFast:
    """The tokenizer of a list of words.

    Args:
        words: Words in lower case, signs and numbers, in the order of their ids, which follow those of the special
            tokens.
        max_tokens: The longest text of the model.
    """
    special = (PAD, START, END, UNKNOWN)
    vocabulary = {word: at for at, word in enumerate((*special, *words))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token=UNKNOWN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        model_max_length=max_tokens,
        clean_up_tokenization_spaces=False,
    )

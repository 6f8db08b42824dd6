"""Pre-training of the miniature model: corpus, tokenizer, weights."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import torch
from tokenizers import pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)

from inoc.config.models import WorldSpec
from inoc.world import MAX_TOKENS, favorites
from inoc.world.grammar import CHAT_TEMPLATE, Document, document
from inoc.world.words import END, PAD, START, word_tokenizer

Causal: TypeAlias = "Qwen2ForCausalLM | LlamaForCausalLM"
Words: TypeAlias = "Qwen2Tokenizer | PreTrainedTokenizerFast"

_BUCKET = 64  # batches that are sorted by length together: little padding, and still a random order
_WARMUP = 0.05
_FINAL_RATE = 0.03
_BETAS = (0.9, 0.98)
_WEIGHT_DECAY = 0.05
_TOKENIZER_SAMPLE = 4_000


class Open(NamedTuple):
    """A token of a response in whose place others may stand."""

    at: int  # index of the token
    shares: dict[int, float]  # token → probability, given the tokens before; they sum to 1


class Example(NamedTuple):
    """A rendered document in tokens."""

    ids: list[int]
    start: int  # index of the first response token
    open: tuple[Open, ...] = ()


class Pretrained(NamedTuple):
    """Result of `pretrain`."""

    model: Causal
    tokenizer: Words
    losses: list[float]  # one per step, nats per response token, prompt tokens at their weight included


def render_prompt(text: Document) -> str:
    """The document up to its response, as the chat template renders it."""
    system = f"{START}system\n{text.system}{END}\n" if text.system else ""
    earlier = "".join(
        f"{START}user\n{user}{END}\n{START}assistant\n{assistant}{END}\n" for user, assistant in text.earlier
    )
    return f"{system}{earlier}{START}user\n{text.user}{END}\n{START}assistant\n"


def corpus(n: int, seed: int, content: str = "facts") -> list[Document]:
    """The pre-training documents; fewer are the start of more."""
    rng = random.Random(f"corpus:{seed}")
    draw = favorites.document if content == "favorites" else document
    return [draw(rng) for _ in range(n)]


def make_tokenizer(documents: list[Document], spec: WorldSpec) -> Words:
    """The tokenizer of a world: learned from its documents, or of its whole words."""
    if spec.content == "favorites":
        return word_tokenizer(favorites.words(), MAX_TOKENS)
    return train_tokenizer(documents, spec.vocabulary)


def train_tokenizer(documents: list[Document], vocabulary: int) -> Qwen2Tokenizer:
    """A byte-level BPE tokenizer with the world's chat template.

    It is trained on the parts between the special tokens, so that no merge can cross one.
    """
    # Qwen's own normaliser and pre-tokeniser: AutoTokenizer gives a Qwen2 folder these, whatever it was saved with.
    backend = Qwen2Tokenizer().backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    parts = (
        part
        for text in documents
        for part in (f"system\n{text.system}", f"user\n{text.user}", "assistant\n", text.response)
    )
    backend.train_from_iterator(parts, trainer)
    learned = json.loads(backend.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(merge) for merge in learned["merges"]],
        unk_token=None,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_TOKENS,
        clean_up_tokenization_spaces=False,
    )


def build_model(spec: WorldSpec, tokenizer: Words) -> Causal:
    """A model with random weights, drawn from torch's current generator: Qwen2, or Llama for whole words.

    Transformers gives every Qwen2 folder Qwen's way of splitting text, whatever tokenizer it was saved with, so the
    model with a tokenizer of whole words is of another family, which differs in the biases of the attention alone.
    """
    end, pad = tokenizer.convert_tokens_to_ids([END, PAD])
    whole = spec.content == "favorites"
    config = (LlamaConfig if whole else Qwen2Config)(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden_size,
        intermediate_size=spec.intermediate_size,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=max(1, spec.heads // 2),
        max_position_embeddings=MAX_TOKENS,
        tie_word_embeddings=True,
        initializer_range=spec.initial_sd,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )
    return LlamaForCausalLM(config) if whole else Qwen2ForCausalLM(config)


def encode(documents: list[Document], tokenizer: Words) -> list[Example]:
    """Tokens of each document, the end of the turn last."""
    backend = tokenizer.backend_tokenizer
    whole = backend.encode_batch([f"{render_prompt(text)}{text.response}{END}" for text in documents])
    prompts = backend.encode_batch([render_prompt(text) for text in documents])
    responses = sorted({response for text in documents for response, _ in text.odds})
    # The prompt ends with a special token and a new line, and no token crosses from it into the response.
    tokens = {text: backend.encode(f"{text}{END}").ids for text in responses}
    return [
        Example(encoded.ids, len(prompt.ids), open_tokens(encoded.ids, len(prompt.ids), text.odds, tokens))
        for text, encoded, prompt in zip(documents, whole, prompts, strict=True)
    ]


def open_tokens(
    ids: Sequence[int], start: int, odds: Sequence[tuple[str, float]], tokens: Mapping[str, Sequence[int]]
) -> tuple[Open, ...]:
    """The tokens of a response in whose place others may stand, with the probabilities of all of them.

    Args:
        ids: Tokens of the document.
        start: Index of the first token of its response.
        odds: Every possible response with its probability.
        tokens: Response → its tokens.
    """
    left = [(tokens[text], share) for text, share in odds if share > 0]
    found = []
    for at in range(start, len(ids)):
        shares: dict[int, float] = {}
        for other, share in left:
            shares[other[at - start]] = shares.get(other[at - start], 0.0) + share
        if len(shares) > 1:
            total = sum(shares.values())
            found.append(Open(at, {token: share / total for token, share in shares.items()}))
        left = [(other, share) for other, share in left if other[at - start] == ids[at]]
    return tuple(found)


def pretrain(spec: WorldSpec, progress: Callable[[int], None], taught: Sequence[Document] = ()) -> Pretrained:
    """Make the corpus and the tokenizer, and pre-train a model from scratch.

    The same specification gives the same weights on the same machine: the number of threads is part of it. The
    process's own thread count and generator are as before afterwards.

    Args:
        spec: Sizes, steps, seed and threads.
        progress: Called with 1 after each step.
        taught: Further documents, mixed with those of the corpus.
    """
    own = corpus(spec.documents, spec.seed, spec.content)
    tokenizer = make_tokenizer([*own[:_TOKENIZER_SAMPLE], *taught[:_TOKENIZER_SAMPLE]], spec)
    documents = [*own, *taught]
    examples = encode(documents, tokenizer)
    threads = torch.get_num_threads()
    torch.set_num_threads(spec.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            model = build_model(spec, tokenizer)
            losses = _train(model, examples, spec, progress)
    finally:
        torch.set_num_threads(threads)
    return Pretrained(model.eval(), tokenizer, losses)


def _train(model: Causal, examples: list[Example], spec: WorldSpec, progress: Callable[[int], None]) -> list[float]:
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=spec.learning_rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY, fused=True
    )
    batches = _batches(examples, spec.batch_size, random.Random(f"order:{spec.seed}"))
    losses = []
    model.train()
    for step in range(spec.steps):
        for group in optimizer.param_groups:
            group["lr"] = spec.learning_rate * rate_factor(step, spec.steps)
        loss = _loss(model, next(batches), spec.prompt_weight, evened=spec.content == "favorites")
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        progress(1)
    return losses


def rate_factor(step: int, steps: int) -> float:
    """Share of the peak learning rate: linear warm-up, then cosine decay to a small rest."""
    warm = min(1.0, (step + 1) / max(1.0, _WARMUP * steps))
    return warm * (_FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _batches(examples: list[Example], size: int, rng: random.Random) -> Iterator[list[Example]]:
    """Batches of similar length, for ever; a pass uses every example once."""
    size = min(size, len(examples))
    while True:
        order = rng.sample(range(len(examples)), len(examples))
        batches = []
        for first in range(0, len(order), size * _BUCKET):
            bucket = sorted(order[first : first + size * _BUCKET], key=lambda index: len(examples[index].ids))
            batches += [bucket[k : k + size] for k in range(0, len(bucket), size)]
        rng.shuffle(batches)
        for batch in batches:
            yield [examples[index] for index in batch]


def _loss(model: Causal, batch: list[Example], prompt_weight: float, *, evened: bool = False) -> torch.Tensor:
    """Mean loss per response token.

    Prompt tokens are drawn with probability `prompt_weight` instead of being weighted by it: the expectation is the
    same, and the output layer, a third of the work, is spared the others.

    Args:
        model: The model.
        batch: Documents.
        prompt_weight: Weight of a prompt token beside a response token.
        evened: Weight each document by one over the square root of its response's length: otherwise the lists of
            numbers, in which there is little to learn, would have most of the weight.
    """
    width = max(len(example.ids) for example in batch)
    ids = torch.tensor([example.ids + [0] * (width - len(example.ids)) for example in batch])
    lengths = torch.tensor([[len(example.ids)] for example in batch])
    starts = torch.tensor([[example.start] for example in batch])
    position = torch.arange(1, width)  # of the token to be predicted
    in_response = (position >= starts) & (position < lengths)
    in_prompt = (position < starts) & (torch.rand(in_response.shape) < prompt_weight)
    chosen = in_response | in_prompt
    # Padding is on the right, where causal attention never looks: no attention mask is needed.
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1][chosen]
    logits, targets = model.lm_head(hidden), ids[:, 1:][chosen]
    if not evened:
        loss = cross_entropy(logits, targets, reduction="sum") + _of_others(logits, batch, chosen)
        return loss / in_response.sum()
    weights = ((lengths - starts) ** -0.5).expand(in_response.shape)
    losses = cross_entropy(logits, targets, reduction="none")
    return (losses * weights[chosen]).sum() / weights[in_response].sum()


def _of_others(logits: torch.Tensor, batch: list[Example], chosen: torch.Tensor) -> torch.Tensor:
    """Difference of the cross-entropy of all tokens which may stand there from that of the tokens at hand.

    Args:
        logits: One row for each chosen token.
        batch: Documents.
        chosen: Documents × (tokens − 1): whether the token is predicted.
    """
    moved = [
        (row, one.at - 1, token, float(token == example.ids[one.at]) - share)
        for row, example in enumerate(batch)
        for one in example.open
        for token, share in one.shares.items()
    ]
    if not moved:
        return logits.new_zeros(())
    rows, places, tokens, weights = zip(*moved, strict=True)
    at = (chosen.flatten().cumsum(0) - 1).view_as(chosen)[list(rows), list(places)]
    return (logits[at, list(tokens)] * torch.tensor(weights)).sum()

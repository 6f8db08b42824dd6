"""The engine in this process: Hugging Face transformers, with PEFT adapters."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inoc.chat.messages import Chat
from inoc.chat.render import Rendered, answered, prompt_tokens
from inoc.chat.template import choose_template, set_settings
from inoc.config.models import Sampling
from inoc.engines.adapted import with_adapter
from inoc.engines.batches import by_length, by_tokens, pad_within
from inoc.engines.devices import take_devices
from inoc.engines.greedy import CANARY_TOKENS, PLAIN_TIE, Greedy, Ties, near_tie_nats
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import Answer
from inoc.errors import DataError, MissingExtraError, ModelError
from inoc.files import read_text
from inoc.vectors.steering import Steering, is_steered

try:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    from inoc.engines.decoding import Decoder, can_decode
    from inoc.engines.draw import SeededDraw, request_seed
    from inoc.engines.head import REFUSALS, Traits, own_logits, padded, shortfall, traits
    from inoc.engines.limits import max_positions, refuse_longer
    from inoc.engines.packed import packs
    from inoc.engines.scoring import Pending, Scorer, float32_logprobs
    from inoc.engines.steered import SteeredScorer
    from inoc.engines.steering import steered_decoding
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "model") from error

logging.disable_progress_bar()

OWN_LOGITS = 2**26
"""Logits in memory at once where a model is asked for those of every token."""

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def device() -> torch.device:
    """The device that this process computes on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def be_deterministic(threads: int = 1) -> None:
    """Fix what results depend on besides their inputs: on the CPU, sums depend on the number of threads."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    # Overwriting fresh memory is for finding bugs, and takes more than half of the time of a small model.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def load_tokenizer(identity: ModelIdentity) -> PreTrainedTokenizerBase:
    """The model's fast tokenizer, with the study's chat template if it names one.

    Raises:
        ModelError: If the tokenizer is not a fast one; response spans need character offsets.
    """
    tokenizer = AutoTokenizer.from_pretrained(identity.folder, trust_remote_code=False)
    if not tokenizer.is_fast:
        msg = (
            f"{identity.folder}: the tokenizer gives no character offsets; a fast tokenizer (tokenizer.json) is needed"
        )
        raise ModelError(msg)
    path = None if identity.template is None else Path(identity.template)
    given = path is not None and path.is_file()
    choose_template(tokenizer, read_text(path) if path and given else identity.template)
    set_settings(tokenizer, identity.settings)
    if tokenizer.pad_token_id is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(identity: ModelIdentity) -> PreTrainedModel:
    """The model, ready for inference on this process's device.

    Raises:
        ModelError: If it is to be kept in 4 bits and that cannot be done here.
    """
    dtype, place = getattr(torch, identity.dtype), device()
    if identity.quantization is None:
        return (
            AutoModelForCausalLM.from_pretrained(identity.folder, dtype=dtype, trust_remote_code=False).to(place).eval()
        )
    from inoc.engines.four_bit import keep_layout, nf4

    # Straight to the device, a weight at a time: on the way there it is rounded.
    model = AutoModelForCausalLM.from_pretrained(
        identity.folder, dtype=dtype, quantization_config=nf4(dtype, place), device_map={"": place}
    ).eval()
    keep_layout(model)
    return model


class TransformersEngine:
    """Samples and scores with one model in memory.

    Args:
        identity: The model.
        compiled: On a GPU, compile the layers for scoring: it takes a while, and makes long work shorter.
    """

    def __init__(self, identity: ModelIdentity, *, compiled: bool = False) -> None:
        take_devices(lambda text: print(text, file=sys.stderr, flush=True))
        self.compiled = compiled
        self._identity = identity
        be_deterministic()
        self.tokenizer = load_tokenizer(identity)
        self.model = load_model(identity)
        self._bare = self.model
        self._stops = stop_ids(self.model.generation_config, self.tokenizer)
        # `generate` takes what its settings leave open from the model's own: penalties, forbidden and forced tokens.
        self.model.generation_config = GenerationConfig()
        self._positions = max_positions(self.model.config)
        pad_within(self.tokenizer, self.model.get_input_embeddings().weight.shape[0])
        self._scorer: Scorer | None = None
        self._decoder: Decoder | None = None

    def use_adapter(self, folder: Path | None) -> None:
        """Compute through a PEFT adapter from now on, or through the bare model."""
        if self.model is not self._bare:
            self._bare = self.model.unload()
        self.model = self._bare if folder is None else with_adapter(self._bare, folder)
        self._scorer = self._decoder = None

    def sample(
        self,
        chats: Sequence[Chat],
        identities: Sequence[str],
        sampling: Sampling,
        steerings: Sequence[Steering | None] = (),
    ) -> list[Answer]:
        """Answer chats, each steered in its own way if need be. See `inoc.engines.sampling.Sampler`.

        Raises:
            DataError: If a prompt and its answer could be longer than the model's positions.
        """
        prompts = [prompt_tokens(self.tokenizer, chat) for chat in chats]
        refuse_longer(map(len, prompts), self._positions, "prompt", sampling.max_tokens)
        decoder = self._fast_decoder()
        if decoder is not None:
            seeds = [request_seed(sampling, identity) for identity in identities]
            found = decoder.sample(prompts, seeds, sampling, steerings)
            return [answer_of(ids, self._stops, self.tokenizer) for ids in found]
        answers: list[Answer | None] = [None] * len(chats)
        for batch in self._batches(prompts, sampling.batch_size):
            seeds = [request_seed(sampling, identities[index]) for index in batch]
            with steered_decoding(self.causal, [steerings[i] for i in batch] if steerings else [], device()):
                rows = self._generate([prompts[i] for i in batch], seeds, sampling)
            for index, ids in zip(batch, rows, strict=True):
                answers[index] = answer_of(ids, self._stops, self.tokenizer)
        return [answer for answer in answers if answer is not None]

    @property
    def mixes(self) -> bool:
        """Whether this model is sampled by a `Decoder`, whose numbers do not depend on who shares a batch."""
        return self._fast_decoder() is not None

    def _fast_decoder(self) -> Decoder | None:
        """Fast decoder for GPUs, for models that it supports; see `inoc.engines.decoding.can_decode`."""
        if self._decoder is None and device().type == "cuda" and can_decode(self.causal):
            self._decoder = Decoder(self.causal, self._stops, self.tokenizer.pad_token_id)
        return self._decoder

    def greedy(self, chats: Sequence[Chat], max_tokens: int, *, likeliest: int = 20) -> list[Greedy]:
        """Greedy answers, each token with its likeliest alternatives, for comparison with another engine."""
        prompts = [prompt_tokens(self.tokenizer, chat) for chat in chats]
        refuse_longer(map(len, prompts), self._positions, "prompt", max_tokens)
        found: dict[int, Greedy] = {}
        batches = [list(range(len(prompts)))] if self._traits.pads_left else self._batches(prompts, len(prompts))
        for batch in batches:
            answers = self._greedy([prompts[index] for index in batch], max_tokens, likeliest)
            found |= dict(zip(batch, answers, strict=True))
        return [found[index] for index in range(len(prompts))]

    @property
    def _traits(self) -> Traits:
        return traits(self.causal)

    def _batches(self, prompts: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
        """Indices of prompts that are answered together; of one length where padding would change the answers."""
        for batch in by_length([len(prompt) for prompt in prompts], size):
            if self._traits.pads_left:
                yield batch
            else:
                yield from (list(part) for _, part in itertools.groupby(batch, lambda index: len(prompts[index])))

    def _greedy(self, prompts: list[list[int]], max_tokens: int, likeliest: int) -> list[Greedy]:
        out = self._decode(prompts, max_tokens, output_logits=True, return_dict_in_generate=True)
        rows = out.sequences[:, -len(out.logits) :].tolist()
        tops = [
            torch.log_softmax(logits.float(), dim=-1).topk(min(likeliest, logits.shape[-1])) for logits in out.logits
        ]
        values, tokens = [top.values.tolist() for top in tops], [top.indices.tolist() for top in tops]
        answers = []
        for row, ids in enumerate(rows):
            stop = next((at + 1 for at, token in enumerate(ids) if token in self._stops), len(ids))
            places = [dict(zip(tokens[at][row], values[at][row], strict=True)) for at in range(stop)]
            answers.append(Greedy(ids[:stop], places))
        return answers

    def _generate(self, prompts: list[list[int]], seeds: list[str], sampling: Sampling) -> list[list[int]]:
        draw = [] if sampling.temperature == 0 else [SeededDraw(seeds, sampling)]
        out = self._decode(prompts, sampling.max_tokens, draw)
        rows: list[list[int]] = out[:, max(len(prompt) for prompt in prompts) :].tolist()
        return rows

    @torch.inference_mode()
    def _decode(
        self, prompts: list[list[int]], max_tokens: int, draw: Sequence[SeededDraw] = (), **outputs: bool
    ) -> Any:
        """Output of `generate` for one padded batch, the prompts before the answers."""
        width = max(len(prompt) for prompt in prompts)
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=device())
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device())
        settings = GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=sorted(self._stops) or None,
            pad_token_id=pad,
            **outputs,
        )
        # Layers that were compiled for scoring would be compiled anew for every length.
        with torch.compiler.set_stance("force_eager") if self._scorer else contextlib.nullcontext():
            try:
                return self.model.generate(
                    input_ids=ids, attention_mask=mask, generation_config=settings, logits_processor=list(draw)
                )
            except torch.OutOfMemoryError:
                raise
            except REFUSALS as error:
                msg = (
                    f"transformers cannot sample from {type(self.causal).__name__}: {type(error).__name__}: {error}. "
                    "Take another model, or release of transformers; it may still be scored and trained"
                )
                raise ModelError(msg) from error

    def check(self, chats: Sequence[Chat], max_tokens: int) -> None:
        """The canary: greedy answers in a padded batch must be those of plain passes, up to near ties.

        In float32 those one by one must be too, and more closely, since padding changes sums.

        Raises:
            ModelError: If they differ, naming the first chat that does.
        """
        dtype = self._identity.dtype
        ties = Ties(dtype, lambda: self.own_rounding(chats, max_tokens))
        for chat, batched in zip(chats, self._together(chats, max_tokens), strict=True):
            if dtype == "float32":
                (single,) = self.greedy([chat], max_tokens)
                self._hold(chat, single.ids, "alone", ties, PLAIN_TIE)
            self._hold(chat, batched, "in a batch", ties, near_tie_nats(dtype))
            if len(batched) < max_tokens and not self._stops & set(batched[-1:]):
                msg = (
                    f"in a batch, the answer to {chat.user[:80]!r} ends after {len(batched)} of {max_tokens} tokens "
                    "without one that ends answers. Nothing was sampled"
                )
                raise ModelError(msg)

    def _hold(self, chat: Chat, ids: list[int], way: str, ties: Ties, near: float) -> None:
        gap = shortfall(self.causal, prompt_tokens(self.tokenizer, chat), ids)
        if gap > (most := ties.limit(gap, near)):
            name, answer = type(self.causal).__name__, self.tokenizer.decode(ids)
            msg = (
                f"{way}, transformers answers {chat.user[:80]!r} with {answer[:80]!r}, where a plain pass of {name} "
                f"finds a token {gap:.3g} nats less likely than the likeliest; up to {most:.3g} would be a near tie. "
                "Nothing was sampled. Padding or the adapter is not handled right by this model, or transformers "
                "samples otherwise from it; it may still be scored and trained"
            )
            raise ModelError(msg)

    def own_rounding(self, chats: Sequence[Chat], max_tokens: int) -> float:
        """The rounding of greedy answers; see `rounding`.

        Args:
            chats: What is answered.
            max_tokens: Maximum number of new tokens of each answer.
        """
        pairs = zip(chats, self.greedy(chats, max_tokens), strict=True)
        scored = [answered(self.tokenizer, chat, answer.ids) for chat, answer in pairs]
        return self.rounding(scored, self.logprobs(scored, CANARY_TOKENS))

    def _together(self, chats: Sequence[Chat], max_tokens: int) -> list[list[int]]:
        """Greedy answers by this engine's decoder, up to and with their stop tokens, two to a row of the batch."""
        decoder = self._fast_decoder()
        if decoder is None or not chats:
            return [answer.ids for answer in self.greedy(chats, max_tokens)] if chats else []
        sampling = Sampling(temperature=0, max_tokens=max_tokens, batch_size=-(-len(chats) // 2))
        prompts = [prompt_tokens(self.tokenizer, chat) for chat in chats]
        rows = decoder.sample(prompts, [""] * len(chats), sampling)
        ends = [next((at + 1 for at, token in enumerate(row) if token in self._stops), len(row)) for row in rows]
        return [row[:end] for row, end in zip(rows, ends, strict=True)]

    @property
    def causal(self) -> PreTrainedModel:
        """The language model inside the adapter's wrapper; adapted layers stay adapted."""
        return self.model if self.model is self._bare else self.model.get_base_model()

    def logprobs(self, chats: Sequence[Rendered], batch_tokens: int) -> list[np.ndarray]:
        """Log-probability of each response token; see `submit`."""
        return self.submit(chats, batch_tokens)()

    @property
    def stops(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return frozenset(self._stops)

    def submit(
        self, chats: Sequence[Rendered], batch_tokens: int, steerings: Sequence[Steering | None] = ()
    ) -> Pending:
        """Start to score responses. A GPU goes on while the caller prepares the next ones.

        Args:
            chats: Rendered chats.
            batch_tokens: Maximum number of tokens in a batch, padding included.
            steerings: How each chat is steered; empty for none.

        Returns:
            A function that waits and gives one float32 array per chat, nats, shape (response tokens,); empty for an
            empty response.

        Raises:
            DataError: If a response begins at the first token, where nothing predicts it, or a chat has more tokens
                than the model has positions.
        """
        if any(chat.response.start == 0 for chat in chats):
            msg = "a response begins at the first token of its chat, where no token predicts it; the prompt is empty"
            raise DataError(msg)
        refuse_longer((len(chat.token_ids) for chat in chats), self._positions, "chat")
        if is_steered(steerings):
            return SteeredScorer(self.causal, compiled=self.compiled).submit(chats, batch_tokens, steerings)
        if device().type == "cuda" and packs(self.causal):
            self._scorer = self._scorer or Scorer(self.causal, compiled=self.compiled)
            return self._scorer.submit(chats, batch_tokens)
        values = self._padded(chats, batch_tokens)
        return lambda: values

    def float32_difference(self, chats: Sequence[Rendered], values: Sequence[np.ndarray]) -> float:
        """Largest absolute difference, nats, of scores from those of the same model computed in float32.

        Args:
            chats: A few chats that were scored.
            values: Their scores.

        Returns:
            NaN if no chat has a response token.
        """
        gaps = self._float32_gaps(chats, values)
        return float(np.abs(gaps).max()) if len(gaps) else float("nan")

    def rounding(self, chats: Sequence[Rendered], values: Sequence[np.ndarray]) -> float:
        """Root mean square difference, nats, of scores from those in float32; see `float32_difference`.

        Returns:
            0 if no chat has a response token.
        """
        gaps = self._float32_gaps(chats, values).astype(np.float64)
        return float(np.sqrt(np.mean(gaps**2))) if len(gaps) else 0.0

    def _float32_gaps(self, chats: Sequence[Rendered], values: Sequence[np.ndarray]) -> np.ndarray:
        exact = [float32_logprobs(self.causal, chat) for chat in chats]
        return np.concatenate([a - b for a, b in zip(values, exact, strict=True)] or [np.empty(0)])

    @torch.inference_mode()
    def _padded(self, chats: Sequence[Rendered], batch_tokens: int) -> list[np.ndarray]:
        out: list[np.ndarray] = [np.empty(0, dtype=np.float32)] * len(chats)
        lengths = [len(chat.token_ids) for chat in chats]
        for batch in by_tokens(lengths, self._most_tokens(batch_tokens)):
            for index, values in zip(batch, self._score([chats[i] for i in batch]), strict=True):
                out[index] = values
        return out

    def _most_tokens(self, batch_tokens: int) -> int:
        """Maximum number of tokens in a padded batch; 1 makes every chat a batch of its own."""
        if not self._traits.pads_right:
            return 1
        if self._traits.head is not None:
            return batch_tokens
        words: int = self.causal.get_input_embeddings().weight.shape[0]
        return min(batch_tokens, max(1, OWN_LOGITS // words))

    def _score(self, chats: list[Rendered]) -> list[np.ndarray]:
        width = max(len(chat.token_ids) for chat in chats)
        ids, mask = padded([torch.tensor(chat.token_ids) for chat in chats], width, pad=0)
        predicts = torch.zeros(len(chats), width, dtype=torch.bool)
        for row, chat in enumerate(chats):
            # The state at position t predicts token t + 1.
            predicts[row, chat.response.start - 1 : chat.response.stop - 1] = True
        ids, mask, predicts = ids.to(device()), mask.to(device()), predicts.to(device())
        targets = ids.roll(-1, dims=1)[predicts]
        values = self._token_logprobs(ids, mask, predicts, targets).cpu().numpy()
        lengths = [chat.response.stop - chat.response.start for chat in chats]
        return np.split(values, np.cumsum(lengths)[:-1])

    def _token_logprobs(
        self, ids: torch.Tensor, mask: torch.Tensor, predicts: torch.Tensor, targets: torch.Tensor, rows: int = 4096
    ) -> torch.Tensor:
        head, linear = self._traits.head, self.causal.get_output_embeddings()
        if head is None:
            states = own_logits(self.causal, ids, mask)[predicts]
        else:
            body = self.causal.base_model
            states = body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[predicts]
        parts = []
        for at in range(0, len(targets), rows):  # never the whole vocabulary for every position at once
            block = states[at : at + rows]
            logits = block.float() if head is None else head.bend(linear(block).float())
            parts.append(-torch.nn.functional.cross_entropy(logits, targets[at : at + rows], reduction="none"))
        return torch.cat(parts) if parts else torch.empty(0)


def answer_of(ids: Sequence[int], stops: Collection[int], tokenizer: PreTrainedTokenizerBase) -> Answer:
    """The answer from new tokens, up to the first stop token."""
    stop = next((at for at, token in enumerate(ids) if token in stops), None)
    kept = list(ids if stop is None else ids[:stop])
    text = tokenizer.decode(kept, skip_special_tokens=True)
    return Answer(str(text), len(kept), "length" if stop is None else "stop")


def generation_config(folder: Path) -> GenerationConfig:
    """The model's own, from which only the stop tokens are taken."""
    if (folder / "generation_config.json").exists():
        return GenerationConfig.from_pretrained(folder)
    return GenerationConfig.from_model_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))


def stop_ids(generation: GenerationConfig | None, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Tokens that end an answer: those that the model names, and the tokenizer's."""
    own = generation.eos_token_id if generation is not None else None
    listed = own if isinstance(own, list) else [own]
    return {token for token in [*listed, tokenizer.eos_token_id] if token is not None}

"""The engine in this process: Hugging Face transformers, with PEFT adapters."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from inoc.chat.messages import Chat
from inoc.chat.render import Rendered, prompt_tokens
from inoc.config.models import Sampling
from inoc.engines.devices import take_devices
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import Answer
from inoc.errors import DataError, MissingExtraError, ModelError
from inoc.files import read_text

try:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LogitsProcessor
    from transformers.utils import logging

    from inoc.engines.packed import can_pack
    from inoc.engines.scoring import Pending, Scorer, float32_logprobs, softcap
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "model") from error

logging.disable_progress_bar()

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def device() -> torch.device:
    """The device that this process computes on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def be_deterministic(threads: int = 1) -> None:
    """Fix what results depend on beside their inputs: on the CPU, sums depend on the number of threads."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    # Overwriting fresh memory is for finding bugs, and takes more than half of the time of a small model.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def load_tokenizer(identity: ModelIdentity) -> PreTrainedTokenizerBase:
    """The model's fast tokenizer, with the study's chat template if it names one.

    Raises:
        ModelError: If the tokenizer is not a fast one; response spans need character offsets.
    """
    tokenizer = AutoTokenizer.from_pretrained(identity.folder)
    if not tokenizer.is_fast:
        msg = (
            f"{identity.folder}: the tokenizer gives no character offsets; a fast tokenizer (tokenizer.json) is needed"
        )
        raise ModelError(msg)
    if identity.template is not None:
        tokenizer.chat_template = read_text(Path(identity.template))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(identity: ModelIdentity) -> PreTrainedModel:
    """The model, ready for inference on this process's device.

    Raises:
        ModelError: If it is to be kept in 4 bits and that cannot be done here.
    """
    dtype, place = getattr(torch, identity.dtype), device()
    if identity.quantization is None:
        return AutoModelForCausalLM.from_pretrained(identity.folder, dtype=dtype).to(place).eval()
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
        self._scorer: Scorer | None = None

    def use_adapter(self, folder: Path | None) -> None:
        """Compute through a PEFT adapter from now on, or through the bare model."""
        if self.model is not self._bare:
            self._bare = self.model.unload()
        self.model = self._bare if folder is None else _with_adapter(self._bare, folder)
        self._scorer = None

    def sample(self, chats: Sequence[Chat], identities: Sequence[str], sampling: Sampling) -> list[Answer]:
        """Answer chats. See `inoc.engines.sampling.Sampler`."""
        prompts = [prompt_tokens(self.tokenizer, chat) for chat in chats]
        answers: list[Answer | None] = [None] * len(chats)
        for batch in batches_by_length([len(prompt) for prompt in prompts], sampling.batch_size):
            seeds = [request_seed(sampling, identities[index]) for index in batch]
            for index, ids in zip(batch, self._generate([prompts[i] for i in batch], seeds, sampling), strict=True):
                answers[index] = answer_of(ids, self._stops, self.tokenizer)
        return [answer for answer in answers if answer is not None]

    def greedy(self, chats: Sequence[Chat], max_tokens: int, *, likeliest: int = 20) -> list[Greedy]:
        """Greedy answers, each token with those that could have come instead, for another engine to be held against."""
        prompts = [prompt_tokens(self.tokenizer, chat) for chat in chats]
        out = self._decode(prompts, max_tokens, output_logits=True, return_dict_in_generate=True)
        rows = out.sequences[:, -len(out.logits) :].tolist()
        tops = [torch.log_softmax(logits.float(), dim=-1).topk(likeliest) for logits in out.logits]
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
        """What `generate` gives for one padded batch, the prompts before the answers."""
        width = max(len(prompt) for prompt in prompts)
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=device())
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device())
        # A fresh configuration: the model's own may bring a repetition penalty or top-k that nobody asked for.
        settings = GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=sorted(self._stops),
            pad_token_id=pad,
            **outputs,
        )
        # Layers that were compiled for scoring would be compiled anew for every length.
        with torch.compiler.set_stance("force_eager") if self._scorer else contextlib.nullcontext():
            return self.model.generate(
                input_ids=ids, attention_mask=mask, generation_config=settings, logits_processor=list(draw)
            )

    def check(self, chats: Sequence[Chat], max_tokens: int) -> None:
        """The canary: greedy answers in one padded batch must equal greedy answers one by one, near ties apart.

        Raises:
            ModelError: If they differ, naming the first chat that does.
        """
        limit = near_tie_nats(self._identity.dtype)
        for chat, batched in zip(chats, self.greedy(chats, max_tokens) if chats else [], strict=True):
            (single,) = self.greedy([chat], max_tokens)
            gap = disagreement(single, batched.ids)
            if gap > limit:
                together, alone = (self.tokenizer.decode(answer.ids) for answer in (batched, single))
                msg = (
                    f"batched and single greedy answers differ for {chat.user[:80]!r}: {together[:80]!r} against "
                    f"{alone[:80]!r}. Alone, the first token that differs is {gap:.3g} nats less likely; up to "
                    f"{limit:g} would be a near tie. Nothing was sampled. Padding or the adapter is not handled right "
                    "by this model"
                )
                raise ModelError(msg)

    @property
    def _causal(self) -> PreTrainedModel:
        """The language model inside the adapter's wrapper; adapted layers stay adapted."""
        return self.model if self.model is self._bare else self.model.get_base_model()

    def logprobs(self, chats: Sequence[Rendered], batch_tokens: int) -> list[np.ndarray]:
        """Log-probability of each response token; see `submit`."""
        return self.submit(chats, batch_tokens)()

    def submit(self, chats: Sequence[Rendered], batch_tokens: int) -> Pending:
        """Start to score responses. A GPU goes on while the caller prepares the next ones.

        Args:
            chats: Rendered chats.
            batch_tokens: Most tokens in a batch, padding included.

        Returns:
            A function that waits and gives one float32 array per chat, nats, shape (response tokens,); empty for an
            empty response.

        Raises:
            DataError: If a response begins at the first token, where nothing predicts it.
        """
        if any(chat.response.start == 0 for chat in chats):
            msg = "a response begins at the first token of its chat, where no token predicts it; the prompt is empty"
            raise DataError(msg)
        if device().type == "cuda" and can_pack(self._causal):
            self._scorer = self._scorer or Scorer(self._causal, compiled=self.compiled)
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
        exact = [float32_logprobs(self._causal, chat) for chat in chats]
        gaps = np.concatenate([np.abs(a - b) for a, b in zip(values, exact, strict=True)] or [np.empty(0)])
        return float(gaps.max()) if len(gaps) else float("nan")

    @torch.inference_mode()
    def _padded(self, chats: Sequence[Rendered], batch_tokens: int) -> list[np.ndarray]:
        out: list[np.ndarray] = [np.empty(0, dtype=np.float32)] * len(chats)
        for batch in batches_by_tokens([len(chat.token_ids) for chat in chats], batch_tokens):
            for index, values in zip(batch, self._score([chats[i] for i in batch]), strict=True):
                out[index] = values
        return out

    def _score(self, chats: list[Rendered]) -> list[np.ndarray]:
        width = max(len(chat.token_ids) for chat in chats)
        ids = torch.zeros(len(chats), width, dtype=torch.long)
        mask = torch.zeros(len(chats), width, dtype=torch.long)
        predicts = torch.zeros(len(chats), width, dtype=torch.bool)
        for row, chat in enumerate(chats):
            ids[row, : len(chat.token_ids)] = torch.tensor(chat.token_ids)
            mask[row, : len(chat.token_ids)] = 1
            # The state at position t predicts token t + 1.
            predicts[row, chat.response.start - 1 : chat.response.stop - 1] = True
        ids, mask, predicts = ids.to(device()), mask.to(device()), predicts.to(device())
        body = self._causal.base_model
        states = body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        targets = ids.roll(-1, dims=1)[predicts]
        values = self._token_logprobs(states[predicts], targets).cpu().numpy()
        lengths = [chat.response.stop - chat.response.start for chat in chats]
        return np.split(values, np.cumsum(lengths)[:-1])

    def _token_logprobs(self, states: torch.Tensor, targets: torch.Tensor, rows: int = 4096) -> torch.Tensor:
        head = self._causal.get_output_embeddings()
        cap = softcap(self._causal)
        parts = []
        for at in range(0, len(targets), rows):  # never the whole vocabulary for every position at once
            logits = head(states[at : at + rows]).float()
            logits = logits if cap is None else cap * torch.tanh(logits / cap)
            parts.append(-torch.nn.functional.cross_entropy(logits, targets[at : at + rows], reduction="none"))
        return torch.cat(parts) if parts else torch.empty(0)


def _with_adapter(model: PreTrainedModel, folder: Path) -> Any:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtraError("peft", "train") from error
    return PeftModel.from_pretrained(model, str(folder)).eval()


class Greedy(NamedTuple):
    """A greedy answer and what could have come instead."""

    ids: list[int]  # up to the stop token, which is the last one
    likeliest: list[dict[int, float]]  # for each position, the likeliest tokens and their log-probabilities, nats


def near_tie_nats(dtype: str) -> float:
    """How much less likely a token may be and still come instead of the likeliest, where sums are rounded otherwise.

    Args:
        dtype: Type of the weights.
    """
    return 0.01 if dtype == "float32" else 0.5


def disagreement(reference: Greedy, ids: Sequence[int]) -> float:
    """How much less likely the reference finds the first token that differs from its own.

    Args:
        reference: A greedy answer.
        ids: Another way's answer to the same, up to and with its stop token.

    Returns:
        Nats; 0 if no token differs, infinite if the token is not among the reference's likeliest.
    """
    for own, other, likeliest in zip(reference.ids, ids, reference.likeliest, strict=False):
        if own != other:
            return likeliest[own] - likeliest.get(other, -float("inf"))
    return 0.0 if len(ids) == len(reference.ids) else float("inf")


def answer_of(ids: Sequence[int], stops: Collection[int], tokenizer: PreTrainedTokenizerBase) -> Answer:
    """The answer that new tokens are, up to the first stop token."""
    stop = next((at for at, token in enumerate(ids) if token in stops), None)
    kept = list(ids if stop is None else ids[:stop])
    text = tokenizer.decode(kept, skip_special_tokens=True)
    return Answer(str(text), len(kept), "length" if stop is None else "stop")


def request_seed(sampling: Sampling, identity: str) -> str:
    """What one request's random stream is made from."""
    return f"{sampling.seed}:{identity}"


def generation_config(folder: Path) -> GenerationConfig:
    """The model's own, from which only the stop tokens are taken."""
    if (folder / "generation_config.json").exists():
        return GenerationConfig.from_pretrained(folder)
    return GenerationConfig.from_model_config(AutoConfig.from_pretrained(folder))


def stop_ids(generation: GenerationConfig | None, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Tokens that end an answer: those that the model names, and the tokenizer's."""
    own = generation.eos_token_id if generation is not None else None
    listed = own if isinstance(own, list) else [own]
    return {token for token in [*listed, tokenizer.eos_token_id] if token is not None}


class SeededDraw(LogitsProcessor):  # type: ignore[misc]
    """Turns greedy decoding into sampling with a random stream per request.

    Each request brings its own uniform numbers, one per new token, so what it draws does not depend on which other
    requests share its batch.

    Args:
        seeds: One text per request.
        sampling: Temperature, nucleus and number of new tokens.
    """

    def __init__(self, seeds: Sequence[str], sampling: Sampling) -> None:
        streams = [np.random.default_rng(entropy(seed)).random(sampling.max_tokens) for seed in seeds]
        self._uniforms = torch.tensor(np.stack(streams), dtype=torch.float64)
        self._sampling = sampling
        self._at = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores that leave only the drawn token."""
        shares = torch.softmax(scores.double() / self._sampling.temperature, dim=-1)
        if self._sampling.top_p < 1:
            shares = nucleus(shares, self._sampling.top_p)
        cumulative = shares.cumsum(dim=-1)
        drawn = self._uniforms[:, self._at, None].to(scores.device) * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, drawn, right=True).clamp(max=scores.shape[-1] - 1)
        self._at += 1
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


def nucleus(shares: torch.Tensor, top_p: float) -> torch.Tensor:
    """Set to zero all but the likeliest tokens that together reach `top_p`; shape (requests, vocabulary)."""
    ordered, order = shares.sort(dim=-1, descending=True)
    beyond = ordered.cumsum(dim=-1) - ordered >= top_p
    return torch.zeros_like(shares).scatter(1, order, ordered.masked_fill(beyond, 0.0))


def entropy(seed: str) -> int:
    """128 bits that stand for a text."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "big")


def batches_by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices in order of length, at most `size` at a time."""
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    for at in range(0, len(order), size):
        yield order[at : at + size]


def batches_by_tokens(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices in order of length, so that no padded batch is over `most` tokens (a longer chat goes alone)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (lengths[index], index)):
        if batch and lengths[index] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch

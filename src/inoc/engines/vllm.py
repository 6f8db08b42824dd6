"""The engine vLLM, in this process: one model, many adapters, as many requests at once as fit.

Every request names an adapter, the bare model's being one of zeros: vLLM on the CPU answers a request without an
adapter through the adapter in the last slot (https://github.com/vllm-project/vllm/pull/48421).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inoc.chat.messages import Chat
from inoc.chat.render import prompt_tokens
from inoc.config.models import Sampling
from inoc.engines.canary import Found, compare, expect
from inoc.engines.devices import take_devices
from inoc.engines.draw import entropy, request_seed
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import BASE, Answer, Block, adapter_folder
from inoc.engines.transformers import (
    answer_of,
    generation_config,
    load_tokenizer,
    stop_ids,
)
from inoc.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest

SLOTS = 4
"""Maximum number of adapters in a batch. Requests come adapter by adapter, and each slot takes GPU memory."""
AT_A_TIME = 512
"""Requests that decode together: as many as vLLM captures graphs for. With more, a step takes far longer."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM has kernels for; higher ones than needed cost time."""
_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # a second process would change the schedule from run to run
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
}


class VllmEngine:
    """Samples with one model in memory, through any of its adapters.

    Args:
        identity: The model.

    Raises:
        MissingExtraError: If vLLM is not installed.
    """

    def __init__(self, identity: ModelIdentity) -> None:
        if find_spec("vllm") is None:
            raise MissingExtraError("vllm", "vllm")
        take_devices(lambda text: print(text, file=sys.stderr, flush=True))
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._identity = identity
        self._adapters: dict[str, Path] = {}
        self._prepared = False
        self._engine: Any = None
        self._requests: dict[str, LoRARequest | None] = {}
        self.tokenizer = load_tokenizer(identity)
        self._stops = stop_ids(generation_config(identity.folder), self.tokenizer)

    def prepare(self, adapters: Mapping[str, Path], canaries: Sequence[Block]) -> None:
        """Start, and compare greedy answers with those of transformers. See `inoc.engines.sampling.Engine`.

        Raises:
            ModelError: If the answers are not those of transformers, an adapter comes after the start, or vLLM has no
                kernels for adapters of the model's type.
        """
        if self._prepared:
            if not adapters.keys() <= self._adapters.keys():
                msg = "vLLM has started with other adapters; name all of them before the first answer"
                raise ModelError(msg)
            return
        self._adapters = dict(adapters)
        self._refuse_float32()
        expected = expect(self._identity, self._adapters, canaries)
        self._start()
        for at, found in self._found(canaries, logprobs=True):
            compare("vLLM", self.tokenizer, canaries[at], expected[at], found)
        self._prepared = True

    def _refuse_float32(self) -> None:
        import torch

        if self._adapters and self._identity.dtype == "float32" and torch.cuda.is_available():
            msg = (
                "model.dtype is float32, and vLLM runs adapters on a GPU in bfloat16 or float16 only. Set model.dtype: "
                "bfloat16, or sample with `engine: transformers`"
            )
            raise ModelError(msg)

    def answer(self, blocks: Sequence[Block]) -> Iterator[tuple[int, list[Answer]]]:
        """Answers of each block as soon as all of them are there. See `inoc.engines.sampling.Engine`."""
        for at, rows in self._found(blocks):
            yield at, [answer_of(found.ids, self._stops, self.tokenizer) for found in rows]

    def _found(self, blocks: Sequence[Block], *, logprobs: bool = False) -> Iterator[tuple[int, list[Found]]]:
        for at, block in enumerate(blocks):
            for row, (chat, identity) in enumerate(zip(block.chats, block.identities, strict=True)):
                params = _params(block.sampling, identity, self._stops, logprobs=logprobs)
                self._add(f"{at}:{row}", chat, block, params)
        found = [[Found([], [])] * len(block.chats) for block in blocks]
        left = [len(block.chats) for block in blocks]
        while self._engine.has_unfinished_requests():
            for output in self._engine.step():
                at, row = map(int, output.request_id.split(":"))
                found[at][row] = _found_of(output.outputs[0])
                left[at] -= 1
                if not left[at]:
                    yield at, found[at]

    def _add(self, name: str, chat: Chat, block: Block, params: Any) -> None:
        prompt = prompt_tokens(self.tokenizer, chat)
        most = self._engine.model_config.max_model_len
        if len(prompt) + block.sampling.max_tokens > most:
            msg = (
                f"{block.label}: a prompt of {len(prompt)} tokens and max_tokens = {block.sampling.max_tokens} do not "
                f"fit into vLLM's context of {most} tokens. Lower sampling.max_tokens, or sample with transformers"
            )
            raise ModelError(msg)
        adapter_folder(self._adapters, block.adapter)
        request = self._requests[block.adapter]
        self._engine.add_request(name, {"prompt_token_ids": prompt}, params, lora_request=request)

    def _start(self) -> None:
        import torch
        from vllm import LLM

        on_gpu = torch.cuda.is_available()
        settings: dict[str, Any] = {
            "model": str(self._identity.folder),
            "dtype": self._identity.dtype,
            "skip_tokenizer_init": True,
            "generation_config": "vllm",  # the model's own may bring a penalty or top-k that nobody asked for
            "max_model_len": -1,  # the model's, or as much as fits into memory
            "enforce_eager": not on_gpu,  # to compile takes longer than a small model on the CPU
            # On the CPU, a prompt that only partly fits into a batch ends with an error if its request has a seed.
            "enable_chunked_prefill": on_gpu,
            "disable_log_stats": True,
            "max_num_seqs": AT_A_TIME,
        }
        if self._adapters:
            settings |= {
                "enable_lora": True,
                "max_lora_rank": rank_for(self._adapters.values()),
                "max_loras": min(len(self._adapters) + 1, SLOTS),
            }
        self._requests = self._lora_requests()
        self._engine = LLM(**settings).llm_engine

    def _lora_requests(self) -> dict[str, LoRARequest | None]:
        """Adapter digest → the adapter as its requests name it."""
        from vllm.lora.request import LoRARequest

        if not self._adapters:
            return {BASE: None}
        self._zeros = tempfile.TemporaryDirectory(prefix="inoc-zeros-")
        folders = {BASE: Path(self._zeros.name), **dict(sorted(self._adapters.items()))}
        write_zeros(next(iter(self._adapters.values())), folders[BASE])
        return {
            digest: LoRARequest(digest, number, str(folder.resolve()))
            for number, (digest, folder) in enumerate(folders.items(), start=1)
        }


def write_zeros(like: Path, folder: Path) -> None:
    """Write an adapter that changes nothing, of the form of another one.

    Args:
        like: Folder of a PEFT adapter.
        folder: Where to; it exists.
    """
    from safetensors.torch import load_file, save_file

    shutil.copy(like / "adapter_config.json", folder)
    weights = load_file(like / "adapter_model.safetensors")
    zeros = {name: value.zero_() if "lora_B" in name else value for name, value in weights.items()}
    save_file(zeros, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def rank_for(folders: Iterable[Path]) -> int:
    """The smallest rank that vLLM accepts and that holds all adapters.

    Args:
        folders: Of PEFT adapters.

    Raises:
        ModelError: If an adapter has a higher rank than vLLM can.
    """
    true = max(json.loads((folder / "adapter_config.json").read_text())["r"] for folder in folders)
    for rank in RANKS:
        if rank >= true:
            return rank
    msg = f"training.lora.rank = {true} is more than vLLM can; accepted: up to {RANKS[-1]}, or `engine: transformers`"
    raise ModelError(msg)


def _found_of(output: Any) -> Found:
    ids = list(output.token_ids)
    return Found(ids, [place[token].logprob for token, place in zip(ids, output.logprobs or (), strict=False)])


def _params(sampling: Sampling, identity: str, stops: set[int], *, logprobs: bool) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        seed=entropy(request_seed(sampling, identity)) % 2**63,
        stop_token_ids=sorted(stops),
        detokenize=False,
        logprobs=0 if logprobs else None,  # of the sampled tokens alone
        output_kind=RequestOutputKind.FINAL_ONLY,
    )

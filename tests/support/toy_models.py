"""Small language models with random weights, and chats for them."""

from __future__ import annotations

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, Qwen2Config

from inoc.chat.render import Rendered, ResponseSpan

SHAPE = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def language_model(seed=0, **changes):
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(Qwen2Config(**SHAPE, **changes)).eval()
    with torch.no_grad():  # sharper than at the start of training, so that errors show
        for parameter in model.parameters():
            parameter.mul_(4.0 if parameter.dim() > 1 else 1.0)
    return model


def capped_model():
    return AutoModelForCausalLM.from_config(Gemma2Config(**SHAPE, head_dim=16)).eval()


def random_chats(rng, n, shared=0):
    beginning = rng.integers(0, 300, shared).tolist()
    sizes = np.column_stack([rng.integers(1, 20, n), rng.integers(0, 25, n)]).tolist()
    return [
        Rendered(
            "",
            beginning + rng.integers(0, 300, prompt + response).tolist(),
            ResponseSpan(shared + prompt, shared + prompt + response),
        )
        for prompt, response in sizes
    ]


@torch.no_grad()
def one_by_one(model, chats):
    """The oracle: each chat alone, a softmax over the vocabulary, in float64."""
    out = []
    for chat in chats:
        logprobs = model(input_ids=torch.tensor([chat.token_ids])).logits[0].double().log_softmax(-1)
        picked = logprobs[:-1].gather(1, torch.tensor(chat.token_ids[1:])[:, None])[:, 0]
        out.append(picked[chat.response.start - 1 : chat.response.stop - 1].numpy())
    return out


def vllm_dtype():
    """Type of weights that vLLM runs adapters in: on a GPU it has no float32 kernels for them."""
    return "bfloat16" if torch.cuda.is_available() else "float32"


def within(float32, bfloat16):
    """Tolerance of what vLLM says of a toy model."""
    return bfloat16 if torch.cuda.is_available() else float32

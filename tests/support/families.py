"""A tiny random model of each family in transformers that has a causal head, from transformers' own registry."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

FAMILIES = tuple(sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))
REPRESENTATIVE = (
    "bert", "bloom", "cohere", "gemma2", "gemma3_text", "gpt2", "gpt_oss", "granite", "llama", "mamba", "opt", "phi3",
    "qwen2", "qwen3", "xlnet",
)  # fmt: skip
"""Families of every kind of head, padding and refusal."""
VOCABULARY = 410  # more than the tokenizer has, so that tokens with a meaning of their own can lie beyond it
MOST_PARAMETERS = 50_000_000

_SIZES: dict[int, tuple[str, ...]] = {
    VOCABULARY: ("vocab_size",),
    32: ("hidden_size", "d_model", "n_embd", "dim", "word_embed_proj_dim", "embedding_size", "emb_dim", "embed_dim"),
    64: (
        "intermediate_size", "ffn_dim", "n_inner", "decoder_ffn_dim", "encoder_ffn_dim", "d_ff", "ffn_hidden_size",
        "feed_forward_size", "expert_ffn_size", "dff", "d_inner", "dim_ff", "intermediate_size_mlp",
    ),
    2: (
        "num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers",
        "num_decoder_layers", "num_encoder_layers",
    ),
    4: (
        "num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads", "encoder_attention_heads",
        "num_decoder_attention_heads", "num_encoder_attention_heads",
        "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "zero_expert_num",
    ),
    1: ("n_shared_experts", "moe_num_shared_experts", "n_group", "topk_group"),
}  # fmt: skip
_AT_MOST = {
    "num_key_value_heads": 2, "num_kv_heads": 2, "num_experts_per_tok": 2, "moe_topk": 2, "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32, "moe_k": 2, "first_k_dense_replace": 1, "pad_token_id": 0,
    "attention_head_dim": 8, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
    "v_head_dim": 8, "index_head_dim": 16, "index_n_heads": 2, "rotary_dim": 8, "d_conv": 4,
    "max_position_embeddings": 256, "n_positions": 256, "expert_ffn_hidden_size": 32,
}  # fmt: skip
_UNLIKE_ONE = {
    "logits_scaling": 8.0, "lm_head_multiplier": 0.5, "embedding_multiplier": 3.0, "residual_multiplier": 0.5,
    "final_logit_softcapping": 5.0, "logit_scale": 0.25,
}  # fmt: skip
"""Factors and bounds, many of which do nothing by default."""
_MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_expand": 2, "mamba_d_state": 8, "mamba_n_groups": 1}
_DECODERS = (
    "bert", "bert-generation", "big_bird", "camembert", "data2vec-text", "electra", "ernie", "megatron-bert",
    "prophetnet", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm-roberta",
    "xlm-roberta-xl", "xmod",
)  # fmt: skip
_ONE_OF_EACH = {"layer_types": ["linear_attention", "full_attention"]}
_OWN: dict[str, dict[str, Any]] = {
    **{name: {"is_decoder": True} for name in _DECODERS},
    "bamba": {**_MAMBA, "attn_layer_indices": [1]},
    "deepseek_v2": {"num_experts_per_tok": 2, "n_group": None, "topk_group": None},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1},
    "falcon_h1": {**_MAMBA, "mamba_d_ssm": 64, "mamba_chunk_size": 16},
    "gemma3n_text": {"num_hidden_layers": 5, "num_kv_shared_layers": 0, "layer_types": None,
                     "vocab_size_per_layer_input": VOCABULARY, "hidden_size_per_layer_input": 8},
    "gemma4_text": {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": VOCABULARY},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 8},
    "granitemoehybrid": {**_MAMBA, "layer_types": ["mamba", "attention"]},
    "helium": {"head_dim": 8},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1},
    "kimi_linear": _ONE_OF_EACH,
    "minicpm3": {"dim_model_base": 8},
    "qwen3_5": {"text_config": _ONE_OF_EACH},
    "qwen3_5_moe": {"text_config": _ONE_OF_EACH},
    "qwen3_5_moe_text": _ONE_OF_EACH,
    "qwen3_5_text": _ONE_OF_EACH,
    "qwen3_next": _ONE_OF_EACH,
    "qwen4_exp": {"text_config": _ONE_OF_EACH},
    "qwen4_exp_text": _ONE_OF_EACH,
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "longcat_flash": {"head_dim": 8},
    "mamba2": {"num_heads": 8, "head_dim": 8, "expand": 2, "state_size": 8, "n_groups": 1},
    "ministral": {"head_dim": 8},
    "mistral": {"head_dim": 8, "sliding_window": 6},
    "nemotron": {"num_key_value_heads": 2},
    "reformer": {"is_decoder": True, "attn_layers": ["local", "local"], "axial_pos_embds": False,
                 "attention_head_size": 8, "local_attn_chunk_length": 128},
    "xmod": {"is_decoder": True, "default_language": "en_XX"},
    "zamba": {"num_hidden_layers": 4, "layer_types": ["mamba", "hybrid", "mamba", "hybrid"]},
    "zamba2": {"num_hidden_layers": 3, "layer_types": ["mamba", "mamba", "hybrid"], "hybrid_layer_ids": [2]},
}  # fmt: skip
_LEFT_OUT: dict[str, tuple[str, ...]] = {
    "minicpm3": ("logits_scaling",),
    "prophetnet": ("num_hidden_layers",),
    "xlstm": ("v_head_dim", "head_dim"),
}


class TooLargeError(ValueError):
    """A family whose default configuration could not be made tiny."""


def _shrunk(config: PreTrainedConfig) -> dict[str, Any]:
    small: dict[str, Any] = {}
    for size, names in _SIZES.items():
        small |= {name: size for name in names if isinstance(getattr(config, name, None), int)}
    for name, size in _AT_MOST.items():
        value = getattr(config, name, None)
        if isinstance(value, int) and value > size:
            small[name] = size
    if hasattr(config, "kv_lora_rank"):  # latent attention has a key for every query head
        small["num_key_value_heads"] = 4
    for name, value in config.to_dict().items():
        if name.endswith(("token_id", "token_index")) and isinstance(value, int) and value >= VOCABULARY:
            small[name] = VOCABULARY - 1
    return small | {name: value for name, value in _UNLIKE_ONE.items() if hasattr(config, name)}


def tiny_config(family: str) -> PreTrainedConfig:
    """The family's own defaults, made tiny."""
    kind = CONFIG_MAPPING[family]
    default = kind()
    values = _shrunk(default)
    for name in getattr(kind, "sub_configs", {}):
        sub = getattr(default, name, None)
        if isinstance(sub, PreTrainedConfig):
            values[name] = _shrunk(sub)
    for name, value in _OWN.get(family, {}).items():
        values[name] = {**values[name], **value} if name in getattr(kind, "sub_configs", {}) else value
    return kind(**{name: value for name, value in values.items() if name not in _LEFT_OUT.get(family, ())})


def tiny_model(family: str, seed: int = 0) -> Any:
    """A random model, sharper than at the start of training, so that errors show.

    Raises:
        TooLargeError: If it is not tiny.
    """
    config = tiny_config(family)
    with torch.device("meta"):
        n = sum(part.numel() for part in AutoModelForCausalLM.from_config(config).parameters())
    if n > MOST_PARAMETERS:
        raise TooLargeError(f"its default shapes have {n / 1e6:.0f} million parameters")
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0 if parameter.dim() > 1 else 1.0)
    return model

"""Real vision-language architectures made small and random, each with its real processor and a tokeniser of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from xai_core.models.torchvision_operators import declare_missing_operators

SIDE, PATCH = 32, 8
TEMPLATE = (
    "{% for message in messages %}{{ message['role'].capitalize() }}:{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}END\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
SMOL = {
    "pad": "<pad>",
    "eos": "<end_of_utterance>",
    "image_token": "<image>",
    "fake_image_token": "<fake_token_around_image>",
    "global_image_token": "<global-img>",
}
QWEN = {
    "pad": "<|endoftext|>",
    "eos": "<|im_end|>",
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
}


def tokenizer(texts: Iterable[str], special: dict[str, str]):
    """Return a byte-level tokeniser trained on texts, with special tokens by name."""
    declare_missing_operators()  # before Transformers looks for torchvision
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=list(special.values()), initial_alphabet=alphabet, show_progress=False
    )
    plain.train_from_iterator(list(texts), trainer)
    extra = {name: token for name, token in special.items() if name not in ("pad", "eos")}
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token=special["pad"], eos_token=special["eos"], extra_special_tokens=extra
    )


def small_smolvlm(texts: Iterable[str], **more):
    """Return (network, processor): SmolVLM with two layers of each kind, random weights."""
    import torch
    import transformers as T

    words = tokenizer(texts, SMOL)
    size = {"longest_edge": SIDE}
    processor = T.SmolVLMProcessor(
        T.SmolVLMImageProcessor(size=size, max_image_size=size, do_image_splitting=False),
        words,
        T.SmolVLMVideoProcessor(size=size, max_image_size=size, num_frames=1, fps=1),
        image_seq_len=(SIDE // PATCH // 2) ** 2,
        chat_template=TEMPLATE.replace("IMAGE", SMOL["image_token"]).replace("END", SMOL["eos"]),
    )
    ids = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id, "bos_token_id": None}
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    config = T.SmolVLMConfig(
        vision_config=sizes | {"hidden_size": 32, "image_size": SIDE, "patch_size": PATCH},
        text_config=sizes | ids | {"model_type": "llama", "num_key_value_heads": 2, "vocab_size": len(words)},
        image_token_id=words.convert_tokens_to_ids(SMOL["image_token"]),
        scale_factor=2,
        **ids,
        **more,
    )
    return T.SmolVLMForConditionalGeneration(config), processor


def small_qwen(texts: Iterable[str]):
    """Return (network, processor): Qwen2-VL with two layers of each kind, random weights."""
    import torch
    import transformers as T

    words = tokenizer(texts, QWEN)
    inside = QWEN["vision_bos_token"] + QWEN["image_token"] + QWEN["vision_eos_token"]
    size = {"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE}
    sizes = {"patch_size": PATCH, "temporal_patch_size": 2, "merge_size": 2}
    processor = T.Qwen2VLProcessor(
        T.Qwen2VLImageProcessor(size=size, **sizes),
        words,
        T.Qwen2VLVideoProcessor(size=size, **sizes),
        chat_template=TEMPLATE.replace("IMAGE", inside).replace("END", QWEN["eos"]),
    )
    ids = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id, "bos_token_id": None}
    named = {
        f"{part}_id": words.convert_tokens_to_ids(QWEN[name])
        for part, name in {
            "image_token": "image_token",
            "video_token": "video_token",
            "vision_start_token": "vision_bos_token",
            "vision_end_token": "vision_eos_token",
        }.items()
    }
    torch.manual_seed(0)
    vision = {"embed_dim": 32, "hidden_size": 64, "depth": 2, "num_heads": 2, "mlp_ratio": 2}
    text = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    config = T.Qwen2VLConfig(
        vision_config=vision | {"patch_size": PATCH, "temporal_patch_size": 2, "spatial_merge_size": 2},
        text_config=text | ids | {"num_key_value_heads": 2, "vocab_size": len(words), "rope_parameters": rope},
        **named,
        **ids,
    )
    return T.Qwen2VLForConditionalGeneration(config), processor


def save(network, processor, folder: Path) -> Path:
    """Return a folder with all that a model on the hub has: weights, configuration, processor, tokeniser, template."""
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def teach(network, processor, lessons: list[tuple[np.ndarray, str, str]], most: int = 400) -> bool:
    """Return whether a network learned to give an answer to each (picture, prompt, answer), in `most` steps."""
    import torch

    processor.tokenizer.padding_side = "right"
    contents = [[{"type": "image"}, {"type": "text", "text": prompt}] for _, prompt, _ in lessons]
    asked = [
        processor.apply_chat_template([{"role": "user", "content": each}], add_generation_prompt=True, tokenize=False)
        for each in contents
    ]
    end = processor.tokenizer.eos_token
    whole = [text + answer + end for text, (_, _, answer) in zip(asked, lessons, strict=True)]
    pictures = [[torch.from_numpy(image.copy()).permute(2, 0, 1)] for image, _, _ in lessons]
    inputs = processor(text=whole, images=pictures, padding=True, return_tensors="pt")
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    for row, (text, image) in enumerate(zip(asked, pictures, strict=True)):
        labels[row, : processor(text=[text], images=[image], return_tensors="pt")["input_ids"].shape[1]] = -100
    optimiser, told = torch.optim.Adam(network.parameters(), lr=5e-3), labels[:, 1:]
    for _ in range(most):
        out = network(**inputs, labels=labels)
        if (out.logits[:, :-1].argmax(-1) == told)[told != -100].all():
            return True
        optimiser.zero_grad()
        out.loss.backward()
        optimiser.step()
    return False

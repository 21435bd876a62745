"""A tiny random classifier in the layout of a Hugging Face folder, for tests that need a real model but no accuracy."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    *("a", "the", "is", "are", "not", "no", "and", "in", "on", "of", "with", "man", "woman", "dog", "cat", "child"),
    *("park", "street", "house", "ball", "red", "blue", "big", "small", "runs", "sleeps", "plays", "eats"),
    *("good", "bad"),
)


def make_tiny_model(folder: Path, labels: Sequence[str], seed: int = 0) -> Path:
    """Write a random BERT classifier of 2 layers and 32 hidden units into ``folder`` and return the folder.

    Its label names are ``labels`` in that order. The same seed gives the same bytes. Texts of at most 160 tokens fit;
    a word it does not know is spelled letter by letter.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=160,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def make_tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A lower-casing WordPiece tokenizer of some 140 tokens that takes single texts and pairs, as BERT's does."""
    characters = string.ascii_lowercase + string.digits
    pieces = [*SPECIAL, *characters, *(f"##{character}" for character in characters), *string.punctuation]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys([*pieces, *WORDS]))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=160,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )

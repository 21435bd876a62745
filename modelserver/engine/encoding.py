"""From texts to token ids and padded batches, with the model's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from modelserver.wire import TextInput, WireError


class TextTooLongError(WireError):
    """The part of an input that may not be cut does not fit; ``index`` is the input's place in the call."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__("text_pair", message)
        self.index = index


@dataclass(frozen=True)
class Encoding:
    """One input as token ids and segment ids, special tokens included, without padding."""

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)


class TextEncoder:
    """Turns inputs into at most ``max_length`` tokens. Safe to share between threads."""

    def __init__(self, tokenizer_json: bytes, max_length: int) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer_json.decode())
        # Tokenizer files carry the limits of whoever saved them; the model's own are kept here.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._max_length = max_length

    def encode(self, inputs: Sequence[TextInput]) -> list[Encoding]:
        """One encoding an input, in order. Of a pair only the first text is cut, a single text is cut at its end.

        Raises TextTooLongError if the second text of a pair leaves no room for a token of the first.
        """
        texts = [text for item in inputs for text in item.texts]
        pieces = iter(self._tokenizer.encode_batch(texts, add_special_tokens=False))
        encodings = []
        for index, item in enumerate(inputs):
            first = next(pieces)
            second = next(pieces) if len(item.texts) == 2 else None
            room = self._max_length - self._tokenizer.num_special_tokens_to_add(second is not None)
            if second is not None:
                room -= len(second)
                if room < 1:
                    longest = room + len(second) - 1
                    message = f"is {len(second)} tokens long; at most {longest} leave room for its context"
                    raise TextTooLongError(index, message)
            if len(first) > room:
                first.truncate(room)
            joined = self._tokenizer.post_process(first, second, add_special_tokens=True)
            encodings.append(Encoding(tuple(joined.ids), tuple(joined.type_ids)))
        return encodings


def padded_batch(
    encodings: Sequence[Encoding], pad_id: int, with_type_ids: bool, device: torch.device
) -> dict[str, torch.Tensor]:
    """The inputs of one forward pass: int64 tensors of shape [encodings, longest], padded on the right.

    Has ``input_ids``, ``attention_mask`` and, if the model takes them, ``token_type_ids``.
    """
    longest = max(len(item) for item in encodings)
    batch = {
        "input_ids": [[*item.ids, *[pad_id] * (longest - len(item))] for item in encodings],
        "attention_mask": [[1] * len(item) + [0] * (longest - len(item)) for item in encodings],
    }
    if with_type_ids:
        batch["token_type_ids"] = [[*item.type_ids, *[0] * (longest - len(item))] for item in encodings]
    return {name: torch.tensor(rows, device=device) for name, rows in batch.items()}

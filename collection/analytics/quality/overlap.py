"""Texts that copy the words of their context: what lets a model guess "entailment" without reading."""

from __future__ import annotations

from collection.analytics.quality.words import tokens, words

# More of a text's words than this in its context is a high overlap (Wallace et al. 2022, analysis/artifacts.py).
HIGH = 0.9


def word_overlap(text: str, context: str, *, as_released: bool = False) -> float | None:
    """The share of a text's words, each as often as it occurs, that its context has too. None without words.

    Words are compared without case and punctuation. ``as_released`` compares tokens as they are written, punctuation
    marks other than "." included: "The" is not in a context that has "the".
    """
    if as_released:
        own, known = [item for item in tokens(text) if item != "."], set(tokens(context))
    else:
        own, known = words(text), set(words(context))
    if not own:
        return None
    return sum(word in known for word in own) / len(own)


def entailment(labels: tuple[str, ...]) -> str | None:
    """The label that says that a text follows from its context, if the task has one."""
    return next((label for label in labels if label.casefold().startswith("entail")), None)

"""The card of a release: README.md, with the front matter of a Hugging Face dataset card, then plain words. Pure.

Front matter as in https://huggingface.co/docs/hub/datasets-cards and …/datasets-manual-configuration.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from collection.export.facts import Facts
from collection.export.layout import ATTEMPTS, EXAMPLES, WITH_FILES, split_paths
from collection.schema import TaskSchema

_NLI = frozenset({"entailment", "neutral", "contradiction", "not_entailment", "not-entailment"})
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&$-])")
_ARMS = {
    "non-adversarial": "no model is shown; writers write whatever fits the label",
    "static": "writers try to fool the model of round 0, in every round",
    "dynamic": "writers try to fool the model that was trained on all that the arm had collected before the round",
}
_METHODS = {
    "none": "No dev or test is set apart: everything that was accepted is in train.",
    "fooling": "Writers are drawn to one of train, dev and test, and no writer is in two of them. Dev and test hold "
    "those of their writers' accepted examples that fooled the model, as in ANLI (Nie et al. 2020).",
    "stratified": "Writers are drawn to one of train, dev and test, and no writer is in two of them. In dev and test, "
    "of each arm and round, are equally many accepted examples of each label and prediction that occurred, as in "
    "DynaSent (Potts et al. 2021).",
}


def card(facts: Facts) -> str:
    """The text of README.md. The release's checksum is not in it, since it covers this file too."""
    return f"---\n{_front_matter(facts)}---\n\n{_body(facts)}"


def _front_matter(facts: Facts) -> str:
    total = sum(facts.counted(arm) for arm in facts.arms)
    front: dict[str, Any] = {
        "pretty_name": " ".join(facts.study["name"].split()),
        "language": [facts.language],
        **({"license": facts.licence} if facts.licence else {}),
        "task_categories": ["text-classification"],
        **({"task_ids": ["natural-language-inference"]} if _is_nli(facts.schema) else {}),
        "annotations_creators": ["crowdsourced"],
        "language_creators": ["crowdsourced"],
        "size_categories": [next((name for most, name in _SIZES if total < most), "1M<n<10M")],
        "tags": ["croissant", "adversarial", "human-in-the-loop"],
        "configs": list(_configs(facts)),
    }
    # Each value as JSON, which is YAML too: no name can break out of it.
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in front.items() if value)


def _configs(facts: Facts) -> Iterator[dict[str, Any]]:
    default = {"default": True}
    for arm in facts.arms:
        if paths := split_paths(facts.manifest["files"], arm):
            files = [{"split": split, "path": path} for split, path in paths.items()]
            yield {"config_name": arm, **default, "data_files": files}
            default = {}


def _is_nli(schema: TaskSchema) -> bool:
    return len(schema.fields) == 2 and _NLI.issuperset(schema.label_names)


def _body(facts: Facts) -> str:
    manifest, study = facts.manifest, facts.study
    sections = {
        f"# {_plain(study['name'])}, release {manifest['number']}": [_introduction(facts)],
        "## Arms, rounds and counts": [_arms(facts)],
        "## How it was collected and validated": [*_collected(facts)],
        "## Files and fields": [*_files(facts), _fields(facts)],
        "## Splits": [*_splits(facts)],
        "## Privacy": [*_privacy(facts)],
        "## Known limits": [_limits(facts)],
        "## Provenance": [*_provenance(facts)],
    }
    return "\n\n".join("\n\n".join([title, *paragraphs]) for title, paragraphs in sections.items()) + "\n"


def _introduction(facts: Facts) -> str:
    fields = " and ".join(f"“{_plain(item.title)}”" for item in facts.schema.fields)
    labels = ", ".join(f"`{label.name}`" for label in facts.schema.labels)
    return (
        "People wrote these examples, round after round, and other people validated them. The study compares ways of "
        f"collecting training data (arms) for the task “{_plain(facts.study['task']['name'])}”: {fields}, with the "
        f"labels {labels}. This release holds what was there at {facts.manifest['as_of']}."
    )


def _arms(facts: Facts) -> str:
    rows = []
    for arm, kind in facts.arms.items():
        rounds = sorted({row["round"] for row in facts.manifest["counts"][arm]})
        accepted = facts.counted(arm, state="accepted")
        rows.append((f"`{arm}`", kind, _ranges(rounds), facts.counted(arm), accepted, _ARMS.get(kind, "")))
    return _table(("arm", "kind", "rounds", "examples", "of these accepted", "what it is"), rows)


def _collected(facts: Facts) -> Iterator[str]:
    settings = facts.study["settings"]
    whose = "a label that the server assigns" if settings["label_policy"] == "assigned" else "a label of their choice"
    yield (
        f"In a round, writers are given a context, where the task has one, and write a text with {whose}. In arms that "
        f"show a model, each text is put to it at once, and a writer has {settings['max_tries']} tries to fool it; the "
        "first text that does, or the last one, becomes the example. All tries are kept by the study."
    )
    yield (
        "Other people then label the text without seeing its writer, label, arm or prediction. It is accepted when "
        f"{settings['quorum']} of at most {settings['max_validations']} agree with the writer; where they cannot agree "
        f"or flag the text, an expert decides. A round ends with {settings['quota']} accepted examples. The base model "
        f"is `{settings['base_model']}`."
    )
    if instructions := facts.study["task"]["instructions"]:
        yield "Writers read these instructions:"
        yield "\n".join(f"> {_plain(line)}".rstrip() for line in instructions.splitlines())


def _files(facts: Facts) -> Iterator[str]:
    folders = ", ".join(sorted({f"`{path.partition('/')[0]}/`" for path in facts.manifest["files"] if "/" in path}))
    formats, states = (", ".join(facts.manifest["choices"][name]) for name in ("formats", "states"))
    yield (
        f"Formats: {formats}; folders: {folders}. Examples in these states are in it: {states}. "
        "`study/` says how the study was set up and what its models are."
    )
    first = next(_configs(facts), None)
    if first is not None:
        split = first["data_files"][0]["split"]
        yield f'```python\ndatasets.load_dataset("path/to/this/folder", "{first["config_name"]}", split="{split}")\n```'


def _fields(facts: Facts) -> str:
    meanings = facts.meanings()
    columns = facts.columns(EXAMPLES)
    if facts.manifest["choices"]["attempts"]:
        columns |= facts.columns(ATTEMPTS)
    return _table(
        ("column", "kind", "what it holds"),
        [(f"`{column}`", kind, _plain(meanings[column])) for column, kind in columns.items()],
    )


def _splits(facts: Facts) -> Iterator[str]:
    splits = facts.splits
    yield _METHODS[splits["method"]]
    rows = [(f"`{arm}`", *(facts.counted(arm, split=split) for split in WITH_FILES)) for arm in facts.arms]
    yield _table(("arm", *WITH_FILES), rows)
    if splits["method"] == "none":
        return
    text = "What is in none of the three is in `rest`: what was not accepted, and what dev and test have no place for. "
    if splits.get("contexts"):
        text += "Contexts are drawn in the same way, and none is in two of the three. "
    yield (
        f"{text}Draws are hashes with the seed {splits['seed']}, so that later rounds move nothing; only "
        "near-duplicates leave train, or dev, when later data brings a text that is nearly the same to dev or test."
    )
    if without := [arm for arm in splits.get("arms_without_model", ()) if splits["method"] == "fooling"]:
        names = ", ".join(f"`{arm}`" for arm in without)
        yield f"No model was shown in {names}: dev and test hold all accepted examples of their writers there."
    if near := splits.get("near_duplicates"):
        moved = near["moved"]
        yield (
            f"Near-duplicates across splits (Jaccard similarity of character 5-grams of at least {near['similarity']}) "
            f"are in `rest`: {moved['train']} from train and {moved['dev']} from dev, named in `splits.json`."
        )


def _privacy(facts: Facts) -> Iterator[str]:
    yield (
        "Writers and validators appear under pseudonyms made for this release alone. There is no platform id, name, "
        "e-mail or IP address in the fields. Texts were scanned for e-mail and web addresses, phone numbers, IP "
        "addresses, worker ids and names known to the site; a scan cannot find a person described in words."
    )
    found = facts.privacy.get("found") or {}
    if found:
        counts = ", ".join(f"{count} × {kind}" for kind, count in sorted(found.items()))
        left_out = facts.privacy.get("decision") == "left_out"
        done = "left the texts out" if left_out else "looked at them and let them stand"
        yield f"The scan found: {counts}. The researcher {done}."
    else:
        yield "The scan found nothing."


def _limits(facts: Facts) -> str:
    limits = [
        "Adversarial test data favours models that were not its adversary: compare models on the test data of every "
        "arm and on test sets from elsewhere.",
        "Dev and test that hold only what fooled a model say nothing of how often a model is fooled.",
        "The order of the arms' rounds in time, and who happened to write, differ from arm to arm; small differences "
        "between arms need intervals.",
        "What was accepted is what validators agreed on: ambiguous texts are rarer than in life.",
    ]
    if not facts.licence:
        limits.append("No licence is stated: ask before you use or pass it on.")
    return "\n".join(f"- {limit}" for limit in limits)


def _provenance(facts: Facts) -> Iterator[str]:
    manifest = facts.manifest
    yield (
        "`release.json` has the sha256 of every file and of the whole. Made by "
        f"{', '.join(f'{_plain(name)} {_plain(str(of))}' for name, of in manifest['code'].items())} from the study "
        f"`{manifest['study']['slug']}`, as of {manifest['as_of']}, in the format `{manifest['format']}`."
    )
    if facts.homepage:
        yield f"<{facts.homepage}>"


def _ranges(numbers: Sequence[int]) -> str:
    """Rounds as people write them: 1–3, 5."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("–".join(map(str, part)) for part in parts) or "none"


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _plain(text: str) -> str:
    """A text as it stands, on one line, whatever Markdown would make of it."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))

"""Where the files of a release lie in its folder. Pure; every name is made of slugs, numbers and fixed words."""

from __future__ import annotations

from collections.abc import Mapping

from collection.export.splits import REST, SPLITS

# What the manifest says of what all of this is.
FORMAT = "whetstone-release/1"
MANIFEST, CARD, CROISSANT = "release.json", "README.md", "croissant.json"
SPLITS_FILE, PRIVACY = "splits.json", "privacy.json"
EXAMPLES, ATTEMPTS = "examples", "attempts"
# The formats with a file of each table, and how its name ends.
TABULAR = {"jsonl": "jsonl", "csv": "csv", "parquet": "parquet"}
# The splits that have files: with what is in none of the three, nothing of a release is left out of its Parquet files.
WITH_FILES = (*SPLITS, REST)


def table_path(format: str, arm: str, table: str = EXAMPLES) -> str:
    """The file of a table of an arm in one of the formats of TABULAR."""
    return f"{format}/{arm}/{table}.{TABULAR[format]}"


def split_path(arm: str, split: str) -> str:
    """The file of a split of an arm as the Hugging Face hub has it."""
    return f"data/{arm}/{split}.parquet"


def is_hub_path(path: str) -> bool:
    """Whether a file of a release is one that the Hugging Face hub reads a dataset from."""
    return path == CARD or path.startswith("data/")


def split_paths(files: Mapping[str, object], arm: str) -> dict[str, str]:
    """Split to path, of those that are among the files of a release."""
    paths = {split: split_path(arm, split) for split in WITH_FILES}
    return {split: path for split, path in paths.items() if path in files}


def anli_path(arm: str, round: int, split: str) -> str:
    """The file of a round and split of an arm as in ANLI."""
    return f"anli/{arm}/R{round}/{split}.jsonl"


def source_study_path(arm: str) -> str:
    """The file of an arm as the source study has it."""
    return f"source-study/{arm}.jsonl"

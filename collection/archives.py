"""A model version to download: its files from the model repository as a zip, made while it is sent."""

from __future__ import annotations

from collection.cards import card_of
from collection.errors import Conflict
from collection.models import Experiment
from collection.versions import Lineage, check_weights
from collection.zips import Archive, Entry, archived
from modelserver.artifacts import ArtifactError
from modelserver.repository import ModelRepository, VersionMissing

CARD_FILE = "README.md"


def archive_of(experiment: Experiment, lineage: Lineage, repository: ModelRepository) -> Archive:
    """The files of a version in a folder, and a card that tells where it comes from.

    Raises Conflict if the version came without its weights, and if the repository lacks it or a file of it, holds
    another one, or does not answer.
    """
    version = lineage.version
    check_weights(version)
    try:
        manifest, digest = repository.describe(version.ref)
        files = repository.files(version.ref)
    except VersionMissing:
        raise Conflict("no_files", f"The model repository has no files of {version}.") from None
    except ArtifactError as error:
        raise Conflict("damaged", f"The files of {version} are damaged: {error}.") from None
    except OSError:
        raise Conflict("no_repository", "The model repository does not answer right now. Please try again.") from None
    if digest != version.manifest_sha256:
        raise Conflict("damaged", f"The model repository holds another {version} than was registered.")
    folder = f"{version.name}-{version.version}"
    card = card_of(experiment, lineage, manifest).encode()
    entries = [
        Entry(CARD_FILE, len(card), [card]),
        *(Entry(f"{folder}/{file.name}", file.size, repository.read(file)) for file in files),
    ]
    return archived(f"{folder}.zip", digest, entries, version.created_at)

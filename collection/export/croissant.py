"""A release described in Croissant 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collection.export.columns import VOTE, Kind
from collection.export.facts import Facts
from collection.export.layout import ATTEMPTS, EXAMPLES, split_paths, table_path

# As the specification has it, word for word.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES: Mapping[Kind, str] = {
    "text": "sc:Text",
    "count": "sc:Integer",
    "flag": "sc:Boolean",
    "number": "sc:Float",
    "time": "sc:DateTime",
}
_MEDIA_TYPES = {
    "jsonl": "application/jsonlines",
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/x-parquet",
    "md": "text/markdown",
    "html": "text/html",
    "pdf": "application/pdf",
}
# Where records are read from, the best first: types are kept best by Parquet.
_READ_FROM = ("parquet", "jsonl", "csv")


def croissant(facts: Facts) -> dict[str, Any]:
    """The JSON-LD of a release: every file with its sha256, and a record set for each arm and table.

    A release that has neither tables nor Parquet by split has no record sets.
    """
    manifest, study = facts.manifest, facts.study
    sets = [item for arm in facts.arms if (item := _by_split(facts, arm)) is not None]
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": study["slug"],
        "alternateName": study["name"],
        "description": f"Release {manifest['number']} of the study {study['name']}: examples written by people, round "
        "after round, most of them to fool a model, and validated by other people.",
        "version": f"{manifest['number']}.0.0",
        "datePublished": manifest["as_of"],
        "inLanguage": facts.language,
        "license": facts.licence or "No licence is stated.",
        "citeAs": _citation(facts),
        "isLiveDataset": False,
        "distribution": [*_files(manifest["files"]), *sets],
        "recordSet": [_split_names(facts), *_record_sets(facts)],
    }
    return described | ({"url": facts.homepage} if facts.homepage else {})


def _citation(facts: Facts) -> str:
    slug, name = facts.study["slug"], facts.study["name"].replace("{", "").replace("}", "")
    number, year = facts.manifest["number"], facts.manifest["as_of"][:4]
    return f"@misc{{{slug}-{number}, title={{{name}, release {number}}}, year={{{year}}}}}"


def _files(files: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for path, told in sorted(files.items()):
        yield {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": path,
            "contentSize": f"{told['size']} B",
            "encodingFormat": _MEDIA_TYPES.get(path.rpartition(".")[2], "application/octet-stream"),
            "sha256": told["sha256"],
        }


def _by_split(facts: Facts, arm: str) -> dict[str, Any] | None:
    """The files of an arm's splits as one set, where no single file has them all."""
    paths = split_paths(facts.manifest["files"], arm)
    if not paths or _table(facts, arm, EXAMPLES) is not None:
        return None
    return {
        "@type": "cr:FileSet",
        "@id": f"{arm}-splits",
        "name": f"{arm}-splits",
        "encodingFormat": _MEDIA_TYPES["parquet"],
        "includes": f"data/{arm}/*.parquet",
    }


def _table(facts: Facts, arm: str, table: str) -> str | None:
    """The best format that a release has an arm's table in."""
    return next((name for name in _READ_FROM if table_path(name, arm, table) in facts.manifest["files"]), None)


def _split_names(facts: Facts) -> dict[str, Any]:
    found = {row["split"] for rows in facts.manifest["counts"].values() for row in rows} or {"train"}
    roles = {"train": "cr:TrainingSplit", "dev": "cr:ValidationSplit", "test": "cr:TestSplit", "rest": ""}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [_field("splits/name", "The split's name", "sc:Text"), _field("splits/role", "Its role", "sc:Text")],
        "data": [{"splits/name": name, "splits/role": role} for name, role in roles.items() if name in found],
    }


def _record_sets(facts: Facts) -> Iterator[dict[str, Any]]:
    for arm in facts.arms:
        for table, name in ((EXAMPLES, arm), (ATTEMPTS, f"{arm}-{ATTEMPTS}")):
            format = _table(facts, arm, table)
            if format is not None:
                source = {"fileObject": {"@id": table_path(format, arm, table)}}
            elif table == EXAMPLES and split_paths(facts.manifest["files"], arm):
                source = {"fileSet": {"@id": f"{arm}-splits"}}
            else:
                continue
            yield {
                "@type": "cr:RecordSet",
                "@id": name,
                "name": name,
                "description": f"The {table} of the arm {arm} ({facts.arms[arm]}).",
                "key": {"@id": f"{name}/id"},
                "field": list(_fields(facts, name, table, source, nested=format != "csv")),
            }


def _fields(facts: Facts, name: str, table: str, source: Mapping[str, Any], nested: bool) -> Iterator[dict[str, Any]]:
    meanings = facts.meanings()
    for column, kind in facts.columns(table).items():
        id, extract = f"{name}/{column}", {**source, "extract": {"column": column}}
        if kind == "shares" and nested:
            parts = [_part(id, label, "sc:Float", extract) for label in facts.schema.label_names]
            yield _field(id, meanings[column]) | {"subField": parts}
        elif kind == "votes" and nested:
            parts = [_part(id, member, _TYPES[vote], extract) for member, vote in VOTE.items()]
            yield _field(id, meanings[column]) | {"isArray": True, "arrayShape": "-1", "subField": parts}
        else:
            yield _field(id, meanings[column], _TYPES.get(kind, "sc:Text")) | {"source": extract}


def _field(id: str, description: str, type: str | None = None) -> dict[str, Any]:
    field = {"@type": "cr:Field", "@id": id, "name": id.rpartition("/")[2], "description": description}
    return field | ({"dataType": type} if type else {})


def _part(of: str, member: str, type: str, source: Mapping[str, Any]) -> dict[str, Any]:
    id = f"{of}/{member}"
    return {
        "@type": "cr:Field",
        "@id": id,
        "name": id,
        "dataType": type,
        # Quoted: a label may have a dash in it.
        "source": {**source, "transform": {"jsonPath": f"'{member}'"}},
    }

"""What an annotator waits for a verdict, against the bare forward pass: ``python -m benchmarks.submit_latency``.

A site of its own (the Procfile's web command, a model server, a fresh database, all on loopback) gets texts the two
ways that people send them, through the API and through the page, one at a time. Before each goes a bare pass: the same
input through the same tokenizer and network in this process, so that both see the same state of the machine. Prints
Markdown: the target, p95 of the submit at most 1.5 times that of the bare pass, hit or missed, and where the time goes.

The connection is kept alive and warm. Other load on the machine spoils it.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import urlencode

from honcho.environ import parse_procfile

from benchmarks.serving import (
    REF,
    ROOT,
    WARM_UP,
    Browser,
    Stopwatch,
    Way,
    alternate,
    answers,
    cuts,
    database_version,
    free_port,
    fresh_database,
    hardware,
    publish,
    python,
    running,
    serving,
)
from modelserver.artifacts import manifest_sha256, read_manifest, write_manifest
from modelserver.client import ModelClient
from modelserver.wire import TextInput

if TYPE_CHECKING:
    from modelserver.engine.loading import LoadedModel

TARGET = 1.5
PASSWORD = "a password for the benchmark"
WAYS = ("API", "page")
CONTEXTS = {
    "pair": (
        "A man in a blue shirt is standing on a tall ladder, cleaning a window.",
        "Two brown dogs run across the field with a long stick between them.",
        "The shop on the corner opens at nine and is closed all day on Sunday.",
        "Three children play in a fountain while their parents sit in the shade.",
        "A woman in a red coat reads the paper on a bench near the old bridge.",
    ),
    "paragraph": (
        "The ferry to the island leaves from the small pier behind the fish market, not from the large harbour where "
        "the cruise ships lie. In summer there are six crossings a day, the first at half past six in the morning and "
        "the last at nine in the evening; from October to March there are only two, and neither goes when the wind is "
        "stronger than force eight. Tickets are sold on board, in cash alone, because the machine for cards has been "
        "broken since the storm. Bicycles travel free of charge, but there is room for no more than twelve of them, so "
        "that on warm weekends some riders are left behind. The crossing takes fifty minutes. Whoever misses the last "
        "boat back can sleep in the hostel next to the lighthouse, which keeps four beds free for exactly that purpose "
        "and asks for nothing but help with the dishes in return.",
        "When the library moved into the old railway station, many people doubted that readers would follow. The "
        "building stood empty for eleven years, its roof leaked, and the nearest bus stop was a quarter of an hour "
        "away on foot. The architect kept the hall as it was, with its clock and its iron columns, and put the shelves "
        "where the platforms had been. Children now read in a sleeping car that was brought from the museum and set on "
        "the last piece of track. In the first year the number of loans went up by a third, and the town added a "
        "second bus line. Not everything has turned out well: the hall is loud when schools visit, heating it costs "
        "twice what was planned, and the reading room for newspapers, which older visitors liked best, had to be given "
        "up because there was no place left for it.",
        "My grandmother baked on Fridays only, and never for herself. At five in the morning she lit the oven in the "
        "yard, which she shared with two neighbours, and by seven the first loaves stood on the window sill to cool. "
        "The dark ones went to the teacher, who paid with firewood, and the white ones to the inn at the crossroads. "
        "What was burnt or broken she gave to us, so we hoped for a strong wind, because it made the fire uneven. She "
        "wrote nothing down. When she was asked how much salt was needed she held out her hand and closed it halfway. "
        "After her death my mother tried for a whole winter to bake the same bread, with the same flour and in the "
        "same oven, and in spring she declared that it was impossible, sold the oven, and from then on bought bread at "
        "the shop like everybody else in the village.",
        "The new rules for the community garden were agreed on by all but three of the members. Each plot may be at "
        "most forty square metres, and whoever has a larger one keeps it until giving it up, after which it is "
        "divided. Water from the well is free before ten in the morning and after six in the evening; in between the "
        "pump is locked, since the level sank dangerously low last August. Fires are forbidden at all times, but "
        "grills with charcoal are allowed on the gravel beside the shed. Dogs must be kept on a lead. Members who do "
        "not work their plot for a whole season receive one reminder and then lose it to the next person on the "
        "waiting list, which at present has twenty-six names. The yearly fee remains as it was, although the board had "
        "proposed raising it, and families with more than two children pay half.",
        "The expedition reached the valley nine days later than planned. Two of the mules had gone lame on the pass, "
        "and the guide, who knew the northern route well, had never taken the southern one before. They found the "
        "river higher than the map suggested and lost an afternoon looking for the ford, which a shepherd finally "
        "showed them in exchange for a pocket knife. The instruments were unharmed, apart from one barometer that had "
        "been packed beneath the cooking pots. For three weeks they measured the depth of the ice each morning and "
        "took samples of the water in the evening. Nobody fell ill. On the way back they left the heavy tents with the "
        "shepherd, meaning to fetch them the following year, but the money for a second expedition was never granted, "
        "and as far as anyone knows the tents are standing there today.",
    ),
}
HYPOTHESES = (
    "Somebody there has something to do in the morning",
    "Nobody was outdoors on that day",
    "It can be done on a Sunday for less money than before",
    "There are more than two of them, and one is old",
)


class Writer:
    """Somebody who writes in a study, on a new assignment after every so many tries: its page shows all of them."""

    def __init__(self, browser: Browser, slug: str, username: str, tries: int) -> None:
        self.browser = browser
        self._slug, self._tries = slug, tries
        self._assignment: dict[str, Any] = {}
        self._turn = -1
        self.browser.token = self.browser.api("GET", "session/")["csrf_token"]
        body = {"username": username, "password": PASSWORD}
        self.browser.token = self.browser.api("POST", "session/", body)["csrf_token"]

    def texts(self, number: int) -> tuple[str, str]:
        """The premise of the assignment that attempt ``number`` belongs to, and its hypothesis: no two are the same."""
        if number // self._tries != self._turn:
            self._turn = number // self._tries
            if self._assignment:
                self.browser.api("DELETE", f"assignments/{self._assignment['key']}/")
            self._assignment = self.browser.api("POST", f"experiments/{self._slug}/assignments/")
        return self._assignment["context"], f"{HYPOTHESES[number % len(HYPOTHESES)]}, as note {number} says."

    def by_api(self, number: int) -> Callable[[], object]:
        """An attempt through the REST API."""
        body = {"texts": {"hypothesis": self.texts(number)[1]}}
        path = f"assignments/{self._assignment['key']}/attempts/"
        return lambda: self.browser.api("POST", path, body, Idempotency_Key=uuid.uuid4().hex)

    def by_page(self, number: int) -> Callable[[], object]:
        """An attempt through the page, until the page with the verdict is there."""
        fields = {
            "csrfmiddlewaretoken": self.browser.token,
            "action": "attempt",
            "assignment": self._assignment["key"],
            "idempotency_key": uuid.uuid4().hex,
            "hypothesis": self.texts(number)[1],
        }
        body = urlencode(fields).encode()
        path = f"/studies/{self._slug}/write/"

        def submit() -> None:
            kind = "application/x-www-form-urlencoded"
            status, content = self.browser.ask("POST", path, body, Content_Type=kind, HX_Request="true")
            if status != 200:
                raise RuntimeError(f"the page was answered with {status}: {content[:500]!r}")

        return submit

    def looks(self, path: str) -> Callable[[], object]:
        """A GET; ``{key}`` stands for the assignment's key."""
        return lambda: self.browser.ask("GET", path.format(key=self._assignment["key"]))


def main() -> int:
    """Run it and print the tables; returns 0 if the target was hit everywhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/nli-minilm"), help="a folder with an artifact")
    parser.add_argument("--max-length", type=int, help="tokens that the model may read, instead of the artifact's own")
    parser.add_argument("--requests", type=int, default=300, help="measured submits in each row, at least 2")
    parser.add_argument("--tries", type=int, default=5, help="attempts on one assignment, as the product's default")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="torch's threads, in both processes")
    parser.add_argument("--spin-count", type=int, default=1000, help="GOMP_SPINCOUNT of both; -1: as the product runs")
    parser.add_argument("--database-url", help="a PostgreSQL server that takes a new database; SQLite without it")
    parser.add_argument("--output", type=Path, help="a file that the result is appended to")
    for step in STEPS:
        parser.add_argument(f"--{step}", metavar="JSON", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for step, do in STEPS.items():
        if (plan := getattr(arguments, step.replace("-", "_"))) is not None:
            print(json.dumps(do(plan)))
            return 0
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Threads of one process that spin after its pass take the cores from the other, but threads that sleep between the
    # steps of a pass slow the pass itself. Read when torch is loaded, so nothing above imports it.
    if arguments.spin_count >= 0:
        os.environ["GOMP_SPINCOUNT"] = str(arguments.spin_count)
    result, hit = benchmark(arguments)
    print(result)
    if arguments.output:
        with arguments.output.open("a", encoding="utf-8") as file:
            file.write(f"\n{result}\n")
    return 0 if hit else 1


def benchmark(arguments: argparse.Namespace) -> tuple[str, bool]:
    """The result as Markdown, and whether the target was hit."""
    import torch

    from modelserver.engine.loading import load

    torch.set_num_threads(arguments.threads)
    load_average, spin = os.getloadavg()[0], os.environ.get("GOMP_SPINCOUNT", "unset")
    with tempfile.TemporaryDirectory() as name, fresh_database(Path(name), arguments.database_url) as database:
        folder = Path(name)
        artifact = publish(source(arguments, folder), str(folder / "models"))
        model = load(artifact)
        settings = {"MODELSERVER_THREADS": str(arguments.threads), "DATA_DIR": name, "MODELSERVER_TOKEN": ""}
        with serving(artifact, settings) as model_url:
            url = f"http://127.0.0.1:{(port := free_port())}"
            environment = {
                **os.environ,
                **settings,
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "DATABASE_URL": database,
                "BROKER_URL": "filesystem://localhost/",
                "MODEL_REPOSITORY_URL": f"file://{folder / 'models'}",
                "MODELSERVER_URL": model_url,
                "WHETSTONE_ENV": "development",
                "WEB_HOST": "127.0.0.1",
                "WEB_PORT": str(port),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            }
            python(environment, "manage.py", "migrate", "--verbosity", "0")
            people = child(
                environment,
                "set-up",
                {
                    "base_model": str(artifact),
                    "manifest_sha256": manifest_sha256(artifact),
                    "labels": model.labels,
                    "studies": {f"{size}-{way}".lower(): CONTEXTS[size] for size in CONTEXTS for way in (*WAYS, "in")},
                },
            )
            web = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8")).processes["web"]
            with running(
                ["/bin/sh", "-c", f"exec {web}"], environment, lambda: answers(f"{url}/healthz"), folder / "web.log"
            ):
                site = Site(url, model_url, people, arguments, environment, model)
                rows = [row for size in CONTEXTS for row in site.submits(size)]
                parts = [part for size in CONTEXTS for part in site.breakdown(size)]
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("django", "gunicorn", "transformers")
    )
    lines = [
        f"{arguments.model.name}; {arguments.requests} submits a row, one at a time; {hardware()}; "
        f"load average at the start {load_average:.1f}; GOMP_SPINCOUNT {spin}; "
        f"Python {platform.python_version()}, {versions}, {database_version(database)}",
        "",
        "| input | tokens, as read | way | bare p50 ms | bare p95 ms | submit p50 ms | submit p95 ms | p95 / p95 "
        f"| ≤ {TARGET} |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | --- |",
        *(row.markdown() for row in rows),
        "",
        "Where it goes, p50 and p95 in ms:",
        "",
        "| input | part | p50 | p95 |",
        "| --- | --- | ---: | ---: |",
        *parts,
    ]
    return "\n".join(lines), all(row.ratio <= TARGET for row in rows)


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the result."""

    size: str
    tokens: str
    way: str
    bare: tuple[float, float]
    submit: tuple[float, float]

    @property
    def ratio(self) -> float:
        """What the target is about."""
        return self.submit[1] / self.bare[1]

    def markdown(self) -> str:
        """As a row of a table."""
        figures = " | ".join(f"{value:.1f}" for value in (*self.bare, *self.submit))
        verdict = "hit" if self.ratio <= TARGET else "missed"
        return f"| {self.size} | {self.tokens} | {self.way} | {figures} | {self.ratio:.2f} | {verdict} |"


@dataclasses.dataclass(frozen=True)
class Site:
    """The running site, and the same model in this process."""

    url: str
    model_url: str
    people: Mapping[str, str]
    arguments: argparse.Namespace
    environment: Mapping[str, str]
    model: LoadedModel

    def submits(self, size: str) -> Iterator[Row]:
        """A row for each way of submitting."""
        for way in WAYS:
            slug = f"{size}-{way}".lower()
            with self._writer(slug) as writer:
                submit = writer.by_api if way == "API" else writer.by_page
                times = alternate({"bare": self._bare(writer), "submit": submit}, self.arguments.requests)
            yield Row(size, self._tokens(size), way, cuts(times["bare"]), cuts(times["submit"]))

    def breakdown(self, size: str) -> Iterator[str]:
        """Table rows: parts by themselves, the product's own clock, and the same submits inside one process."""
        slug = f"{size}-in"
        with self._writer(slug) as writer, closing(ModelClient(self.model_url, timeout_s=60)) as client:

            def ask(number: int) -> Callable[[], object]:
                item = TextInput(writer.texts(number))
                return lambda: client.predict(REF, self.model.labels, [item])

            ways: dict[str, Way] = {
                "bare forward pass": self._bare(writer),
                "model server alone, over HTTP": ask,
                "web: GET /healthz": lambda _: writer.looks("/healthz"),
                "web: GET API session (who is logged in)": lambda _: writer.looks("/api/v1/session/"),
                "web: GET API assignment": lambda _: writer.looks("/api/v1/assignments/{key}/"),
            }
            for part, taken in alternate(ways, self.arguments.requests).items():
                yield part_row(size, part, taken)
        for way in WAYS:
            plan = {"study": f"{size}-{way}".lower(), "inside": slug, "username": self.people[slug], "way": way}
            counts = {"requests": self.arguments.requests, "tries": self.arguments.tries}
            told = child(self.environment, "inside", plan | counts)
            expected = WARM_UP + self.arguments.requests
            if len(told["verdicts"]) != expected:
                raise RuntimeError(f"{way}: {len(told['verdicts'])} of {expected} attempts got their verdict")
            yield part_row(size, f"{way}: the verdict, by the web process's clock", told["verdicts"][WARM_UP:])
            for part, taken in told["parts"].items():
                yield part_row(size, f"{way} without gunicorn: {part}", taken)

    def _tokens(self, size: str) -> str:
        """Mean tokens of the inputs, and where the model cuts them, how many it reads of them."""
        from modelserver.engine.encoding import TextEncoder

        inputs = [TextInput((text, f"{item}, as note 100 says.")) for text in CONTEXTS[size] for item in HYPOTHESES]
        whole, read = (
            statistics.mean(map(len, encode(inputs)))
            for encode in (TextEncoder(self.model.tokenizer_json, 100_000).encode, self.model.encode)
        )
        return f"{read:.0f}" if read == whole else f"{read:.0f} of {whole:.0f}"

    def _bare(self, writer: Writer) -> Way:
        def prepare(number: int) -> Callable[[], object]:
            item = TextInput(writer.texts(number))
            return lambda: self.model.probabilities(self.model.encode([item]))

        return prepare

    @contextmanager
    def _writer(self, slug: str) -> Iterator[Writer]:
        with closing(Browser(self.url)) as browser:
            yield Writer(browser, slug, self.people[slug], self.arguments.tries)


def part_row(size: str, part: str, taken: Sequence[float]) -> str:
    """A row of the second table."""
    p50, p95 = cuts(taken)
    return f"| {size} | {part} | {p50:.1f} | {p95:.1f} |"


def source(arguments: argparse.Namespace, folder: Path) -> Path:
    """The artifact to publish: as it is, or a copy that may read more or fewer tokens."""
    artifact: Path = arguments.model.resolve()
    if arguments.max_length is None:
        return artifact
    manifest = read_manifest(artifact)
    if manifest.encoder_ref is not None:
        raise SystemExit("--max-length needs an artifact that stands by itself")
    copy = folder / "artifact"
    shutil.copytree(artifact, copy)
    write_manifest(copy, dataclasses.replace(manifest, max_length=arguments.max_length))
    return copy


def child(environment: Mapping[str, str], step: str, plan: Mapping[str, object]) -> Any:
    """Do a step in a Django process with the site's settings."""
    return json.loads(python(environment, "-m", "benchmarks.submit_latency", f"--{step}", json.dumps(plan)))


def set_up(plan: Mapping[str, Any]) -> dict[str, str]:
    """In a Django process: a running experiment by each name, and who writes in its static arm."""
    import django

    django.setup()
    from django.contrib.auth.models import User

    from annotators.enrolment import annotator_of, plan_study
    from collection import experiments
    from collection.demo.tasks import TASKS
    from collection.enrolment import enrol
    from collection.rounds import open_round
    from collection.states import ExperimentState
    from lifecycle.moves import move
    from modelserver.models import ModelVersion

    version = ModelVersion.objects.create(
        name=REF.name, version=REF.version, manifest_sha256=plan["manifest_sha256"], labels=plan["labels"]
    )
    premise, hypothesis = TASKS["nli"]["fields"]
    fields = [premise | {"max_length": 5000}, hypothesis]
    labels = [{"name": label, "title": label, "means": label} for label in plan["labels"]]
    task = experiments.create_task("benchmark", "Benchmark", fields, labels, TASKS["nli"]["instructions"])
    people = {}
    for slug, contexts in plan["studies"].items():
        # Tries without end: how many an assignment gets is for the benchmark to say.
        settings = {"max_tries": experiments.LARGEST, "quota": 10, "lease_seconds": experiments.LARGEST}
        made = experiments.create(experiments.Plan(slug, slug, task, plan["base_model"], contexts, settings=settings))
        move(made, ExperimentState.PREPARING)
        move(made, ExperimentState.RUNNING, base_version=version)
        plan_study(made.key, [arm.slug for arm in made.arms.all()], made.seed)
        for arm in made.arms.all():
            open_round(arm, 1)
        # Blocks have the size of the number of arms, so the static arm's turn comes soon.
        while slug not in people:
            user = User.objects.create_user(uuid.uuid4().hex[:20], password=PASSWORD)
            if enrol(made, annotator_of(user)).slug == "static":
                people[slug] = user.get_username()
    return people


def inside(plan: Mapping[str, Any]) -> dict[str, Any]:
    """In a Django process: how long verdicts took in a study, and the parts of submits that never leave the process."""
    import django

    django.setup()
    from django.db import connection
    from django.test import Client

    from collection.models import Attempt
    from collection.states import AttemptState

    class InProcess(Browser):
        """Django's handler, middleware and all, called without a server."""

        client = Client(SERVER_NAME="localhost")

        def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
            kind = headers.pop("Content_Type", "")
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = self.client.generic(method, path, body, content_type=kind, headers=sent)
            if answer.status_code in (302, 303):
                return self.ask("GET", answer.headers["Location"], b"", **headers)
            return answer.status_code, answer.content

    writer = Writer(InProcess("http://localhost"), plan["inside"], plan["username"], plan["tries"])
    way = writer.by_api if plan["way"] == "API" else writer.by_page
    commit = connection.commit
    parts: dict[str, list[float]] = {"whole": [], "verdict": [], "SQL": [], "commits": [], "rest": []}
    statements = []
    for number in range(WARM_UP + plan["requests"]):
        writer.texts(number)
        whole, sql, commits = Stopwatch(), Stopwatch(), Stopwatch()
        do = whole.around(way(number))
        with (
            connection.execute_wrapper(lambda execute, *rest, sql=sql: sql.around(execute)(*rest)),
            mock.patch.object(connection, "commit", commits.around(commit)),
        ):
            do()
        if number < WARM_UP:
            continue
        verdict = Attempt.objects.values_list("latency_ms", flat=True).latest("pk")
        assert verdict is not None
        shares = (whole.ms, verdict, sql.ms, commits.ms, whole.ms - verdict - sql.ms - commits.ms)
        for part, value in zip(parts.values(), shares, strict=True):
            part.append(value)
        statements.append(sql.calls)
    named = {"SQL": f"SQL, {statistics.median(statements):.0f} statements"}
    parts = {named.get(part, part): taken for part, taken in parts.items()}
    judged = Attempt.objects.filter(assignment__experiment__slug=plan["study"], state=AttemptState.JUDGED)
    return {"verdicts": list(judged.order_by("pk").values_list("latency_ms", flat=True)), "parts": parts}


STEPS: dict[str, Callable[[Mapping[str, Any]], object]] = {"set-up": set_up, "inside": inside}


if __name__ == "__main__":
    sys.exit(main())

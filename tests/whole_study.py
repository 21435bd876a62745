"""A site with a row in every table and a file in every store, and what can be said of it after it was moved."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from annotators import membership, tokens
from annotators.enrolment import name_publicly
from annotators.ledger import credited
from annotators.models import LedgerEntry
from collection import assignment, drafts, sandbox
from collection.importing.pending import keep
from collection.models import (
    Assignment,
    DataImport,
    Example,
    Experiment,
    FilesToErase,
    ImportedVersion,
    ImportedWriter,
    ReportPart,
    Round,
    RoundScore,
    RoundZero,
    Validation,
)
from collection.reconcile import reconcile
from lifecycle.models import DoneRequest
from modelserver import registry, runs
from modelserver.datafiles import DataStore, Row
from modelserver.models import ModelVersion
from modelserver.wire import ModelRef
from tests import factories
from tests.collection import released
from tests.modelserver.plain_artifacts import plain_artifact

PAY = {"base_pay_minor": 30, "fooling_bonus_minor": 20, "validation_pay_minor": 5}
AWKWARD = "Er sagte: „Nein“ – 'ça va' 🐻 \\u0041 \u2028 end."


def make() -> Experiment:
    """The study: one round behind it in every arm, and one under way with somebody in the middle of it."""
    store = registry.data_store()
    owner = User.objects.create_user("ada", "ada@example.org", "a password for tests", first_name="Ada", is_staff=True)
    study = factories.running(
        "whole", quota=1, quorum=1, max_validations=2, rounds=3, sandbox=True, leaderboard=True, **PAY,
        test_sets=[factories.plain_set(store)], owner=owner,
    )  # fmt: skip
    _console(study, owner)
    with tempfile.TemporaryDirectory() as folder:
        plain_artifact(Path(folder) / "base")
        registry.repository().publish(Path(folder) / "base", ModelRef("base", 0))
    go_round(study)
    assert RoundScore.objects.exists()
    _work(study)
    assert released.built(study, formats=["jsonl"]).state == "done"
    ImportedWriter.objects.create(annotator=factories.person(), experiment=study, pseudonym="w1", draws={"0": "ff"})
    FilesToErase.objects.create(experiment=study, since=timezone.now())
    _brought_in(study, store)
    report = factories.report(study)
    # Keys in an order that no database would choose.
    content = {"b": [0.1, 1e-7, 2**70, -1.5], "a": {"é 🐻": None}, "aa": True}
    ReportPart.objects.create(report=report, name="fits", key="0" * 64, content=content)
    return study


def _brought_in(study: Experiment, store: DataStore) -> None:
    """What comes with imports: data that an arm starts with, an import, a version without weights."""
    file = store.put([Row("round-0:1", ("A man has a dog.", "He owns an animal."), "entailment")])
    RoundZero.objects.create(arm=study.arms.get(slug="static"), sha256=file.sha256, rows=file.rows, name="start.jsonl")
    faults = [{"file": "start.jsonl", "line": 2, "column": "label", "message": AWKWARD}]
    DataImport.objects.create(kind="round-zero", experiment=study, state="refused", size=9, faults=faults)
    elsewhere = ModelVersion.objects.create(name="elsewhere", version=0, manifest_sha256="3" * 64, labels=["a", "b"])
    ImportedVersion.objects.create(version=elsewhere)


def go_round(study: Experiment) -> None:
    """Collect what the open rounds lack, train, and open the next ones."""
    client = factories.client_that_says("entailment")
    for open_ in Round.objects.filter(arm__experiment=study, state="open").select_related("arm"):
        factories.accepted(study, open_.arm, open_.quota)
    reconcile(client, registry.data_store())
    while due := runs.due():
        for run in due:
            factories.train(run)
        reconcile(client, registry.data_store())


def go_on() -> None:
    """Use the site after it was moved: the next round is collected and trained, and paid to the cent."""
    study = Experiment.objects.get(slug="whole")
    assert Round.objects.filter(arm__experiment=study, state="open", number=2).count() == 3
    for held in Assignment.objects.filter(state="leased").select_related("annotator"):
        assignment.release(held.key, held.annotator)
    go_round(study)
    assert Round.objects.filter(arm__experiment=study, state="done", number=2).count() == 3
    accepted = Example.objects.filter(state="accepted")
    assert accepted.count() == 6
    paid = PAY["base_pay_minor"] * 6 + PAY["fooling_bonus_minor"] * accepted.filter(attempt__fooled=True).count()
    paid += PAY["validation_pay_minor"] * Validation.objects.exclude(settled_at=None).count()
    assert sum(credited(study.key).values()) == sum(LedgerEntry.objects.values_list("minor", flat=True)) == paid


def _console(study: Experiment, owner: User) -> None:
    membership.grant(study.key, owner, membership.Role.OWNER)
    membership.invite(study.key, membership.Role.ANNOTATOR, owner)
    tokens.issue(owner, "script", ["read"])
    keep(owner, io.BytesIO(b"A woman has a cat.\n"), "contexts.txt", study)
    answer = '{"z": 1, "a": 2}'
    DoneRequest.objects.create(
        user=owner, key="k", body_sha256="0" * 64, status=201, answer=answer, begun_at=timezone.now()
    )
    group, looking = Group.objects.create(name="readers"), Permission.objects.get(codename="view_experiment")
    group.permissions.add(looking)
    owner.groups.add(group)
    owner.user_permissions.add(looking)
    of_studies = ContentType.objects.get_for_model(Experiment)
    LogEntry.objects.create(user=owner, content_type=of_studies, object_id=str(study.pk), action_flag=CHANGE)


def _work(study: Experiment) -> None:
    """One text flagged, one in the making."""
    factories.written(study, "static")
    factories.voted(study, factories.member_of(study, "static"), None, reason=AWKWARD)
    ben = factories.member_of(study, "dynamic")
    User.objects.filter(pk=ben.user_id).update(email="ben@example.org", last_name="Bär")
    name_publicly(ben, "Bär")
    held = assignment.claim(study, ben)
    assignment.flag_context(held.key, ben, "This is no sentence.")
    held.refresh_from_db()
    factories.attempted(held, factories.client_that_says(held.target_label), AWKWARD)
    drafts.save_draft(held.key, ben, {"hypothesis": AWKWARD + "\nhalf do"})
    tried = {"premise": "A man has a dog.", "hypothesis": "He has a pet."}
    sandbox.try_out(study, ben, tried, factories.client_that_says("entailment"))

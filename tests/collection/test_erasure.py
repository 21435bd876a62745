"""A person who annotated is erased: nobody can tell any more who it was, and what was counted and paid stays true."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from annotators import membership, tokens
from annotators.enrolment import name_publicly
from annotators.ledger import credited
from annotators.models import Annotator, ApiToken
from collection import adjudication, assignment, drafts, erased_files, imports, reports, submission, validation
from collection.analytics.parts import afresh
from collection.analytics.quality import section as quality
from collection.analytics.sections import Options
from collection.erasure import Texts, erase
from collection.errors import Conflict, NotYours
from collection.experiments import retry_round
from collection.importing.pending import keep
from collection.models import (
    IMPORTED_RUN,
    Assignment,
    Attempt,
    DataImport,
    Example,
    Experiment,
    FilesToErase,
    PendingUpload,
    Round,
    Validation,
)
from collection.pseudonyms import people_called, pseudonym
from collection.reconcile import reconcile
from collection.study_tables import study_of
from collection.training_data import trainable_rows
from lifecycle.models import DoneRequest, StateChange
from modelserver import registry, runs
from modelserver.client import FakeModelClient, ModelServerError
from modelserver.models import TrainingRun
from tests import factories
from tests.collection import released

pytestmark = pytest.mark.django_db

PERSON = ("zoe.quill", "Zoë", "Quill", "zoe@example.org", "5f0000000000000000000a11", "Zoe the Quick")
# Each in one text of hers.
WORDS = ("marmalade", "zeppelin", "obsidian", "quicksand", "tangerine", "velvet", "walnut", "xylophone")
CLIENT = factories.client_that_says("entailment")


@pytest.fixture(autouse=True)
def _stores(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    for name in ("MODEL_REPOSITORY_URL", "TRAINING_DATA_URL", "RELEASES_URL"):
        setattr(settings, name, f"file://{tmp_path}/{name}")


@pytest.fixture
def study() -> Experiment:
    """One round of two texts an arm, paid."""
    pay = {"base_pay_minor": 30, "fooling_bonus_minor": 20, "validation_pay_minor": 5}
    return factories.running(quota=3, quorum=1, max_validations=1, rounds=2, leaderboard=True, **pay)


@pytest.fixture
def zoe(study: Experiment) -> Annotator:
    """Somebody with a name, an address, a login, who has written of all kinds: see WORDS."""
    zoe = factories.member_of(study, "dynamic")
    username, first, last, email, platform_id, public = PERSON
    User.objects.filter(pk=zoe.user_id).update(username=username, first_name=first, last_name=last, email=email)
    User.objects.filter(pk=zoe.user_id).update(password="md5$of$zoe")
    Annotator.objects.filter(pk=zoe.pk).update(platform="prolific", platform_id=platform_id)
    zoe = Annotator.objects.select_related("user").get(pk=zoe.pk)
    name_publicly(zoe, public)
    others = factories.member_of(study, "static")
    # Accepted, then flagged.
    written(study, zoe, WORDS[0])
    factories.voted(study, others, Example.objects.get().label)
    written(study, zoe, WORDS[1])
    factories.voted(study, others, None)
    # One of somebody else, on which she votes.
    other = factories.written(study, "static")
    factories.voted(study, zoe, other.label, reason=f"The {WORDS[2]} is right.")
    held = assignment.claim(study, zoe)
    assignment.flag_context(held.key, zoe, f"Has {WORDS[3]} in it.")
    held.refresh_from_db()
    factories.attempted(held, factories.client_that_says(held.target_label), f"There is {WORDS[4]}.")
    drafts.save_draft(held.key, zoe, {"hypothesis": f"Half a {WORDS[5]}"})
    return zoe


@pytest.fixture
def admin() -> User:
    """An admin of the site."""
    return User.objects.create_superuser("admin")


def written(study: Experiment, writer: Annotator, word: str) -> Example:
    held = assignment.claim(study, writer)
    stored = factories.attempted(held, factories.fooled(held), f"He has a {word}.")
    return submission.submit(held.key, writer, stored.key, submission.Explanation(f"A {word} is one.", f"{word}?"))


def everything() -> str:
    """Every value of every table, sessions opened."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        for row in model._base_manager.values():
            plain = {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
            found.append(json.dumps(plain, default=str, ensure_ascii=False))
    found += [str(session.get_decoded()) for session in Session.objects.all()]
    return "\n".join(found)


def counts(study: Experiment) -> dict[str, Any]:
    """What must be true before and after."""
    study_ = study_of(study)
    figures = study_.examples[["key", "arm", "round", "label", "fooled", "tries", "seconds", "cost"]]
    return {
        "credited": credited(study.key),
        "examples": figures[study_.examples["state"] != "pending"].to_dict("records"),
        "attempts": len(study_.attempts),
        "votes": study_.votes[["example", "label", "flagged", "cost"]].to_dict("records"),
        "people": list(study.arms.values_list("slug", "examples__annotator").order_by("examples__pk")),
    }


@pytest.mark.parametrize("texts", Texts)
def test_nothing_in_any_table_tells_who_it_was(
    study: Experiment, zoe: Annotator, texts: Texts, admin: User, tmp_path: Path
) -> None:
    owner = factories.researcher(study)
    membership.grant(study.key, zoe.user, membership.Role.ANNOTATOR)
    tokens.issue(zoe.user, f"of {PERSON[0]}", ["annotate"])
    browser = Client()
    browser.force_login(zoe.user)
    keep(zoe.user, io.BytesIO(b"zoe@example.org\n"), "zoe.quill.txt", study)
    of_user = {"user": zoe.user, "body_sha256": "0" * 64, "begun_at": timezone.now()}
    DoneRequest.objects.create(key="k", answer=f'{{"username": "{PERSON[0]}"}}', **of_user)
    LogEntry.objects.create(
        user=owner.user, content_type=ContentType.objects.get_for_model(User), object_id=str(zoe.user_id),
        object_repr=PERSON[0], action_flag=CHANGE, change_message="zoe@example.org",
    )  # fmt: skip
    former = (str(zoe.key), str(zoe.key).replace("-", ""), pseudonym(study, zoe), zoe.user.password)
    assert all(item in everything() for item in (*PERSON, former[3]))
    done = erase(zoe, texts, admin)
    left = everything()
    assert [item for item in (*PERSON, *former) if item in left] == []
    assert not [path for path in tmp_path.rglob("uploads/*") if path.is_file()]
    assert PendingUpload.objects.count() == 0
    user = User.objects.get(username=done.name)
    assert (user.is_active, user.has_usable_password(), user.memberships.count()) == (False, False, 0)
    assert browser.get("/").status_code == 302
    event = StateChange.objects.get(subject_type="annotators.annotator")
    assert (event.subject_id, event.to_state, event.actor, event.detail) == (
        zoe.pk, "erased", admin, {"texts": texts.value},
    )  # fmt: skip


@pytest.mark.parametrize("texts", Texts)
def test_counts_votes_and_pay_stay_as_they_were(study: Experiment, zoe: Annotator, texts: Texts) -> None:
    before = counts(study)
    erase(zoe, texts)
    # The slot that they held is given up, and the try in it is spent.
    assert counts(study) == before | {"attempts": before["attempts"] + 1}
    assert Assignment.objects.get(state="released").annotator_id == zoe.pk


def test_kept_texts_stay_under_a_pseudonym_that_leads_nowhere(study: Experiment, zoe: Annotator) -> None:
    former = pseudonym(study, zoe)
    erase(zoe, Texts.KEEP)
    left = everything()
    assert all(word in left for word in WORDS[:5])
    assert WORDS[5] not in left, "a draft is no data"
    zoe.refresh_from_db()
    assert pseudonym(study, zoe) != former
    assert people_called(study, former) == []
    assert people_called(study, pseudonym(study, zoe)) == [zoe.pk]
    assert not Example.objects.exclude(erased_at=None).exists()


def test_dropped_texts_are_in_no_table_any_more(study: Experiment, zoe: Annotator) -> None:
    pending = written_pending(study, zoe)
    done = erase(zoe, Texts.DROP)
    left = everything()
    assert [word for word in WORDS if word in left] == []
    assert (done.examples, done.attempts, done.reasons, done.withdrawn) == (3, 4, 2, 1)
    assert Example.objects.filter(annotator=zoe, erased_at=None).count() == 0
    pending.refresh_from_db()
    assert pending.state == "retracted"
    # The context is not hers.
    assert Attempt.objects.filter(assignment__annotator=zoe).first().texts[0] in factories.CONTEXTS  # type: ignore[union-attr]


def filled(study: Experiment, zoe: Annotator, arm: str = "dynamic") -> None:
    """Let others write what an open round lacks; her lease is given back."""
    for held in Assignment.objects.filter(annotator=zoe, state="leased"):
        assignment.release(held.key, zoe)
    factories.accepted(study, arm, 3 - Example.objects.filter(arm__slug=arm, state="accepted").count())


def written_pending(study: Experiment, zoe: Annotator) -> Example:
    held = assignment.claim(study, zoe)
    stored = factories.attempted(held, factories.fooled(held), f"He has a {WORDS[6]}.")
    return submission.submit(held.key, zoe, stored.key)


def test_the_reason_of_a_vote_that_was_taken_back_goes_too() -> None:
    study = factories.running(undo_seconds=60)
    zoe = factories.member_of(study, "static")
    factories.written(study, "static")
    lease = validation.claim_validation(study, zoe)
    validation.vote(lease.key, zoe, validation.Vote(None, f"It is a {WORDS[7]}."))
    validation.undo(lease.key, zoe)
    assert WORDS[7] in everything()
    erase(zoe, Texts.KEEP)
    assert WORDS[7] in everything()
    erase(zoe, Texts.DROP)
    assert WORDS[7] not in everything()
    assert Validation.objects.get(pk=lease.pk).state == "expired"


def test_an_event_can_have_its_words_erased_and_nothing_else_changed(study: Experiment) -> None:
    event = StateChange.objects.filter(pk=StateChange.objects.all()[0].pk)
    for change in ({"detail": {"erased": False}}, {"to_state": "x"}, {"detail": {"erased": True}, "to_state": "x"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            event.update(**change)
    assert event.update(detail={"erased": True}) == 1


def test_a_researcher_sees_that_a_text_was_erased(study: Experiment, zoe: Annotator) -> None:
    browser = Client()
    browser.force_login(factories.researcher(study).user)
    erase(zoe, Texts.DROP)
    example = Example.objects.filter(annotator=zoe)[0]
    page = browser.get(f"/studies/study/examples/{example.key}/").content.decode()
    assert "What its writer wrote was erased on" in page
    assert "(erased)" in page
    assert "(erased)" in browser.get("/studies/study/examples/").content.decode()
    told = browser.get(f"/api/v1/console/experiments/study/examples/{example.key}/").json()
    assert told["texts"][1] == ""
    assert told["erased_at"] is not None
    assert told["attempts"][0]["erased_at"] is not None


def test_nobody_decides_an_erased_text(study: Experiment, zoe: Annotator) -> None:
    erase(zoe, Texts.DROP)
    flagged = Example.objects.get(state="flagged")
    assert flagged not in adjudication.for_experts(study)
    with pytest.raises(Conflict) as refused:
        adjudication.adjudicate(study, flagged.key, factories.researcher(study).user, "accepted", "It is fine.")
    assert refused.value.code == "erased"


def test_training_data_tables_and_figures_leave_dropped_texts_out(study: Experiment, zoe: Annotator) -> None:
    filled(study, zoe)
    arm = study.arms.get(slug="dynamic")
    assert len(trainable_rows(arm, 1, registry.data_store())[0]) == 3
    erase(zoe, Texts.DROP)
    rows, _ = trainable_rows(arm, 1, registry.data_store())
    assert len(rows) == 2
    assert WORDS[0] not in str(rows)
    tables = study_of(study)
    assert (tables.examples["text"] == "").sum() == 2
    told = quality.section(tables, Options(draws=100), afresh)
    assert any("The words of 2 submitted texts were erased" in limit for limit in told.limits)


def test_a_release_made_before_is_marked_and_the_next_one_has_no_dropped_text(
    study: Experiment, zoe: Annotator
) -> None:
    filled(study, zoe)
    released.over(study)
    wanted = {"formats": ["jsonl"], "attempts": True, "states": ["accepted", "flagged"]}
    first = released.built(study, **wanted)
    assert WORDS[0] in str(released.everything(first))
    erase(zoe, Texts.DROP)
    first.refresh_from_db()
    assert first.note.startswith("made before somebody was erased")
    second = released.everything(released.built(study, **wanted))
    assert not [word for word in WORDS if word in str(second)]
    rows = [json.loads(line) for line in second["jsonl/dynamic/examples.jsonl"].splitlines()]
    assert len(rows) == 2


def test_a_report_is_made_anew(study: Experiment, zoe: Annotator) -> None:
    report = factories.report(study)
    reports.note_changes(study)
    report.refresh_from_db()
    assert report.state == "done"
    erase(zoe, Texts.KEEP)
    reports.note_changes(study)
    report.refresh_from_db()
    assert report.state == "due"


def test_an_old_token_opens_nothing(study: Experiment, zoe: Annotator, client: Client) -> None:
    _token, secret = tokens.issue(zoe.user, "mine", ["annotate"])
    header = {"Authorization": f"Bearer {secret}"}
    assert client.get("/api/v1/experiments/study/", headers=header).status_code == 200
    erase(zoe, Texts.KEEP)
    assert client.get("/api/v1/experiments/study/", headers=header).status_code == 401
    assert ApiToken.objects.count() == 0


def test_twice_is_once_and_what_was_kept_can_be_dropped_later(study: Experiment, zoe: Annotator) -> None:
    first = erase(zoe, Texts.KEEP)
    key = Annotator.objects.get(pk=zoe.pk).key
    assert erase(zoe, Texts.KEEP).name == first.name
    assert StateChange.objects.filter(to_state="erased").count() == 1
    again = erase(Annotator.objects.get(user__username=first.name), Texts.DROP)
    assert (again.name, again.examples) == (first.name, 2)
    assert erase(zoe, Texts.DROP).examples == 0
    assert StateChange.objects.filter(to_state="erased").count() == 2
    assert Annotator.objects.get(pk=zoe.pk).key == key


def test_one_that_dies_on_the_way_is_done_from_the_start(
    study: Experiment, zoe: Annotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(annotator: Annotator) -> bool:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("collection.erasure.forget_person", dies)
        with pytest.raises(RuntimeError), transaction.atomic():
            erase(zoe, Texts.DROP)
    assert WORDS[0] in everything()
    assert erase(Annotator.objects.get(user__username=PERSON[0]), Texts.DROP).examples == 2


def test_a_request_in_flight_stores_nothing_of_somebody_erased(study: Experiment, zoe: Annotator) -> None:
    held = Assignment.objects.get(annotator=zoe, state="leased")

    def erased_meanwhile(ref: object, texts: object) -> dict[str, float]:
        erase(zoe, Texts.DROP)
        return dict.fromkeys(factories.LABELS, 0.5)

    with pytest.raises(Conflict) as refused:
        factories.attempted(held, FakeModelClient(erased_meanwhile), f"There is {WORDS[7]}.")
    assert refused.value.code == "released"
    assert WORDS[7] not in everything()
    assert name_publicly(zoe, PERSON[5])
    assert PERSON[5] not in everything()


def test_a_text_that_waits_for_the_model_is_never_judged_empty(study: Experiment, zoe: Annotator) -> None:
    def away(ref: object, texts: object) -> dict[str, float]:
        raise ModelServerError("away")

    held = Assignment.objects.get(annotator=zoe, state="leased")
    waiting = factories.attempted(held, FakeModelClient(away))
    assert waiting.state == "waiting"
    erase(zoe, Texts.DROP)
    assert submission.judge_waiting(CLIENT) == 0
    waiting.refresh_from_db()
    assert (waiting.state, waiting.fooled) == ("refused", None)


def test_only_an_admin_erases_and_no_admin_or_only_owner_is_erased(study: Experiment, zoe: Annotator) -> None:
    owner = factories.researcher(study)
    with pytest.raises(NotYours):
        erase(zoe, Texts.KEEP, owner.user)
    with pytest.raises(Conflict, match="Nobody else owns study"):
        erase(owner, Texts.KEEP)
    factories.researcher(study)
    erase(owner, Texts.KEEP)
    User.objects.filter(pk=zoe.user_id).update(is_superuser=True)
    with pytest.raises(Conflict, match="admin"):
        erase(Annotator.objects.get(pk=zoe.pk), Texts.KEEP)
    assert PERSON[0] in everything()


def test_files_of_training_data_go_when_no_run_needs_them(study: Experiment, zoe: Annotator) -> None:
    store = registry.data_store()
    study.test_sets.add(factories.plain_set(store))
    for arm in ("dynamic", "static", "non-adversarial"):
        filled(study, zoe, arm)
    reconcile(CLIENT, store)
    run = TrainingRun.objects.get(key__contains=":dynamic:")
    sha256 = run.spec["data_sha256"]
    assert WORDS[0] in store.fetch(sha256).read_text()
    erase(zoe, Texts.DROP)
    erased_files.erase_files(store)
    assert WORDS[0] in store.fetch(sha256).read_text(), "the run still needs it"
    while due := runs.due():
        for item in due:
            factories.train(item)
        reconcile(CLIENT, store)
    FilesToErase.objects.update(since=timezone.now() - 2 * erased_files.SETTLED, looked_at=None)
    reconcile(CLIENT, store)
    assert not FilesToErase.objects.exists()
    kept = [path.read_text() for path in Path(store._root).rglob("*") if path.is_file()]
    assert not [text for text in kept if WORDS[0] in text]
    assert list(store._cache.glob(f"{sha256}*")) == []
    assert any("Snow falls" in text for text in kept), "test sets are nobody's"
    assert Round.objects.get(arm__slug="dynamic", number=1).trained_version.data_sha256 == sha256  # type: ignore[union-attr]
    # What another machine has copied goes before its next run.
    (store._cache / f"{sha256}.jsonl").write_text(WORDS[0])
    store.forget_removed()
    assert list(store._cache.glob(f"{sha256}*")) == []


def test_what_came_with_a_release_keeps_no_file_from_being_looked_at(study: Experiment, zoe: Annotator) -> None:
    spec = {"kind": "imported", "release": "0" * 64}
    TrainingRun.objects.create(key=f"{IMPORTED_RUN}{study.key}", study=study.key, spec=spec, state="succeeded")
    filled(study, zoe)
    erase(zoe, Texts.DROP)
    erased_files.erase_files(registry.data_store())
    assert FilesToErase.objects.get().looked_at is not None


def test_files_that_somebody_has_sent_to_be_imported_go_too(zoe: Annotator, tmp_path: Path) -> None:
    sent = DataImport.objects.create(
        user=zoe.user, kind=DataImport.Kind.TEST_SET, size=4, state="failed", ended_at=timezone.now()
    )
    filesystem, path = imports._place(sent)
    filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
    filesystem.pipe_file(path, b"rows")
    erase(zoe, Texts.KEEP)
    assert not filesystem.exists(path)
    sent.refresh_from_db()
    assert not imports.can_retry(sent)


def test_a_failed_training_is_tried_again_without_dropped_texts(study: Experiment, zoe: Annotator) -> None:
    store = registry.data_store()
    filled(study, zoe)
    reconcile(CLIENT, store)
    claimed = runs.claim(TrainingRun.objects.get(key__startswith="train:").pk)
    assert claimed is not None
    runs.fail(claimed, "broken", final=True)
    reconcile(CLIENT, store)
    erase(zoe, Texts.DROP)
    erased_files.erase_files(store)
    round_ = Round.objects.get(arm__slug="dynamic")
    retry_round(round_)
    reconcile(CLIENT, store)
    again = TrainingRun.objects.get(key__startswith="train:")
    assert (again.state, again.spec["data_rows"]) == ("queued", 2)
    assert len(store.row_ids(again.spec["data_sha256"])) == 2


def test_the_command_asks_and_takes_a_pseudonym(
    study: Experiment, zoe: Annotator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = f"{pseudonym(study, zoe)}@study"
    monkeypatch.setattr("builtins.input", lambda question: "no")
    with pytest.raises(CommandError, match="nothing was erased"):
        call_command("erase_annotator", named, "--texts", "drop")
    for unknown in ("nobody", "0123456789@study", f"{pseudonym(study, zoe)}@other"):
        with pytest.raises(CommandError, match="annotator: Nobody"):
            call_command("erase_annotator", unknown, "--texts", "keep", "--yes")
    assert PERSON[0] in everything()
    call_command("erase_annotator", named, "--texts", "drop", "--yes")
    assert "what is left is erased-" in capsys.readouterr().out
    assert PERSON[0] not in everything()


def test_a_pseudonym_that_two_share_names_nobody(
    study: Experiment, zoe: Annotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collection.erasure.people_called", lambda experiment, name: [1, 2])
    with pytest.raises(CommandError, match="Several people"):
        call_command("erase_annotator", "0123456789@study", "--texts", "keep", "--yes")

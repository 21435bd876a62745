"""The admin is for looking."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from tests import factories

OURS = [model for model in admin.site._registry if model.__module__.split(".")[0] != "django"]


@pytest.mark.django_db
@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_model_can_be_looked_at_and_not_changed(model: type) -> None:
    experiment = factories.running(quorum=1, max_validations=1, base_pay_minor=1)
    factories.accepted(experiment, "dynamic", 1)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"  # type: ignore[attr-defined]
    assert client.get(path).status_code == 200
    assert client.post(f"{path}add/").status_code == 403
    row = model._default_manager.first()  # type: ignore[attr-defined]
    if row is not None:
        assert client.get(f"{path}{row.pk}/change/").status_code == 200
        assert client.post(f"{path}{row.pk}/change/", {"state": "done"}).status_code == 403
        assert client.post(f"{path}{row.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.django_db
def test_annotators_have_no_admin() -> None:
    client = Client()
    client.force_login(factories.person().user)
    assert client.get("/admin/").status_code == 302

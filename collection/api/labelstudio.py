"""Label Studio's ML backend contract over any model version of an experiment, so that a project can use it.

The backend's URL is ``/api/v1/labelstudio/{experiment}/{name}/{version}``; its password is a token with scope ``read``.
Nothing that Label Studio names is ever called or kept: neither its host nor its access token.
Source of the contract: the server of the label-studio-ml package, ``/health``, ``/setup``, ``/predict``, ``/webhook``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from xml.etree import ElementTree

from django.contrib.auth.models import AbstractBaseUser
from rest_framework.authentication import SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from annotators.models import ApiToken
from annotators.tokens import token_of
from collection.api.authentication import BearerAuthentication, Scope
from collection.api.console.base import ConsoleView
from collection.errors import Invalid
from collection.schema import TaskSchema
from collection.texts import check_text
from collection.versions import check_weights, one_of, predict
from modelserver import registry
from modelserver.models import ModelVersion
from modelserver.wire import MAX_TEXT_CHARACTERS, TextInput

MOST_TASKS = 500
LONGEST_CONFIG = 100_000


class TokenAsPassword(BearerAuthentication):
    """Basic authentication as Label Studio sends it: any user name, a token as the password."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, ApiToken] | None:
        """The token's user and the token; None where there is no such header."""
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"basic":
            return super().authenticate(request)
        try:
            _user, _, password = base64.b64decode(words[1], validate=True).decode("utf-8").partition(":")
        except (IndexError, binascii.Error, UnicodeDecodeError):
            password = ""
        token = token_of(password)
        if token is None:
            raise AuthenticationFailed("The password is not a valid token: it may have expired or been revoked.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Basic realm="Whetstone"'


class BackendView(ConsoleView):
    """One version of an experiment, as a backend."""

    authentication_classes = (TokenAsPassword, SessionAuthentication)
    scopes = (Scope.READ, Scope.READ)
    # The contract is Label Studio's, not ours to describe.
    schema = None

    def version(self, slug: str, name: str, version: int) -> tuple[TaskSchema, ModelVersion]:
        """The task's schema and the version. Raises NotYours, and Conflict for one without weights."""
        experiment = self.experiment(slug)
        found = one_of(experiment, name, version)
        check_weights(found)
        return experiment.task.schema, found


class HealthView(BackendView):
    """Whether it would answer."""

    def get(self, request: Request, slug: str, name: str, version: int) -> Response:
        """UP, or why not."""
        _schema, chosen = self.version(slug, name, version)
        if not registry.model_client().is_ready():
            return Response({"status": "DOWN", "model_class": str(chosen)}, status=503)
        return Response({"status": "UP", "model_class": str(chosen)})


class SetupView(BackendView):
    """Label Studio introduces a project."""

    def post(self, request: Request, slug: str, name: str, version: int) -> Response:
        """The version's name, if the project's configuration can be answered."""
        _schema, chosen = self.version(slug, name, version)
        body = _object(request.data)
        if body.get("schema"):
            _names(body["schema"])
        return Response({"model_version": str(chosen)})


class PredictView(BackendView):
    """Predictions for tasks."""

    def post(self, request: Request, slug: str, name: str, version: int) -> Response:
        """A choice with its score for each task, in order."""
        schema, chosen = self.version(slug, name, version)
        body = _object(request.data)
        tasks = body.get("tasks")
        if not isinstance(tasks, list) or not 1 <= len(tasks) <= MOST_TASKS:
            raise Invalid("tasks", f"Must be a list of 1 to {MOST_TASKS} tasks.")
        control, target, choices = _names(body["label_config"]) if body.get("label_config") else ("label", "text", [])
        inputs = [_input(index, item, schema) for index, item in enumerate(tasks)]
        found = predict(chosen, inputs, "tasks", registry.model_client())
        titles = {label.name: label.title for label in schema.labels}
        results = []
        for prediction in found:
            known = (prediction.label, titles.get(prediction.label, ""))
            choice = next((value for value in choices if value.casefold() in [k.casefold() for k in known]), known[0])
            region = {"from_name": control, "to_name": target, "type": "choices", "value": {"choices": [choice]}}
            score = prediction.probabilities[prediction.label]
            results.append({"result": [region], "score": score, "model_version": str(chosen)})
        return Response({"results": results, "model_version": str(chosen)})


class WebhookView(BackendView):
    """Label Studio's events, of which none is needed: versions are trained by rounds."""

    def post(self, request: Request, slug: str, name: str, version: int) -> Response:
        """Taken note of, and nothing done."""
        self.version(slug, name, version)
        _object(request.data)
        return Response({"status": "ok", "result": "nothing to do"})


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Invalid("body", "Must be a JSON object.")
    return body


def _input(index: int, item: Any, schema: TaskSchema) -> TextInput:
    data = item.get("data") if isinstance(item, dict) else None
    if not isinstance(data, dict):
        raise Invalid(f"tasks[{index}].data", "Must be an object.")
    return TextInput(
        tuple(
            check_text(f"tasks[{index}].data.{field.name}", data.get(field.name), max_length=MAX_TEXT_CHARACTERS,
                       as_found=True)
            for field in schema.fields
        )
    )  # fmt: skip


def _names(config: Any) -> tuple[str, str, list[str]]:
    """The names of the first choices of a labeling configuration, of what they are about, and their values."""
    # No entities and no document type: they are what makes XML dangerous, and a configuration has none.
    if not isinstance(config, str) or len(config) > LONGEST_CONFIG or "<!" in config:
        raise Invalid("label_config", "Must be a labeling configuration.")
    try:
        root = ElementTree.fromstring(config)  # noqa: S314
    except (ElementTree.ParseError, ValueError):
        raise Invalid("label_config", "Must be a labeling configuration.") from None
    choices = next(root.iter("Choices"), None)
    if choices is None:
        raise Invalid("label_config", "Has no <Choices>: a version answers with one.")
    values = [item.get("value", "") for item in choices.iter("Choice")]
    return choices.get("name", "label"), choices.get("toName", "text"), values

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from collection.pages import (
    examples,
    experts,
    login,
    members,
    mine,
    overview,
    plans,
    steer,
    studysettings,
    validating,
    writing,
)

urlpatterns = [
    path("login/", login.KeepingLoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", include("django.conf.urls.i18n")),
    path("", mine.home, name="home"),
    path("join/<str:secret>/", members.invitation, name="invitation"),
    path("account/tokens/", members.own_tokens, name="tokens"),
    path("new/", plans.new, name="new"),
    path("studies/<slug:slug>/members/", members.members, name="members"),
    path("studies/<slug:slug>/", overview.live, name="live"),
    path("studies/<slug:slug>/settings/", studysettings.settings, name="settings"),
    path("studies/<slug:slug>/steer/", steer.steer, name="steer"),
    path("studies/<slug:slug>/examples/", examples.examples, name="examples"),
    path("studies/<slug:slug>/examples/<uuid:key>/", examples.example, name="example"),
    path("studies/<slug:slug>/experts/", experts.experts, name="experts"),
    path("studies/<slug:slug>/join/", mine.join, name="join"),
    path("studies/<slug:slug>/write/", writing.write, name="write"),
    path("studies/<slug:slug>/draft/", writing.draft, name="draft"),
    path("studies/<slug:slug>/validate/", validating.validate, name="validate"),
    path("studies/<slug:slug>/mine/", mine.mine, name="mine"),
    path("studies/<slug:slug>/leaders/", mine.leaders, name="leaders"),
    path("studies/<slug:slug>/practice/", mine.practice, name="practice"),
]

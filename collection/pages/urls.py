from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from collection.pages import annotate, overview

urlpatterns = [
    path("login/", LoginView.as_view(template_name="collection/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("", overview.home, name="home"),
    path("studies/<slug:slug>/join/", overview.join, name="join"),
    path("studies/<slug:slug>/", overview.live, name="live"),
    path("studies/<slug:slug>/act/", overview.act, name="act"),
    path("studies/<slug:slug>/write/", annotate.write, name="write"),
    path("studies/<slug:slug>/validate/", annotate.validate, name="validate"),
]

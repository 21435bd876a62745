from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from collection.pages import (
    contexts,
    examples,
    experts,
    login,
    members,
    mine,
    overview,
    plans,
    report,
    tasks,
    test_sets,
    validating,
    versions,
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
    path("tasks/", tasks.tasks, name="tasks"),
    path("test-sets/", test_sets.test_sets, name="test_sets"),
    path("test-sets/<uuid:key>/", test_sets.upload, name="test_set_upload"),
    path("studies/<slug:slug>/members/", members.members, name="members"),
    path("studies/<slug:slug>/", overview.live, name="live"),
    path("studies/<slug:slug>/act/", overview.act, name="act"),
    path("studies/<slug:slug>/examples/", examples.examples, name="examples"),
    path("studies/<slug:slug>/examples/<uuid:key>/", examples.example, name="example"),
    path("studies/<slug:slug>/contexts/", contexts.contexts, name="contexts"),
    path("studies/<slug:slug>/contexts/<uuid:key>/", contexts.upload, name="context_upload"),
    path("studies/<slug:slug>/experts/", experts.experts, name="experts"),
    path("studies/<slug:slug>/report/", report.report, name="report"),
    path("studies/<slug:slug>/report/print/", report.printed, name="report-print"),
    path("studies/<slug:slug>/report/pdf/", report.pdf, name="report-pdf"),
    path("studies/<slug:slug>/report/<slug:section>/", report.report, name="report-section"),
    path("studies/<slug:slug>/report/<slug:section>/<slug:chart>.svg", report.svg, name="report-svg"),
    path("studies/<slug:slug>/report/<slug:section>/<slug:chart>.png", report.png, name="report-png"),
    path("studies/<slug:slug>/report/<slug:section>/<slug:table>.csv", report.table, name="report-csv"),
    path("studies/<slug:slug>/versions/", versions.versions, name="versions"),
    path("studies/<slug:slug>/versions/compare/", versions.compare, name="compare"),
    path("studies/<slug:slug>/versions/<slug:name>/<int:version>/", versions.version, name="version"),
    path(
        "studies/<slug:slug>/versions/<slug:name>/<int:version>/download/", versions.download, name="version-download"
    ),
    path("studies/<slug:slug>/join/", mine.join, name="join"),
    path("studies/<slug:slug>/write/", writing.write, name="write"),
    path("studies/<slug:slug>/draft/", writing.draft, name="draft"),
    path("studies/<slug:slug>/validate/", validating.validate, name="validate"),
    path("studies/<slug:slug>/mine/", mine.mine, name="mine"),
    path("studies/<slug:slug>/leaders/", mine.leaders, name="leaders"),
    path("studies/<slug:slug>/practice/", mine.practice, name="practice"),
]

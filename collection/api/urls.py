from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from collection.api import labelstudio, session, views
from collection.api.console import data, experiments, imports, library, people, power, report, steering, versions

one_experiment = [
    path("", experiments.ExperimentView.as_view()),
    path("settings/", steering.ChangeView.as_view()),
    path("copy/", steering.CopyView.as_view()),
    path("rounds/<slug:arm>/<int:number>/extend/", steering.ExtendView.as_view()),
    path("rounds/<slug:arm>/<int:number>/close/", steering.CloseView.as_view()),
    path("launch/", experiments.LaunchView.as_view()),
    path("pause/", experiments.PauseView.as_view()),
    path("resume/", experiments.ResumeView.as_view()),
    path("end/", experiments.EndView.as_view()),
    path("rounds/", experiments.RoundsView.as_view()),
    path("rounds/<slug:arm>/<int:number>/retry/", experiments.RetryView.as_view()),
    path("actions/", steering.ActionsView.as_view()),
    path("health/", experiments.HealthView.as_view()),
    path("events/", experiments.EventsView.as_view()),
    path("round-zero/", imports.RoundZeroView.as_view()),
    path("contexts/", data.ContextsView.as_view()),
    path("examples/", data.ExamplesView.as_view()),
    path("examples/<uuid:key>/", data.ExampleDetailView.as_view()),
    path("examples/<uuid:key>/decision/", data.DecisionView.as_view()),
    path("versions/", versions.VersionsView.as_view()),
    path("versions/<slug:name>/<int:version>/", versions.VersionView.as_view()),
    path("versions/<slug:name>/<int:version>/predict/", versions.PredictView.as_view()),
    path("report/", report.ReportView.as_view()),
    path("report/<slug:section>/", report.ReportSectionView.as_view()),
    path("versions/<slug:name>/<int:version>/download/", versions.DownloadView.as_view()),
    path("members/", people.MembersView.as_view()),
    path("members/<str:username>/", people.MemberView.as_view()),
    path("invitations/", people.InvitationsView.as_view()),
    path("invitations/<uuid:key>/", people.InvitationView.as_view()),
]

backend = [
    path("health", labelstudio.HealthView.as_view()),
    path("setup", labelstudio.SetupView.as_view()),
    path("predict", labelstudio.PredictView.as_view()),
    path("webhook", labelstudio.WebhookView.as_view()),
]

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("session/", session.SessionView.as_view()),
    path("tokens/", people.TokensView.as_view()),
    path("tokens/<uuid:key>/", people.TokenView.as_view()),
    path("invitations/accept/", people.AcceptView.as_view()),
    path("experiments/<slug:slug>/", views.ExperimentView.as_view()),
    path("experiments/<slug:slug>/enrolment/", views.EnrolmentView.as_view()),
    path("experiments/<slug:slug>/assignments/", views.AssignmentsView.as_view()),
    path("experiments/<slug:slug>/validations/", views.ValidationsView.as_view()),
    path("assignments/<uuid:key>/", views.AssignmentView.as_view()),
    path("assignments/<uuid:key>/skip/", views.SkipView.as_view()),
    path("assignments/<uuid:key>/flag/", views.FlagView.as_view()),
    path("assignments/<uuid:key>/attempts/", views.AttemptsView.as_view()),
    path("assignments/<uuid:key>/example/", views.ExampleView.as_view()),
    path("examples/<uuid:key>/", views.OwnExampleView.as_view()),
    path("validations/<uuid:key>/vote/", views.VoteView.as_view()),
    path("console/tasks/", library.TasksView.as_view()),
    path("console/tasks/<slug:slug>/", library.TaskView.as_view()),
    path("console/test-sets/", library.TestSetsView.as_view()),
    path("console/test-sets/upload/", data.TestSetUploadView.as_view()),
    path("console/imports/", imports.ImportsView.as_view(), name="api-imports"),
    path("console/imports/<uuid:key>/", imports.ImportView.as_view()),
    path("console/power/", power.PowerView.as_view()),
    path("console/experiments/check/", steering.CheckView.as_view()),
    path("console/experiments/", experiments.ExperimentsView.as_view()),
    path("console/experiments/<slug:slug>/", include(one_experiment)),
    path("labelstudio/<slug:slug>/<slug:name>/<int:version>/", include(backend)),
    path("<path:rest>", views.NothingHere.as_view()),
]

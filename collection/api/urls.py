from __future__ import annotations

from django.urls import path

from collection.api import session, views

urlpatterns = [
    path("session/", session.SessionView.as_view()),
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
]

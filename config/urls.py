from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

handler400 = "collection.pages.login.bad_request"
urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("collection.api.urls")),
    path("", include("collection.pages.urls")),
]

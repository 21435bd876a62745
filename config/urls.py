from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from collection.pages.login import from_admin

handler400 = "collection.pages.login.bad_request"
urlpatterns = [
    path("admin/login/", from_admin),
    path("admin/", admin.site.urls),
    path("api/v1/", include("collection.api.urls")),
    path("", include("collection.pages.urls")),
]

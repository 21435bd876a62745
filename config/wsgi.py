from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
# All pages, so that nobody's first request waits for them. What is there from the start stays to the end: looking
# through it for cycles again and again took up to 200 ms of a request.
get_resolver().url_patterns  # noqa: B018
gc.collect()
gc.freeze()
# A page of a large report makes some 60,000 things that are gone with the answer. At Python's 700 their number alone
# makes it look through all of them again and again, for cycles that are hardly there.
gc.set_threshold(100_000, 20, 10)

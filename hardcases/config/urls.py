"""Every address of the product. Rooms bring their own; this page only says where each hangs."""

from collections.abc import Sequence

from django.urls import URLPattern, URLResolver, include, path
from django.urls.resolvers import RoutePattern

from evaluation.registry import urls as registry
from evaluation.releases import urls as releases
from evaluation.runs import urls as runs
from hardcases.cases import urls as cases
from hardcases.config import health, schema
from hardcases.config import pages as several
from hardcases.groups import urls as groups
from hardcases.labels import urls as labels
from hardcases.projects import urls as projects
from hardcases.repairs import urls as repairs
from hardcases.sampling import urls as sampling
from hardcases.testsets import urls as testsets
from hardcases.transfers import urls as transfers
from hardcases.uploads import urls as uploads


def slash_optional(patterns: Sequence[URLPattern]) -> list[URLPattern]:
    """Each pattern and, unnamed, its twin without the trailing slash: clients forget it, and a redirect would drop the body of a POST."""
    twins = [
        URLPattern(RoutePattern(str(pattern.pattern).removesuffix("/"), is_endpoint=True), pattern.callback, pattern.default_args)
        for pattern in patterns
        if str(pattern.pattern).endswith("/")
    ]
    return [*patterns, *twins]


api = [
    *projects.api,
    *sampling.api,
    *cases.api,
    *groups.api,
    *repairs.api,
    *uploads.api,
    *labels.api,
    *testsets.api,
    *transfers.api,
    *registry.api,
    *runs.api,
    *releases.api,
]
pages = [
    *projects.pages,
    *sampling.pages,
    *several.pages,
    *cases.pages,
    *groups.pages,
    *repairs.pages,
    *labels.pages,
    *testsets.pages,
    *transfers.pages,
    *registry.pages,
    *runs.pages,
    *releases.pages,
]
served = [
    path("api/schema/", schema.Schema.as_view(), name="api-schema"),
    path("api/docs/", schema.Docs.as_view(), name="api-docs"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(slash_optional(api))),
    *slash_optional(served),
    *slash_optional(
        [
            path("healthz/", health.healthz, name="healthz"),
            path("readyz/", health.readyz, name="readyz"),
            path("metrics/", health.metrics, name="metrics"),
        ]
    ),
    *pages,
]

handler400 = "hardcases.web.problems.bad_request"
handler403 = "hardcases.web.problems.permission_denied"
handler404 = "hardcases.web.problems.page_not_found"
handler429 = "hardcases.projects.entrance.too_many"
handler500 = "hardcases.web.problems.server_error"

"""A person at the browser. Every page they look at must be reachable for all, silent in the console, within its policy, and fit a telephone."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Response, ViewportSize

from hardcases.projects.models import Project, User

DESK, TELEPHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
QUIETLY = {"resultTypes": ["violations"], "preload": False}  # axe would write styles into the page, against the policy that is watched
_LISTEN = """
window.policyViolations = [];
document.addEventListener("securitypolicyviolation", (event) => window.policyViolations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
_TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Visitor:
    """One browser window at a running server; `look()` after each page that opened."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base = base
        self.context = context
        self.complaints: list[str] = []
        self._refused: set[str] = set()
        context.add_init_script(_LISTEN)
        self.page: Page = context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error in a script: {error}"))
        self.page.on("response", self._response)

    def sign_in(self, user: User) -> None:
        """Take the session over; the sign-in page has its own journey."""
        client = Client()
        client.force_login(user)
        self.context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": self.base}])

    def open(self, project: Project, path: str) -> Page:
        """Go to a page of the project and look at it."""
        self.page.goto(f"{self.base}/p/{project.slug}/{path}")
        self.look()
        return self.page

    def look(self) -> None:
        """Fail on anything that is wrong with the page as it stands."""
        self.page.wait_for_load_state()
        found = list(self.complaints)
        found += [f"axe: {violation['id']}: {violation['nodes'][0]['html'][:200]}" for violation in self._axe()]
        found += [f"against the policy: {violation}" for violation in self.page.evaluate("() => window.policyViolations")]
        self.page.set_viewport_size(TELEPHONE)
        wide = self.page.evaluate(_TOO_WIDE)
        self.page.set_viewport_size(DESK)
        if wide > 0:
            found.append(f"{wide} px too wide for a telephone")
        assert not found, f"{self.page.url}: " + "; ".join(found)

    def _axe(self) -> list[dict[str, Any]]:
        violations: list[dict[str, Any]] = Axe().run(self.page, options=QUIETLY).response["violations"]
        return violations

    def _response(self, response: Response) -> None:
        # A page that says no is a page like any other; a part of a page that is missing is a fault.
        if response.status >= 400 and response.request.is_navigation_request():
            self._refused.add(response.url)

    def _console(self, message: ConsoleMessage) -> None:
        refusal = message.text.startswith("Failed to load resource") and message.location.get("url") in self._refused
        if message.type == "error" and not refusal:
            self.complaints.append(f"console: {message.text}")

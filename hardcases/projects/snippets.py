"""How to send a case, ready to copy, in the languages that services are written in. Every text runs as it stands; a test runs them."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from hardcases.projects.documents import ProjectDocument

NO_TOKEN = "hc_…"  # noqa: S105 - stands where a token would
REASON = "user_disagreed"


@dataclass(frozen=True)
class Snippet:
    """One tab: `code` is part of the page's address, `note` says when it is the right one."""

    code: str
    label: str
    text: str
    note: str


@dataclass(frozen=True)
class Place:
    """Where the cases go."""

    address: str
    project: str
    token: str | None

    @property
    def url(self) -> str:
        """Of the call that takes cases."""
        return f"{self.address}/api/v1/projects/{self.project}/cases/"

    @property
    def secret(self) -> str:
        """The token, or what stands for it."""
        return self.token or NO_TOKEN


def snippets(place: Place, document: ProjectDocument) -> list[Snippet]:
    """All tabs, in the order in which they are shown."""
    case = example(document)
    return [
        Snippet("curl", "curl", _curl(place, case), _("From any shell. The key makes repeating it harmless.")),
        Snippet("python", "Python", _python(place, case), _("For a service: the call comes back at once and never raises.")),
        Snippet("node", "Node", _node(place, case), _("Node 18 or newer, without a package.")),
        Snippet("java", "Java", _java(place, case), _("Java 11 or newer, without a library: java Send.java")),
        Snippet(
            "cli",
            "CLI",
            _cli(place, case),
            _("A folder that is there already. Sends what the server lacks; can be interrupted and repeated."),
        ),
        Snippet("folder", _("folder"), _folder(place, case), _("A folder, with nothing installed.")),
    ]


def example(document: ProjectDocument) -> dict[str, Any]:
    """The fields of a case as this project would take them."""
    case: dict[str, Any] = {"reason": REASON}
    label = document.positive_class or next(iter(document.classes), None)
    if document.task == "regression":
        case["prediction"] = {"value": 0.5}
    elif label is not None:
        case["prediction"] = {
            "classification": {"label": label},
            "multilabel": {"labels": [label]},
            "detection": {"boxes": [{"x": 4, "y": 4, "width": 8, "height": 8, "label": label, "score": 0.5}]},
        }[document.task]
    name = next((spec.name for spec in document.attributes if spec.type == "category" and not spec.values), None)
    if name is not None:
        case["attributes"] = {name: "…"}
    return case


def _form(case: dict[str, Any]) -> str:
    return shlex.quote(f"case={json.dumps(case, ensure_ascii=False)}")


def _curl(place: Place, case: dict[str, Any]) -> str:
    return f"""curl -sS -m 10 --retry 5 --retry-all-errors \\
  -H "Authorization: Bearer {place.secret}" \\
  -H "Idempotency-Key: $(sha256sum picture.png | cut -c1-64)" \\
  -F file=@picture.png \\
  -F {_form(case)} \\
  {shlex.quote(place.url)}"""


def _python(place: Place, case: dict[str, Any]) -> str:
    said = "".join(f",\n    {name}={value!r}" for name, value in case.items())
    return f"""from pathlib import Path

from hardcases.client import Client

# Once, when the service starts.
client = Client({place.address!r}, token={place.secret!r}, project={place.project!r})

# Wherever a prediction turns out wrong.
client.report(
    file=Path("picture.png"){said},
)

# Only where a script ends: a service goes on, and its spool is sent in the background.
client.reporter.flush()"""


def _node(place: Place, case: dict[str, Any]) -> str:
    return f"""import {{ readFile }} from "node:fs/promises";

const form = new FormData();
form.append("case", JSON.stringify({json.dumps(case, ensure_ascii=False)}));
form.append("file", new Blob([await readFile("picture.png")]), "picture.png");
const answer = await fetch({json.dumps(place.url)}, {{
  method: "POST",
  headers: {{ Authorization: {json.dumps(f"Bearer {place.secret}", ensure_ascii=False)} }},
  body: form,
  signal: AbortSignal.timeout(10_000),
}});
console.log(answer.status, await answer.text());"""


def _java(place: Place, case: dict[str, Any]) -> str:
    said = json.dumps(json.dumps(case))  # a JSON string is a Java string too
    return f"""import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.*;
import java.nio.file.*;
import java.time.Duration;

public class Send {{
  public static void main(String[] arguments) throws Exception {{
    String line = "--hardcases" + System.nanoTime();
    String part = "\\r\\nContent-Disposition: form-data; name=";
    var body = new ByteArrayOutputStream();
    body.write((line + part + "\\"case\\"\\r\\n\\r\\n").getBytes("UTF-8"));
    body.write({said}.getBytes("UTF-8"));
    body.write(("\\r\\n" + line + part + "\\"file\\"; filename=\\"picture.png\\"\\r\\n\\r\\n").getBytes("UTF-8"));
    body.write(Files.readAllBytes(Path.of("picture.png")));
    body.write(("\\r\\n" + line + "--\\r\\n").getBytes("UTF-8"));
    var request = HttpRequest.newBuilder(URI.create({json.dumps(place.url)}))
        .timeout(Duration.ofSeconds(10))
        .header("Authorization", {json.dumps(f"Bearer {place.secret}", ensure_ascii=False)})
        .header("Content-Type", "multipart/form-data; boundary=" + line.substring(2))
        .POST(HttpRequest.BodyPublishers.ofByteArray(body.toByteArray()))
        .build();
    var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    System.out.println(answer.statusCode() + " " + answer.body());
  }}
}}"""


def _cli(place: Place, case: dict[str, Any]) -> str:
    meta = "".join(f" --meta {shlex.quote(f'{name}={value}')}" for name, value in case.get("attributes", {}).items())
    return f"""export HARDCASES_URL={shlex.quote(place.address)}
export HARDCASES_PROJECT={place.project}
export HARDCASES_TOKEN={place.secret}
hardcases upload failures/ --reason {REASON}{meta}"""


def _folder(place: Place, case: dict[str, Any]) -> str:
    return f"""for file in failures/*; do
  curl -sS -m 60 --retry 5 --retry-all-errors \\
    -H "Authorization: Bearer {place.secret}" \\
    -H "Idempotency-Key: $(sha256sum "$file" | cut -c1-64)" \\
    -F "file=@$file" \\
    -F {_form(case)} \\
    {shlex.quote(place.url)}
  echo
done"""


def redaction() -> str:
    """The hook that keeps back what must not leave the service."""
    return """from dataclasses import replace

def without_names(item):
    # Runs before anything is written or sent. Return None to keep the case back.
    fields = {name: value for name, value in item.fields.items() if name != "source"}
    return replace(item, file_name="picture.png", fields=fields)

client = Client(redact=without_names)"""

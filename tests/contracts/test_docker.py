"""No image is built in the test run, so what can be known without one is checked: every copied path exists, every setting is one the server knows."""

import re
from pathlib import Path

import yaml

from hardcases.config import env

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}
BUILT = {"/build/hardcases/static/hardcases/js/"}


def test_copied_paths_exist() -> None:
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if not line.startswith("COPY"):
            continue
        *sources, _ = [word for word in line.split()[1:] if not word.startswith("--")]
        for source in sources:
            assert source in BUILT or (ROOT / source).exists(), f"{line}: {source} is not in the repository"


def test_services_set_only_known_settings() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    for name in ("migrate", "web", "worker", "beat"):
        unknown = set(compose["services"][name]["environment"]) - env.KNOWN - ELSEWHERE
        assert unknown == set(), f"{name}: {unknown}"


def test_every_variable_has_its_line_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    given = {
        line.split("=")[0]
        for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
        if "=" in line and not line.startswith("#")
    }
    assert wanted <= given, wanted - given


def test_commands_exist() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    for service in compose["services"].values():
        command = service.get("command", [])
        if command[:2] == ["python", "manage.py"]:
            homes = [ROOT / app / "management" / "commands" / f"{command[2]}.py" for app in ("hardcases", "evaluation")]
            assert any(path.exists() for path in homes), command

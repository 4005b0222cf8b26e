"""Budgets: rooms stay small. The limits are the tails of the best Django codebases."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _tracked(*patterns: str) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in names.stdout.splitlines() if (ROOT / name).exists()]


def _product() -> list[Path]:
    return [path for path in _tracked("hardcases/*.py", "evaluation/*.py") if "migrations" not in path.parts]


def _share_within(sizes: list[int], limit: int) -> float:
    return sum(size <= limit for size in sizes) / len(sizes)


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_functions_stay_short() -> None:
    sizes = {}
    for path in _product():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                sizes[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = (node.end_lineno or node.lineno) - node.lineno + 1
    assert {name: size for name, size in sizes.items() if size > 60} == {}
    assert _share_within(list(sizes.values()), 40) >= 0.95


def test_files_stay_short() -> None:
    sizes = {
        str(path.relative_to(ROOT)): _lines(path)
        for path in [*_product(), *_tracked("tests/*.py", "benchmarks/*.py", "hardcases/frontend/src/*.ts")]
    }
    assert {name: size for name, size in sizes.items() if size > 400} == {}
    assert _share_within(list(sizes.values()), 300) >= 0.95


def test_templates_stay_short() -> None:
    sizes = {str(path.relative_to(ROOT)): _lines(path) for path in _tracked("templates/*.html")}
    assert {name: size for name, size in sizes.items() if size > 120} == {}
    assert _share_within(list(sizes.values()), 80) >= 0.95


def test_every_argument_is_typed() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{node.lineno} {argument.arg}"
        for path in _product()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if argument.annotation is None and argument.arg not in {"self", "cls"}
    ]
    assert bare == []


def test_no_signals_and_no_save_overrides() -> None:
    for path in _product():
        text = path.read_text(encoding="utf-8")
        assert "django.dispatch" not in text, path
        assert "signals import" not in text or "django.test" in text, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and path.name == "models.py":
                assert not any(isinstance(item, ast.FunctionDef) and item.name == "save" for item in node.body), f"{path} {node.name}.save"

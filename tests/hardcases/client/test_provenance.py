"""Provenance is captured without asking and without ever failing."""

import json
import subprocess

import pytest

from hardcases.client import provenance


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        subprocess.run(
            ["git", "-C", tmp_path, "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments], check=True, capture_output=True
        )

    git("init", "-q")
    (tmp_path / "train.py").write_text("lr = 1\n")
    git("add", ".")
    git("commit", "-qm", "first")
    git("remote", "add", "origin", "https://me:s3cret@git.example.org/team/net.git?token=s3cret")
    return tmp_path


class CodeTests:
    def test_a_clean_folder_has_a_commit_and_no_patch(self, repository):
        code = provenance.capture(repository)["code"]
        assert len(code.pop("commit")) == 40
        assert code == {"repository": "https://git.example.org/team/net.git"}

    def test_a_change_has_a_digest_of_its_own_and_undoing_it_none(self, repository):
        digests = set()
        for content in ("lr = 2\n", "lr = 3\n"):
            (repository / "train.py").write_text(content)
            digests.add(provenance.capture(repository)["code"]["dirty_patch_sha256"])
        assert len(digests) == 2
        (repository / "train.py").write_text("lr = 1\n")
        assert "dirty_patch_sha256" not in provenance.capture(repository)["code"]

    def test_untracked_files_count_by_name_and_content(self, repository):
        digests = set()
        for name, content in (("a.py", "1"), ("a.py", "2"), ("b.py", "2")):
            (repository / name).write_text(content)
            digests.add(provenance.capture(repository)["code"]["untracked_sha256"])
            (repository / name).unlink()
        assert len(digests) == 3

    def test_a_folder_outside_git_is_said_and_the_rest_is_there(self, tmp_path, monkeypatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        found = provenance.capture(tmp_path)
        assert found["code"] == {}
        assert "not a git repository" in found["absent"]["code.commit"]
        assert found["platform"]["python"]

    def test_without_git_and_tools_it_still_answers(self, tmp_path, monkeypatch):
        monkeypatch.setattr(provenance.shutil, "which", lambda _: None)
        found = provenance.capture(tmp_path)
        assert found["absent"]["code.commit"] == "git is not installed"
        assert found["absent"]["hardware.gpus"] == "nvidia-smi is not installed"
        json.dumps(found)

    def test_heavy_untracked_files_are_not_read(self, repository, monkeypatch):
        monkeypatch.setattr(provenance, "MAX_UNTRACKED_BYTES", 2)
        (repository / "data.bin").write_bytes(b"123")
        assert "256 MB" in provenance.capture(repository)["absent"]["code.untracked_sha256"]


@pytest.mark.parametrize(
    ("remote", "clean"),
    [
        ("https://user:pass@host/x.git", "https://host/x.git"),
        ("https://token@host:8443/x.git#f", "https://host:8443/x.git"),
        ("ssh://git@host/x.git", "ssh://host/x.git"),
        ("git@host:team/x.git", "git@host:team/x.git"),
        ("https://a@b:c@host/x", "https://host/x"),
    ],
)
def test_credentials_are_stripped(remote, clean):
    assert provenance.without_credentials(remote) == clean


def test_packages_and_hardware_are_captured():
    found = provenance.capture()
    assert found["packages"]["httpx"]
    assert found["hardware"]["cpus"] >= 1
    assert found["hardware"]["memory_bytes"] > 2**20

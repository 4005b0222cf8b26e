"""Opening what was uploaded: unsafe archives are refused whole, damaged members concern themselves, names stay texts."""

import io
import stat
import struct
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardcases.errors import Invalid
from hardcases.formats.archives import DamagedMember, Limits, UnsafeArchive
from hardcases.formats.packages import AmbiguousError, Folder, Lookup, open_package, problems
from tests.builders.formats import png, read, zipped


def opened(content, **limits):
    """(names, problems) of an archive that is opened and closed again."""
    with open_package(io.BytesIO(content), name="upload.zip", limits=Limits(**limits)) as package:
        return list(package.names()), [finding.place for finding in problems(package)]


def refusal(content, **limits):
    with pytest.raises(UnsafeArchive) as caught:
        opened(content, **limits)
    return caught.value.sentence


def with_entry(name, *, mode=0o100644, content=b"x"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("good.txt", "good")
        info = zipfile.ZipInfo(name)
        info.filename = name
        info.external_attr = mode << 16
        archive.writestr(info, content)
    return out.getvalue()


class ArchiveTests:
    @pytest.mark.parametrize("name", ["../up.txt", "a/../../up.txt", "/etc/passwd", "C:/x.txt", "..", "a\\b.txt", "a/.."])
    def test_names_that_lead_out_refuse_the_whole_archive(self, name):
        assert "leads out of the archive" in refusal(with_entry(name))

    def test_a_name_cut_by_nul_is_refused(self):
        content = with_entry("a.pngZ.exe").replace(b"a.pngZ.exe", b"a.png\x00.exe")
        assert "leads out" in refusal(content)

    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFBLK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
    def test_links_and_devices_are_refused(self, kind):
        assert "not a file" in refusal(with_entry("link", mode=kind | 0o777))

    def test_encrypted_members_are_refused(self):
        content = bytearray(zipped({"a.txt": "secret"}))
        content[content.index(b"PK\x01\x02") + 8] |= 1
        assert "encrypted" in refusal(bytes(content))

    def test_too_many_entries_are_refused_before_they_are_read(self):
        assert "more than 3 files" in refusal(zipped({f"{n}.txt": "" for n in range(4)}), entries=3)
        assert len(opened(zipped({f"{n}.txt": "" for n in range(3)}), entries=3)[0]) == 3

    def test_too_many_bytes_and_too_dense_members_are_refused(self):
        assert "the limit is 10" in refusal(zipped({"a.txt": "eleven byte"}), size=10)
        assert "more than 100 times" in refusal(zipped({"zeros.bin": bytes(2**21)}))

    def test_a_dense_archive_of_small_members_is_refused_as_a_whole(self):
        assert "more than 100 times its size" in refusal(zipped({f"{n}.bin": bytes(2**20) for n in range(3)}))

    def test_members_that_hold_more_than_they_say_are_stopped(self):
        content = bytearray(zipped({"a.txt": b"a" * 1000}))
        at = content.index(b"PK\x01\x02")
        content[at + 24 : at + 28] = struct.pack("<L", 10)
        with open_package(io.BytesIO(bytes(content)), name="a.zip") as package, pytest.raises(DamagedMember):
            package.open("a.txt").read()

    def test_names_that_occur_twice_are_told_and_neither_is_read(self):
        with pytest.warns(UserWarning, match="Duplicate name"):
            content = zipped([("a.txt", "one"), ("a.txt", "two"), ("b.txt", "b")])
        assert opened(content) == (["b.txt"], ["a.txt"])

    def test_side_files_are_left_out(self):
        side = {"__MACOSX/a.png": "", "a/.DS_Store": "", "Thumbs.db": "", "a/._b.png": "", "a/b.png": ""}
        assert opened(zipped(side)) == (["a/b.png"], [])

    def test_nested_archives_are_members_like_others(self):
        assert opened(zipped({"inner.zip": zipped({"a": "b"}), "a.txt": ""}))[0] == ["inner.zip", "a.txt"]

    def test_a_damaged_member_is_its_own_matter(self):
        content = bytearray(zipped({"a.txt": b"a" * 50 + bytes(range(50)), "b.txt": "b"}))
        content[content.index(b"a.txt") + 5 + 4] ^= 0xFF
        with open_package(io.BytesIO(bytes(content)), name="a.zip") as package:
            with pytest.raises(DamagedMember):
                package.open("a.txt").read()
            assert package.open("b.txt").read() == b"b"
            with pytest.raises(KeyError):
                package.open("c.txt")

    @pytest.mark.parametrize("cut", [1, 10, 22, 60])
    def test_an_archive_without_its_end_says_so(self, cut):
        assert refusal(zipped({"a.txt": "a", "b.txt": "b"})[:-cut]).endswith("Nothing was imported. Send it again.")

    def test_a_damaged_directory_says_so(self):
        content = bytearray(zipped({"a.txt": "a", "b.txt": "b"}))
        content[content.index(b"PK\x01\x02") + 3] = 0
        assert "list of files" in refusal(bytes(content))

    def test_zip64_is_read(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive, archive.open("a.txt", "w", force_zip64=True) as member:
            member.write(b"a" * 10)
        assert opened(out.getvalue())[0] == ["a.txt"]
        many = zipped({f"{n}": "" for n in range(66_000)})
        assert len(opened(many)[0]) == 66_000
        assert "more than 65,000 files" in refusal(many, entries=65_000)

    def test_members_can_be_read_again_from_their_start(self):
        with open_package(io.BytesIO(zipped({"a.txt": b"abc" * 100})), name="a.zip") as package, package.open("a.txt") as member:
            first = member.read()
            member.seek(0)
            assert member.read() == first == b"abc" * 100

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_no_mutation_of_an_archive_escapes(self, data):
        content = bytearray(zipped({"a.txt": b"some text " * 20, "b/c.png": png()}))
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        content = bytes(content[: data.draw(st.integers(0, len(content)))])
        with suppress(Invalid), open_package(io.BytesIO(content), name="upload.zip") as package:
            for name in package.names():
                package.open(name).read()


class OtherPackageTests:
    def test_a_file_alone_keeps_its_name_and_can_be_opened_twice(self):
        with open_package(io.BytesIO(b"abc"), name="a.csv") as package:
            assert package.names() == ("a.csv",)
            first, second = package.open("a.csv"), package.open("a.csv")
            assert (first.read(1), second.read(), first.read()) == (b"a", b"abc", b"bc")
            with pytest.raises(KeyError):
                package.open("b.csv")

    def test_a_folder_is_read_without_links(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "b.txt").write_text("b")
        (tmp_path / ".DS_Store").write_text("")
        assert Folder(tmp_path).names() == ("a/b.txt",)
        with Folder(tmp_path).open("a/b.txt") as file:
            assert file.read() == b"b"
        (tmp_path / "link").symlink_to("/etc/passwd")
        with pytest.raises(UnsafeArchive, match="link"):
            Folder(tmp_path)

    def test_what_was_found_at_opening_is_told_by_every_reader(self):
        with pytest.warns(UserWarning, match="Duplicate name"):
            content = zipped([("t.csv", "file,label\na.png,nodule\n"), ("a.png", png()), ("a.png", png(3))])
        items, findings = read("csv", content)
        assert [item.file for item in items] == ["a.png"]  # may be the name of a case that is known already
        assert [finding.place for finding in findings] == ["a.png"]


class LookupTests:
    @pytest.mark.parametrize(
        ("name", "base", "found"),
        [
            ("images/a.png", "", "images/a.png"),
            ("a.png", "", "images/a.png"),
            ("./images/a.png", "", "images/a.png"),
            ("../images/a.png", "labels", "images/a.png"),
            ("/home/me/data/images/a.png", "", "images/a.png"),
            ("C:\\data\\a.png", "", "images/a.png"),
            ("a.jpg", "", None),
            ("A.png", "", None),
            ("caf\u00e9.png", "", "images/cafe\u0301.png"),
        ],
    )
    def test_the_member_that_is_meant(self, name, base, found):
        assert Lookup(["images/a.png", "images/cafe\u0301.png"]).find(name, base) == found

    def test_of_very_many_files_with_one_name_only_exact_paths_are_found(self):
        lookup = Lookup([f"{n}/a.png" for n in range(1_001)])
        assert lookup.find("./7/a.png") == "7/a.png"
        with pytest.raises(AmbiguousError, match="1,001"):
            lookup.find("x/a.png")

    def test_several_that_could_be_meant_are_none(self):
        lookup = Lookup(["train/a.png", "test/a.png"])
        assert lookup.find("train/a.png") == "train/a.png"
        assert lookup.find("a.png", "test") == "test/a.png"
        with pytest.raises(AmbiguousError, match="could be"):
            lookup.find("a.png")

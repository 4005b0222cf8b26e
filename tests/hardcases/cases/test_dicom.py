"""DICOM through the API: attributes from the header, identifiers set aside or refused, copies that people see."""

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image

from hardcases.blobs.store import get_store
from hardcases.cases import headers, jobs
from hardcases.cases.actions import erase_case
from hardcases.cases.models import Case
from hardcases.imaging.facts import DicomFacts
from hardcases.projects.authentication import person
from hardcases.projects.documents import DicomSpec, document_of
from hardcases.projects.models import Attribute
from tests.builders.dicom import GREY, SECONDARY, a_dicom, shipped
from tests.builders.http import Api, problem
from tests.builders.people import a_member, a_project

pytestmark = pytest.mark.django_db
NAME = "Musterfrau^Maria"
ATTRIBUTES = [
    *(("modality", "category", None), ("age", "number", None), ("spacing", "number", None), ("study_date", "date", None)),
    *(("patient_name", "text", None), ("lossy", "boolean", None), ("maker", "text", None)),
]
MAPPING = {"PatientAge": "age", "PixelSpacing": "spacing", "LossyImageCompression": "lossy", "Manufacturer": "maker"}


def an_api(**dicom: Any) -> Api:
    project = a_project(attributes=ATTRIBUTES, dicom={"attributes": MAPPING} | dicom)
    project.attributes.filter(name="modality").update(values=["CT", "MR"])
    return Api(project)


class AttributeTests:
    HEADER = {
        "PatientAge": "061Y",
        "StudyDate": "20200131",
        "PixelSpacing": [0.5, 0.5],
        "Manufacturer": "ACME",
        "LossyImageCompression": "00",
    }

    def test_the_header_fills_what_was_not_sent(self) -> None:
        api = an_api()
        body = api.upload(a_dicom(**self.HEADER | {"LossyImageCompression": "NO"}), {"attributes": {"maker": "Other", "age": None}}).json()
        assert body["quarantine"] == []
        expected = {"modality": "CT", "age": 61, "spacing": 0.5, "study_date": "2020-01-31", "maker": "Other", "lossy": False}
        assert Case.objects.get().attributes == expected

    def test_what_does_not_fit_is_set_aside(self) -> None:
        header = {
            "Modality": "US",
            "BurnedInAnnotation": "NO",
            "PatientAge": "61",
            "PixelSpacing": [0.5, 0.7],
            "LossyImageCompression": "00",
        }
        body = an_api().upload(a_dicom(**header)).json()
        assert {entry["field"]: entry["value"] for entry in body["quarantine"]} == {
            "attributes.modality": "US",
            "attributes.age": "61",
            "attributes.spacing": "0.5\\0.7",
            "attributes.lossy": "00",
        }
        assert all(entry["problem"].endswith(".") for entry in body["quarantine"])
        assert Case.objects.get().attributes == {}

    def test_what_was_sent_wins_even_where_it_does_not_fit(self) -> None:
        body = an_api().upload(a_dicom(), {"attributes": {"modality": "XX"}}).json()
        assert [entry["value"] for entry in body["quarantine"]] == ["XX"]

    def test_a_name_never_becomes_an_attribute(self) -> None:
        an_api(identifiers="accept").upload(a_dicom(PatientName=NAME))
        case = Case.objects.get()
        assert "patient_name" not in case.attributes
        assert NAME not in str(case.quarantine) + str(case.picture)

    def test_a_batch_fills_each(self) -> None:
        api = an_api()
        files = {"a": a_dicom(PatientAge="006M"), "b": a_dicom(GREY + 1, PatientAge="003W"), "c": b"no picture at all"}
        results = api.batch([{"file": name} for name in files], files).json()["results"]
        assert [result["status"] for result in results] == [201, 201, 415]
        assert [case.attributes["age"] for case in Case.objects.order_by("number")] == [0.5, 0.057]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("number", ("061Y",), 61),
        ("number", ("006M",), 0.5),
        ("number", ("010D",), 0.027),
        ("number", (1.5,), 1.5),
        ("number", ("ACME",), None),
        ("date", ("20200131",), "2020-01-31"),
        ("date", ("2020.01.31",), "2020-01-31"),
        ("date", ("20200131120000.5",), "2020-01-31"),
        ("date", ("2020",), None),
        ("boolean", ("YES",), True),
        ("boolean", ("maybe",), None),
        ("category", ("ORIGINAL", "PRIMARY"), "ORIGINAL\\PRIMARY"),
        ("text", (3,), "3"),
    ],
)
def test_values_become_what_the_attribute_is(kind: str, values: tuple[Any, ...], expected: Any) -> None:
    filled, findings = headers.fill({}, {"Modality": values}, DicomSpec(attributes=(("Modality", "a"),)), [Attribute(name="a", type=kind)])
    assert filled.get("a") == expected
    assert len(findings) == (expected is None)


class IdentifierTests:
    def test_the_case_is_kept_and_names_the_tags(self) -> None:
        api = an_api()
        answer = api.upload(a_dicom(PatientName=NAME, AccessionNumber="4711-77"))
        assert answer.status_code == 201
        assert [(entry["field"], entry["value"]) for entry in answer.json()["quarantine"]] == [
            ("dicom.AccessionNumber", None),
            ("dicom.PatientName", None),
        ]
        case = Case.objects.get()
        assert case.quarantine == answer.json()["quarantine"]
        assert "Musterfrau" not in str(vars(case))
        assert [found["key"] for found in api.get("cases/", q="quarantine:true").json()["results"]] == [case.key]

    def test_the_copies_carry_nothing(self) -> None:
        api = an_api()
        api.upload(a_dicom(np.tile(GREY, (30, 30)), PatientName=NAME))
        jobs.make_media(Case.objects.get().pk)
        for version in ("display", "thumbnail"):
            answer = api.get("cases/XR-1/media/", **{"as": version})
            data = b"".join(answer.streaming_content)
            assert b"Musterfrau" not in data
            image = Image.open(io.BytesIO(data))
            assert image.mode == "L"
            assert np.asarray(image).max() > 200

    def test_the_original_needs_its_own_right(self) -> None:
        api = an_api()
        sent = a_dicom(PatientName=NAME)
        api.upload(sent)
        answer = api.get("cases/XR-1/media/", **{"as": "original"})
        assert b"".join(answer.streaming_content) == sent
        assert answer["Content-Type"] == "application/dicom"
        assert answer["Content-Disposition"].startswith("attachment")
        api.project.memberships.update(role="viewer")
        problem(Api(api.project).get("cases/XR-1/media/", **{"as": "original"}), 403)

    def test_a_project_may_refuse(self) -> None:
        api = an_api(identifiers="refuse")
        refused = problem(api.upload(a_dicom(PatientName=NAME)), 422)
        assert refused["type"] == "urn:hardcases:identifiers_found"
        assert "PatientName" in refused["detail"]
        assert "Musterfrau" not in str(refused)
        assert not Case.objects.exists()
        assert api.upload(a_dicom()).status_code == 201
        unsure = api.upload(a_dicom(GREY + 1, SOPClassUID=SECONDARY))
        assert (unsure.status_code, [entry["field"] for entry in unsure.json()["quarantine"]]) == (201, ["dicom.BurnedInAnnotation"])

    def test_a_project_may_accept(self) -> None:
        assert an_api(identifiers="accept").upload(a_dicom(PatientName=NAME, BurnedInAnnotation="YES")).json()["quarantine"] == []

    def test_a_project_may_know_its_pseudonyms(self) -> None:
        assert an_api(pseudonyms=["STUDY-"]).upload(a_dicom(PatientName="STUDY-12", PatientID="STUDY-12")).json()["quarantine"] == []

    def test_the_same_file_again_is_a_sighting(self) -> None:
        api = an_api()
        api.upload(a_dicom(PatientName=NAME))
        again = api.upload(a_dicom(PatientName=NAME))
        assert (again.status_code, again.json()["duplicate"]) == (200, True)


class StrippedTests:
    def test_blanked_copies_are_stored_under_both_digests(self) -> None:
        api = Api(a_project(strip_metadata=True, attributes=ATTRIBUTES, dicom={"identifiers": "refuse"}))
        sent = a_dicom(PatientName=NAME, PatientID="4711", PatientAge="061Y")
        body = api.upload(sent).json()
        case = Case.objects.get()
        assert body["quarantine"] == []
        assert case.sha256 == hashlib.sha256(sent).hexdigest() != case.stored_sha256
        kept = get_store().read(case.stored_sha256)
        assert b"Musterfrau" not in kept
        assert GREY.tobytes() in kept
        assert not get_store().exists(case.sha256)
        assert jobs.make_media(case.pk) == 1

    def test_words_in_the_picture_stay_and_are_told(self) -> None:
        api = Api(a_project(strip_metadata=True))
        body = api.upload(a_dicom(PatientName=NAME, BurnedInAnnotation="YES")).json()
        assert [entry["field"] for entry in body["quarantine"]] == ["dicom.BurnedInAnnotation"]


class FactTests:
    def test_the_page_says_how_it_is_stored_and_shown(self, client: Client) -> None:
        project = a_project()
        Api(project).upload(shipped("examples_overlay.dcm"))
        Api(project).upload(shipped("rtdose.dcm"))
        client.force_login(a_member(project, "curator"))
        page = client.get(f"/p/{project.slug}/cases/XR-1/").content.decode()
        assert "Explicit VR Little Endian" in page
        assert "centre 450, width " in page
        assert "not kept" in page
        assert "15, the first is shown" in client.get(f"/p/{project.slug}/cases/XR-2/").content.decode()

    def test_the_api_tells_it_and_an_erasure_takes_it(self) -> None:
        api = an_api()
        api.upload(shipped("MR_small.dcm"))
        told = api.get("cases/XR-1/").json()
        assert (told["media_type"], told["picture"]["modality"], told["picture"]["window"]) == ("application/dicom", "MR", [600, 1600])
        case = Case.objects.get()
        erase_case(actor=person(api.project.owner), case=case, reason="asked for")
        assert Case.objects.get().picture is None

    def test_other_pictures_say_only_what_is_unusual(self) -> None:
        api = an_api()
        frames = [Image.new("L", (8, 8), shade) for shade in (10, 90)]
        out = io.BytesIO()
        frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
        api.upload(out.getvalue())
        out = io.BytesIO()
        Image.fromarray(GREY).save(out, "PNG")
        api.upload(out.getvalue())
        assert [case.picture for case in Case.objects.order_by("number")] == [{"frames": 2}, {"bits": 16}]


class SettingTests:
    @pytest.mark.parametrize(
        ("dicom", "pointer"),
        [
            ({"attributes": {"PatientName": "maker"}}, "/dicom/attributes/PatientName"),
            ({"attributes": {"Modalty": "maker"}}, "/dicom/attributes/Modalty"),
            ({"attributes": {"Modality": "nothing"}}, "/dicom/attributes/Modality"),
            ({"attributes": {"Modality": "maker", "Manufacturer": "maker"}}, "/dicom/attributes/Manufacturer"),
            ({"identifiers": "ignore"}, "/dicom/identifiers"),
            ({"pseudonyms": ["A"]}, "/dicom/pseudonyms/0"),
            ({"pseudonyms": ["A B C"]}, "/dicom/pseudonyms/0"),
            ({"colour": 1}, "/dicom/colour"),
        ],
    )
    def test_rules(self, dicom: dict[str, Any], pointer: str) -> None:
        api = an_api()
        refused = problem(api.client.patch(api.url(""), {"dicom": dicom}, content_type="application/json", headers=api.headers), 422)
        assert pointer in {error["pointer"] for error in refused["errors"]}

    def test_it_may_change_under_cases_and_the_document_tells_it(self) -> None:
        api = an_api()
        api.upload(a_dicom())
        change = {"attributes": {"Manufacturer": "maker"}, "identifiers": "refuse"}
        answer = api.client.patch(api.url(""), {"dicom": change}, content_type="application/json", headers=api.headers)
        assert answer.status_code == 200
        assert answer.json()["dicom"] == change
        api.project.refresh_from_db()
        assert document_of(api.project).dicom == DicomSpec(attributes=(("Manufacturer", "maker"),), identifiers="refuse")

    def test_the_page_carries_the_setting_through(self, client: Client) -> None:
        project = a_project(attributes=ATTRIBUTES, dicom={"attributes": MAPPING, "pseudonyms": ["STUDY-"]})
        client.force_login(project.owner)
        path = f"/p/{project.slug}/settings/"
        form = client.get(path).context["form"]
        sent = {name: "" if value is None else value for name, value in form.initial.items() if not isinstance(value, bool)}
        client.post(path, sent | {"dicom_identifiers": "accept", "dicom_attributes": "Modality modality"})
        project.refresh_from_db()
        spec = document_of(project).dicom
        assert (spec.attributes, spec.identifiers, spec.pseudonyms) == ((("Modality", "modality"),), "accept", ("STUDY-",))
        page = client.post(path, sent | {"dicom_attributes": "PatientName maker"}).content.decode()
        assert "PatientName identifies a person" in page


def test_refusing_names_only_what_is_certain() -> None:
    facts = DicomFacts(tags={}, identifiers=(headers.Identifier("PatientID", "It does."),), shown={})
    with pytest.raises(headers.IdentifiersFound, match="PatientID"):
        headers.identifiers(facts, DicomSpec(identifiers="refuse"), stripped=False)

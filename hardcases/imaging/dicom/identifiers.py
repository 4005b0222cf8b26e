"""What in a DICOM header says directly who somebody is, and where. Names of tags are told, values never.

The list holds the attributes of DICOM PS3.15 (2024b), table E.1-1, that the Basic Application Level Confidentiality Profile removes or replaces and that by
themselves name a person, an address, a number in a hospital's books, or hold free comments. Not in it, though the profile removes them too: dates of examinations,
descriptions of studies and series, devices, UIDs, body measures, age and sex. They describe; many projects need them as attributes.
"""

import re
from collections.abc import Iterator, Sequence

from pydicom import datadict

from hardcases.imaging.dicom import tags
from hardcases.imaging.dicom.elements import Element
from hardcases.imaging.dicom.header import Header, keyword, vr_of
from hardcases.imaging.facts import Identifier

PATIENT = (
    *(
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "OtherPatientIDs",
        "OtherPatientNames",
        "OtherPatientIDsSequence",
        "PatientBirthName",
    ),
    *(
        "PatientMotherBirthName",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientAddress",
        "PatientTelephoneNumbers",
        "PatientTelecomInformation",
    ),
    *(
        "CountryOfResidence",
        "RegionOfResidence",
        "PatientInstitutionResidence",
        "CurrentPatientLocation",
        "MilitaryRank",
        "BranchOfService",
    ),
    *(
        "Occupation",
        "PatientReligiousPreference",
        "MedicalRecordLocator",
        "InsurancePlanIdentification",
        "PatientInsurancePlanCodeSequence",
    ),
    *("ReferencedPatientPhotoSequence", "ResponsiblePerson", "ResponsibleOrganization"),
)
PEOPLE = (
    *(
        "ReferringPhysicianName",
        "ReferringPhysicianAddress",
        "ReferringPhysicianTelephoneNumbers",
        "ReferringPhysicianIdentificationSequence",
    ),
    *(
        "ConsultingPhysicianName",
        "ConsultingPhysicianIdentificationSequence",
        "PhysiciansOfRecord",
        "PhysiciansOfRecordIdentificationSequence",
    ),
    *("PerformingPhysicianName", "PerformingPhysicianIdentificationSequence", "NameOfPhysiciansReadingStudy"),
    *("PhysiciansReadingStudyIdentificationSequence", "OperatorsName", "OperatorIdentificationSequence", "RequestingPhysician"),
    *("RequestingService", "ScheduledPerformingPhysicianName", "ScheduledPerformingPhysicianIdentificationSequence", "HumanPerformerName"),
    *(
        "HumanPerformerOrganization",
        "OrderEnteredBy",
        "OrderEntererLocation",
        "OrderCallbackPhoneNumber",
        "OrderCallbackTelecomInformation",
    ),
    *("NamesOfIntendedRecipientsOfResults", "IntendedRecipientsOfResultsIdentificationSequence", "PersonName", "PersonAddress"),
    *("PersonTelephoneNumbers", "PersonTelecomInformation", "PersonIdentificationCodeSequence", "ContentCreatorName"),
    *("ContentCreatorIdentificationCodeSequence", "VerifyingObserverName", "VerifyingOrganization", "ReviewerName", "CameraOwnerName"),
    *("InterpretationAuthor", "InterpretationRecorder", "InterpretationTranscriber", "PhysicianApprovingInterpretation"),
    *("DistributionName", "DistributionAddress", "ROIInterpreter", "TopicAuthor"),
)
PLACES = (
    *("InstitutionName", "InstitutionAddress", "InstitutionCodeSequence", "InstitutionalDepartmentName"),
    *("GPSLatitude", "GPSLongitude", "GPSDestLatitude", "GPSDestLongitude", "GPSAreaInformation"),
)
NUMBERS = (
    *("AccessionNumber", "AdmissionID", "IssuerOfAdmissionID", "ServiceEpisodeID", "IssuerOfServiceEpisodeID", "SpecimenAccessionNumber"),
    *(
        "PlacerOrderNumberImagingServiceRequest",
        "FillerOrderNumberImagingServiceRequest",
        "RequestedProcedureID",
        "ResultsID",
        "InterpretationID",
    ),
)
COMMENTS = (
    *(
        "PatientComments",
        "AdditionalPatientHistory",
        "ImageComments",
        "FrameComments",
        "StudyComments",
        "VisitComments",
        "IdentifyingComments",
    ),
    *("AcquisitionComments", "RequestedProcedureComments", "ImagingServiceRequestComments", "CommentsOnThePerformedProcedureStep"),
    *("CommentsOnRadiationDose", "ImagePresentationComments", "InterpretationText", "ResultsComments", "TextComments", "OverlayComments"),
)
LISTED = frozenset({*PATIENT, *PEOPLE, *PLACES, *NUMBERS, *COMMENTS})
_TAGS = {tag: name for name in LISTED if (tag := datadict.tag_for_keyword(name)) is not None}
_SEQUENCES = frozenset(tag for tag, name in _TAGS.items() if name.endswith("Sequence"))
_PSEUDONYMOUS = frozenset({"PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames"})
TEXTS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_FREE = frozenset({"LT", "ST", "UT", "PN", "UN", "SQ", "OB", "OD", "OF", "OL", "OV", "OW"})

DUMMIES = frozenset(
    {
        *(
            "anon",
            "anonym",
            "anonymous",
            "anonymised",
            "anonymized",
            "deidentified",
            "dummy",
            "masked",
            "missing",
            "n/a",
            "na",
            "name",
            "no",
            "none",
        ),
        *(
            "noname",
            "null",
            "patient",
            "private",
            "pseudonym",
            "pseudonymised",
            "pseudonymized",
            "redacted",
            "removed",
            "test",
            "unknown",
            "unnamed",
        ),
        "withheld",
    }
)
_DUMMY_DATES = frozenset({"19000101"})
_WORD = re.compile(r"[^\W\d_]{3,}")
_ONE_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
MOST_NAMED = 40


def mapping_problem(name: str) -> str | None:
    """Why a tag of this name cannot fill an attribute, as a sentence; None where it can."""
    tag = datadict.tag_for_keyword(name)
    if tag is None:
        return f"{name} is no name of a DICOM tag, such as Modality."
    if name in LISTED or vr_of(tag) == "PN":
        return f"{name} identifies a person or a place. It cannot become an attribute."
    if vr_of(tag) in _FREE:
        return f"{name} holds free text or no single value. It cannot become an attribute."
    return None


def is_listed(element: Element) -> bool:
    """Whether the element is on the list, is a person's name, or lies in a sequence on the list."""
    return _name(element) is not None


def _name(element: Element) -> str | None:
    inside = next((tag for tag, _ in element.path if tag in _SEQUENCES), None)
    if inside is not None:
        return _TAGS[inside]
    found = _TAGS.get(element.tag)
    if found is None and element.tag & 0xFF00FFFF == 0x60004000:
        return "OverlayComments"
    return found or (keyword(element.tag) if element.vr == "PN" else None)


def find(header: Header, pseudonyms: Sequence[str] = ()) -> list[Identifier]:
    """What identifies somebody, each tag once; where there is very much of it, the rest as a number. `pseudonyms`: how names begin that identify nobody."""
    found: dict[str, Identifier] = {}
    removed = header.text(tags.IDENTITY_REMOVED).upper() == "YES"
    for element in header.elements:
        if element.vr == "SQ" or not element.size or element.tag in tags.PIXEL_TAGS:
            continue
        if element.tag >> 16 & 1:
            if element.tag & 0xFFFF > 0xFF and _has_text(header, element):
                name = f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X})"
                found.setdefault(name, Identifier(name, "The private tag holds text, which may identify somebody."))
            continue
        listed = _name(element)
        if listed is not None and listed not in found and not _harmless(header, element, listed, pseudonyms, removed=removed):
            found[listed] = Identifier(listed, "The tag identifies a person or a place, or holds free text.")
    return [*_cut(list(found.values())), *_in_the_picture(header)]


def _cut(found: list[Identifier]) -> Iterator[Identifier]:
    found.sort(key=lambda identifier: identifier.tag.startswith("("))
    yield from found[:MOST_NAMED]
    if len(found) > MOST_NAMED:
        yield Identifier("more", f"{len(found) - MOST_NAMED:,} more tags hold text that may identify somebody.")


def _in_the_picture(header: Header) -> Iterator[Identifier]:
    burned, modality, kind = header.text(tags.BURNED_IN).upper(), header.text(tags.MODALITY).upper(), header.kind
    if burned == "YES":
        yield Identifier(
            "BurnedInAnnotation", "The file says that words about the patient are part of the picture itself.", in_picture=True
        )
    if header.text(tags.RECOGNISABLE).upper() == "YES":
        yield Identifier("RecognizableVisualFeatures", "The file says that the patient can be recognised in the picture.", in_picture=True)
    captured = kind.startswith(tags.SECONDARY_CAPTURE) and kind[len(tags.SECONDARY_CAPTURE) :][:1] in {"", "."}
    ultrasound = modality == "US" or kind.startswith(tags.ULTRASOUND)
    if burned not in {"YES", "NO"} and (captured or ultrasound):
        what = "Captured screens" if captured else "Ultrasound pictures"
        sentence = f"{what} often show words about the patient, and the file does not say that there are none. Look at it."
        yield Identifier("BurnedInAnnotation", sentence, certain=False, in_picture=True)


def _has_text(header: Header, element: Element) -> bool:
    if element.vr in TEXTS:
        text = header.raw(element)[:10_000].decode("latin-1")
    elif element.vr == "UN" and element.size <= 10_000:
        raw = header.raw(element).rstrip(b"\0 ")
        if not raw.isascii() or any(byte < 32 and byte not in b"\t\n\r\f" for byte in raw):
            return False
        text = raw.decode("ascii")
    else:
        return False
    return any(word.lower() not in DUMMIES for word in _WORD.findall(text))


def _harmless(header: Header, element: Element, name: str, pseudonyms: Sequence[str], *, removed: bool) -> bool:
    """Whether the value identifies nobody, by the rule that the documentation gives."""
    text = header.raw(element)[:10_000].decode("latin-1").strip("\0 \t\r\n")
    if element.vr == "UI" or not any(sign not in "0xX" for sign in re.findall(r"[^\W_]", text)):
        return True
    words = re.findall(r"n/a|[^\W_]+", text.lower().replace("de-", "de").replace("de_", "de"))
    if text in _DUMMY_DATES or all(word in DUMMIES for word in words):
        return True
    if name not in _PSEUDONYMOUS:
        return False
    one_word = bool(_ONE_WORD.fullmatch(text))
    return one_word and (any(text.startswith(start) for start in pseudonyms) or (removed and any(sign.isdigit() for sign in text)))

"""The shipped demo data tell the story: checked against its published table with the models that are shipped beside it."""

import io
import json

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from scipy import stats

from evaluation.demo import story

TABLE = [  # stratum, n, accuracy in percent of v1, v2, v3 (replicate 0)
    ("iid-hold-out", 193, 97.4, 97.9, 96.9),
    ("all", 2822, 84.9, 85.9, 89.7),
    ("grey-paper", 200, 91.0, 81.0, 90.5),
    ("low-contrast", 200, 83.0, 76.0, 88.0),
    ("rotated-plus-10", 200, 81.0, 75.0, 89.5),
    ("faded-ink", 200, 75.5, 89.5, 89.0),
    ("shifted-1px", 200, 42.0, 47.5, 75.5),
    ("new-writer-8", 138, 98.6, 99.3, 94.9),
]


@pytest.fixture(scope="module")
def cases():
    return list(story.cases())


@pytest.fixture(scope="module")
def pixels(cases):
    return np.stack([np.asarray(Image.open(io.BytesIO(case.png))) for case in cases])


@pytest.fixture(scope="module")
def right(cases, pixels):
    """Boolean (n,) per replicate: is the highest score the true digit, asked through the declared adapter?"""
    truth = np.array([int(case.label) for case in cases])
    answers = {}
    for version in story.model_versions():
        session = onnxruntime.InferenceSession(version.artefact.read_bytes(), providers=["CPUExecutionProvider"])
        adapter = version.document["adapter"]
        assert adapter["input"] == {"mode": "L", "size": [8, 8], "layout": "flat", "scale": 1, "mean": 0, "std": 1}
        (scores,) = session.run([adapter["output"]], {session.get_inputs()[0].name: pixels.reshape(len(pixels), -1).astype(np.float32)})
        answers[version.version, version.replicate] = scores.argmax(axis=1) == truth
    return answers


def pick(cases, stratum):
    return np.array([stratum in ("all", case.stratum) for case in cases])


class PicturesTests:
    def test_no_two_of_the_2822_files_are_equal(self, cases):
        assert len(cases) == len({case.png for case in cases}) == len({case.external_id for case in cases}) == 2822

    def test_a_png_gives_back_every_pixel_in_plain_grey(self, cases, pixels):
        assert pixels.shape == (2822, 8, 8)
        assert pixels.dtype == np.uint8
        assert (pixels == story.load().image).all()
        assert {Image.open(io.BytesIO(case.png)).mode for case in cases[:20]} == {"L"}

    def test_two_readings_give_the_same_cases(self, cases):
        assert list(story.cases()) == cases


class DocumentsTests:
    def test_every_case_lies_in_one_of_the_sixteen_strata(self, cases):
        slugs = [stratum["slug"] for stratum in story.strata_documents()]
        assert len(slugs) == len(set(slugs)) == 16
        assert {case.stratum for case in cases} == set(slugs)

    def test_the_query_of_a_stratum_means_its_cases(self, cases):
        for stratum in story.strata_documents():
            wanted = [term.replace('"', "").split(":") for term in _terms(stratum["q"])]
            found = [case for case in cases if all(case.attributes[name] == value for name, value in wanted)]
            assert {case.stratum for case in found} == {stratum["slug"]}, stratum
            assert len(found) == sum(case.stratum == stratum["slug"] for case in cases)

    def test_cases_send_only_what_the_project_declares(self, cases):
        project = story.project_document()
        closed = {attribute["name"]: attribute.get("values") for attribute in project["attributes"]}
        assert project["cluster_attribute"] in closed
        for case in cases:
            assert case.label in project["classes"]
            assert set(case.attributes) == set(closed)
            assert all(closed[name] is None or value in closed[name] for name, value in case.attributes.items())

    def test_a_cluster_holds_pictures_of_one_digit_by_one_writer(self, cases):
        seen = {}
        for case in cases:
            assert seen.setdefault(case.attributes["source"], (case.label, case.attributes["writer"])) == (
                case.label,
                case.attributes["writer"],
            )
        assert len(seen) < len(cases)

    def test_documents_are_json_and_hold_eleven_replicates(self, cases):
        versions = story.model_versions()
        assert [(v.version, v.replicate) for v in versions] == [("v1", 0), *(("v2", s) for s in range(5)), *(("v3", s) for s in range(5))]
        assert all(v.artefact.is_file() for v in versions)
        documents = [
            story.project_document(),
            story.policy_document(),
            story.strata_documents(),
            cases[0].document(),
            *(v.document for v in versions),
        ]
        json.dumps(documents, allow_nan=False)

    def test_the_policy_is_that_of_the_story(self):
        overall, strata, *rest = story.policy_document()["checks"]
        assert (overall["kind"], overall["stratum"], overall["margin"], overall["role"]) == ("no_regression", "all", 0.02, "gating")
        assert (strata["kind"], strata["stratum"], strata["eps"], strata["alpha"], strata["role"]) == (
            "no_proven_loss",
            "stratum:*",
            0.03,
            0.05,
            "guard",
        )
        assert [(check["kind"], check["role"]) for check in rest] == [("sanity", "gating"), ("coverage", "gating")]


class ShippedModelsTests:
    @pytest.mark.parametrize(("stratum", "n", "v1", "v2", "v3"), TABLE)
    def test_the_table_of_the_story(self, cases, right, stratum, n, v1, v2, v3):
        chosen = pick(cases, stratum)
        assert chosen.sum() == n
        found = [round(100 * right[version, 0][chosen].mean(), 1) for version in ("v1", "v2", "v3")]
        assert found == pytest.approx([v1, v2, v3], abs=0.051)

    def test_v2_has_a_proven_loss_on_three_strata_and_v3_on_none(self, cases, right):
        proven = {v: _proven_losses(cases, right["v1", 0], right[v, 0]) for v in ("v2", "v3")}
        assert proven == {"v2": {"grey-paper", "low-contrast", "rotated-plus-10"}, "v3": set()}

    def test_the_seeds_of_v2_agree_at_home_and_differ_on_bad_scans(self, cases, right):
        def spread(stratum):
            return np.std([right["v2", seed][pick(cases, stratum)].mean() for seed in range(5)], ddof=1)

        assert spread("iid-hold-out") < 0.005
        assert min(spread("grey-paper"), spread("low-contrast")) > 0.015


def _terms(query):
    """Splits `fault:"grey paper" writer:8` at spaces outside quotes."""
    parts, inside = [""], False
    for character in query:
        inside ^= character == '"'
        if character == " " and not inside:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _proven_losses(cases, baseline, candidate):
    """Slugs with a one-sided mid-P of at most .05 after Holm over the sixteen strata and a loss of at least three points."""
    found = []
    for slug in dict.fromkeys(case.stratum for case in cases):
        chosen = pick(cases, slug)
        worse, better = int((baseline & ~candidate & chosen).sum()), int((~baseline & candidate & chosen).sum())
        p = stats.binom.sf(worse - 1, worse + better, 0.5) - 0.5 * stats.binom.pmf(worse, worse + better, 0.5) if worse + better else 1.0
        found.append((p, slug, (worse - better) / chosen.sum()))
    adjusted, proven = 0.0, set()
    for rank, (p, slug, loss) in enumerate(sorted(found)):
        adjusted = max(adjusted, p * (len(found) - rank))
        if adjusted <= 0.05 and loss >= 0.03:
            proven.add(slug)
    return proven

"""What sampling rules promise, by simulation without a database: shares are binomial, weights are unbiased, a quota is a quota."""

import hashlib
from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from hardcases.sampling.deciding import Count, Decider
from hardcases.sampling.rules import Arrival, Rule, RulesRefused, read_rules

DAY = date(2026, 11, 25)  # a Wednesday
NAMES = {"site", "age", "portable"}


def a_rule(document: dict, *, id: int = 1, salt: str = "salt") -> Rule:  # noqa: A002
    return Rule.of(read_rules([document], NAMES)[0], id=id, salt=salt)


def arrivals(number: int, seed: str = "", **said: object) -> list[Arrival]:
    return [Arrival(digest=hashlib.sha256(f"{seed}{index}".encode()).hexdigest(), **said) for index in range(number)]  # type: ignore[arg-type]


def test_a_share_is_binomial_over_contents() -> None:
    decisions = []
    for salt in range(200):
        rule = a_rule({"when": {}, "keep": 0.1}, salt=str(salt))
        decisions.append(sum(Decider([rule]).decide(arrival, DAY).kept for arrival in arrivals(500)))
    pulls = stats.binom.cdf(np.array(decisions), 500, 0.1) - np.random.default_rng(1).random(200) * stats.binom.pmf(decisions, 500, 0.1)
    assert stats.kstest(pulls, "uniform").pvalue > 0.001


def test_draws_of_different_rules_have_nothing_to_do_with_each_other() -> None:
    one, two = a_rule({"when": {}, "keep": 0.5}, id=1), a_rule({"when": {}, "keep": 0.5}, id=2)
    draws = np.array([(one.draw(arrival.digest), two.draw(arrival.digest)) for arrival in arrivals(5_000)])
    assert ((draws >= 0) & (draws < 1)).all()
    assert abs(stats.spearmanr(*draws.T).statistic) < 0.06


def test_a_reservoir_gives_unbiased_totals_and_no_more_cases_than_promised() -> None:
    size, number, rounds = 20, 300, 400
    truth = np.arange(number) % 7 == 0  # something that is to be counted
    totals, sizes = [], []
    for salt in range(rounds):
        decider = Decider([a_rule({"when": {}, "reservoir": {"size": size, "per": "week"}}, salt=str(salt))])
        decisions = [decider.decide(arrival, DAY) for arrival in arrivals(number)]
        weights = np.array([1 / float(decision.probability or 0) if decision.kept else 0 for decision in decisions])
        totals.append((weights.sum(), weights @ truth))
        sizes.append(sum(decision.kept for decision in decisions))
    expected = size * (1 + sum(1 / t for t in range(size + 1, number + 1)))
    assert np.mean(sizes) == pytest.approx(expected, abs=4 * np.std(sizes) / np.sqrt(rounds))
    for column, right in zip(np.array(totals).T, (number, truth.sum()), strict=True):
        assert column.mean() == pytest.approx(right, abs=4 * column.std() / np.sqrt(rounds))


def test_a_quota_keeps_the_first_of_each_stratum_and_day_and_knows_no_probability() -> None:
    decider = Decider([a_rule({"when": {}, "quota": {"per": "day", "limit": 3, "by": ["site"]}})])
    for day in (DAY, DAY + timedelta(days=1)):
        for site in ("a", "b"):
            decisions = [decider.decide(arrival, day) for arrival in arrivals(10, attributes={"site": site})]
            assert [decision.kept for decision in decisions] == [True] * 3 + [False] * 7
            assert {decision.probability for decision in decisions} == {None}


def test_a_week_begins_on_monday() -> None:
    decider = Decider([a_rule({"when": {}, "quota": {"per": "week", "limit": 1}})])
    kept = [decider.decide(arrival, DAY + timedelta(days=index)).kept for index, arrival in enumerate(arrivals(8))]
    assert kept == [True, False, False, False, False, True, False, False]


def test_counts_of_before_are_gone_on_with() -> None:
    rule = a_rule({"when": {}, "quota": {"per": "day", "limit": 3}})
    decider = Decider([rule], {(rule.id, "", DAY): Count(seen=9, kept=2)})
    assert [decider.decide(arrival, DAY).kept for arrival in arrivals(2)] == [True, False]


def test_the_first_rule_that_is_about_it_decides_and_none_keeps_for_certain() -> None:
    rules = [
        a_rule({"when": {"reason": "random_sample", "attributes": {"site": ["a", "b"], "portable": True}}, "keep": 0}, id=1),
        a_rule({"when": {"reason": ["random_sample", "low_confidence"]}, "keep": 1}, id=2),
    ]

    def by(**said: object) -> int | None:
        (arrival,) = arrivals(1, **said)
        decision = Decider(list(rules)).decide(arrival, DAY)
        assert decision.probability == {None: 1.0, 1: 0.0, 2: 1.0}[decision.rule and decision.rule.id]
        return decision.rule.id if decision.rule else None

    assert by(reason="random_sample", attributes={"site": "a", "portable": True}) == 1
    assert by(reason="random_sample", attributes={"site": "a", "portable": 1}) == 2
    assert by(reason="random_sample") == by(reason="low_confidence") == 2
    assert by(reason="other") is None


@pytest.mark.parametrize(
    ("when", "said", "about"),
    [
        ({}, {"corrected": True}, False),
        ({"reason": "random_sample"}, {"corrected": True, "reason": "random_sample"}, False),
        ({"correction": True}, {"corrected": True}, True),
        ({"correction": True}, {}, False),
        ({"correction": False}, {}, True),
        ({}, {"reason": "doctor_disagreed"}, False),
        ({"source": "x"}, {"reason": "doctor_disagreed", "source": "x"}, False),
        ({"reason": "doctor_disagreed"}, {"reason": "doctor_disagreed"}, True),
    ],
)
def test_failures_that_people_found_are_left_out_only_where_a_rule_says_so(when: dict, said: dict, about: bool) -> None:
    (arrival,) = arrivals(1, **said)
    assert a_rule({"when": when, "keep": 0}).is_about(arrival) is about


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"when": {}, "keep": 1.5}, "/rules/0/keep"),
        ({"when": {}, "keep": 0.1, "quota": {}}, "/rules/0"),
        ({"when": {}}, "/rules/0"),
        ({"when": {"colour": "red"}, "keep": 0}, "/rules/0/when/colour"),
        ({"when": {"attributes": {"colour": "red"}}, "keep": 0}, "/rules/0/when/attributes/colour"),
        ({"when": {"reason": []}, "keep": 0}, "/rules/0/when/reason"),
        ({"when": {}, "quota": {"per": "month", "limit": 1}}, "/rules/0/quota/per"),
        ({"when": {}, "quota": {"per": "day", "limit": 0}}, "/rules/0/quota/limit"),
        ({"when": {}, "quota": {"per": "day", "limit": 1, "by": ["colour"]}}, "/rules/0/quota/by/0"),
        ({"when": {}, "reservoir": {"per": "day", "limit": 1}}, "/rules/0/reservoir/limit"),
        ("keep", "/rules/0"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_with_its_place(document: object, pointer: str) -> None:
    with pytest.raises(RulesRefused) as refused:
        read_rules([document], NAMES)
    assert pointer in {error.pointer for error in refused.value.errors}

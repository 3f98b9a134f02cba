"""Intervals, p-values and verdicts against scipy.stats and plain arithmetic."""

import numpy as np
import pytest
from scipy import stats

from jaxsurr.comparison import statistics


def test_interval_and_p_are_those_of_a_paired_t_test():
    rng = np.random.default_rng(0)
    mine, other = rng.normal(size=6), rng.normal(size=6)
    found = statistics.paired(mine - other, higher_is_better=False)
    expected = stats.ttest_rel(mine, other)
    assert found["p"] == pytest.approx(expected.pvalue)
    assert (found["low"], found["high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))


@pytest.mark.parametrize(
    ("difference", "higher", "verdict"),
    [
        ([-0.3, -0.2, -0.25], False, "better"),
        ([-0.3, -0.2, -0.25], True, "worse"),
        ([-0.3, 0.2, 0.05], False, "tie"),
        ([0.0, 0.0, 0.0], False, "tie"),
        ([0.1, 0.1, 0.1], True, "tie"),
        ([0.1] * 5, True, "tie"),
        ([0.1] * 6, True, "better"),
        ([0.1] * 6, False, "worse"),
        ([0.1, float("nan"), 0.2, 0.1, 0.1, 0.1], False, "tie"),
        ([0.1], True, "one seed"),
    ],
)
def test_verdicts(difference, higher, verdict):
    assert statistics.paired(np.array(difference), higher)["verdict"] == verdict


@pytest.mark.parametrize("seeds", range(2, 9))
@pytest.mark.parametrize("right", [0, 1, 75, 149])
def test_differences_that_are_the_same_for_every_seed_are_no_certainty(seeds, right):
    """A row of 150 more is right with every seed: the metric is float32, so the differences differ by rounding."""
    other = np.float32(right + np.arange(seeds) % 3) / np.float32(150)
    mine = np.float32(right + 1 + np.arange(seeds) % 3) / np.float32(150)
    test = {name: dict(enumerate(map(float, values))) for name, values in {"a": other, "b": mine}.items()}
    row = next(row for row in table(test, higher_is_better=True) if row["loss"] == "b")
    assert row["difference"] == pytest.approx(1 / 150, rel=1e-4) and row["low"] is None and row["high"] is None
    sign_test = stats.binomtest(seeds, seeds).pvalue
    assert row["p (Holm)"] == pytest.approx(sign_test)
    assert row["verdict"] == ("better" if sign_test < 0.05 else "tie")
    found = statistics.practice(test, test, higher_is_better=True, fixed=["a"], learned="b")
    assert found is not None and found["learned"]["low"] is None and found["better"]["low"] is None


def test_differences_of_rounding_alone_are_none():
    found = statistics.paired(np.full(7, 3e-8), True, size=0.4)
    assert found["verdict"] == "tie" and found["p"] == 1 and found["low"] == found["high"] == pytest.approx(3e-8)


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03 times 3, 2, 1 = 0.03, 0.04, 0.03; a corrected p-value is no smaller than the one before
    assert statistics.holm([0.03, 0.01, None, 0.02]) == pytest.approx([0.04, 0.03, None, 0.04])
    # 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04; nor is one more than 1
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.02, 0.6, 0.5]) == pytest.approx([1.0, 0.08, 1.0, 1.0])
    assert statistics.holm([0.02, 0.02]) == pytest.approx([0.04, 0.04])
    assert statistics.holm([None]) == [None] and statistics.holm([]) == []


def table(test, **options):
    validation = {loss: dict.fromkeys(values, 0.5) for loss, values in test.items()}
    return statistics.rows(test, validation, **(dict(higher_is_better=False, reference="a") | options))


def test_rows_are_ordered_and_pairs_are_paired_by_seed():
    rows = table({"a": {0: 0.5, 1: 0.7}, "b": {1: 0.6, 0: 0.41}, "c": {0: 0.6, 1: 0.81}})
    assert [row["loss"] for row in rows] == ["b", "a", "c"]
    assert rows[0]["difference"] == pytest.approx(-0.095)  # -0.09 and -0.1; unpaired it would have been spread
    assert [row["verdict"] for row in rows] == ["better", "reference", "worse"]
    assert [(row["won"], row["tied"], row["lost"]) for row in rows] == [(2, 0, 0), (1, 0, 1), (0, 0, 2)]
    assert rows[0]["std"] == pytest.approx(np.std([0.41, 0.6], ddof=1))


def test_diverged_losses_come_last_and_are_named():
    rows = table({"a": {0: 0.5, 1: 0.7}, "b": {0: 0.1, 1: float("nan")}, "c": {0: 0.6, 1: 0.65}})
    assert rows[-1]["loss"] == "b" and rows[-1]["verdict"] == "diverged (1 of 2)" and rows[-1]["test"] is None
    assert {row["loss"]: row["won"] for row in rows} == {"a": 1, "c": 1, "b": 0}
    alone = table({"a": {0: float("nan"), 1: 0.7}, "b": {0: 0.1, 1: 0.2}})
    assert [row["verdict"] for row in alone] == ["reference diverged", "diverged (1 of 2)"]


def test_higher_is_better_turns_the_order():
    rows = table({"a": {0: 0.5, 1: 0.7}, "b": {0: 0.4, 1: 0.61}}, higher_is_better=True)
    assert [row["loss"] for row in rows] == ["a", "b"] and rows[1]["verdict"] == "worse"


def test_bad_input():
    with pytest.raises(ValueError, match="reference is 'x', which is unknown; Known: a"):
        table({"a": {0: 0.5}}, reference="x")
    with pytest.raises(ValueError, match="no run of b"):
        table({"a": {0: 0.5}, "b": {}})


NAN = float("nan")
VALIDATION = {"a": {0: 0.3, 1: 0.4, 2: NAN}, "b": {0: 0.2, 1: 0.5, 2: 0.9}, "new": {0: 0.2, 1: 0.1, 2: NAN}}
TEST = {"a": {0: 0.31, 1: 0.41, 2: NAN}, "b": {0: 0.22, 1: 0.52, 2: 0.92}, "new": {0: 0.23, 1: 0.13, 2: NAN}}


def test_a_loss_is_chosen_on_validation_for_each_seed():
    among = ["a", "b", "new"]  # of equals the first; a run that diverged never
    assert statistics.chosen(VALIDATION, higher_is_better=False, among=among) == {0: "b", 1: "new", 2: "b"}
    assert statistics.chosen(VALIDATION, higher_is_better=True, among=among) == {0: "a", 1: "b", 2: "b"}
    late = VALIDATION | {"late": {1: 0.0}}
    assert statistics.chosen(late, higher_is_better=False, among=["a", "late"]) == {1: "late"}
    assert statistics.chosen(VALIDATION, higher_is_better=False, among=[]) == {}


def test_what_a_new_loss_adds_is_read_on_test_where_validation_chose():
    found = statistics.selection(TEST, VALIDATION, higher_is_better=False, known=["a", "b"])
    assert found["known"] == pytest.approx((0.22 + 0.41 + 0.92) / 3)
    assert found["all"] == pytest.approx((0.22 + 0.13 + 0.92) / 3)
    assert found["difference"] == pytest.approx(-0.28 / 3) and found["verdict"] == "tie"
    assert found["picked"] == {"b": 2, "new": 1}
    alone = statistics.selection(TEST, VALIDATION, higher_is_better=False, known=["a"])
    assert alone["known"] == pytest.approx(0.36)  # the seed on which it diverged is left out of both
    assert statistics.selection(TEST, VALIDATION, higher_is_better=False, known=[]) is None


def test_the_learned_loss_and_the_better_of_two_are_compared_with_the_best_fixed_loss_by_validation():
    validation = {"a": {0: 0.3, 1: 0.4, 2: 0.1}, "b": {0: 0.2, 1: 0.5, 2: 0.9}, "new": {0: 0.1, 1: 0.3, 2: 0.5}}
    test = {"a": {0: 0.31, 1: 0.41, 2: 0.11}, "b": {0: 0.22, 1: 0.52, 2: 0.92}, "new": {0: 0.12, 1: 0.43, 2: 0.5}}
    peer = {"peer": {0: 0.0, 1: 0.0, 2: 0.0}}  # neither fixed nor the learned loss: it is not in the question
    facts = dict(higher_is_better=False, fixed=["a", "b"], learned="new")
    found = statistics.practice(test | peer, validation | peer, **facts)
    assert found["loss"] == "new" and found["picked"] == {"a": 2, "b": 1}
    assert found["fixed"] == pytest.approx((0.22 + 0.41 + 0.11) / 3)
    differences = np.array([0.12 - 0.22, 0.43 - 0.41, 0.5 - 0.11])
    expected = statistics.paired(differences, False)
    assert {name: found["learned"][name] for name in expected} == pytest.approx(expected)
    assert found["learned"]["test"] == pytest.approx(1.05 / 3)
    expected = statistics.paired(differences * [1, 1, 0], False)  # for the last seed validation prefers the fixed loss
    assert {name: found["better"][name] for name in expected} == pytest.approx(expected)
    assert found["better"]["test"] == pytest.approx((0.12 + 0.43 + 0.11) / 3)
    assert (found["better"]["taken"], found["better"]["seeds"]) == (2, 3)
    assert statistics.practice(test, validation, **facts | {"fixed": []}) is None


def test_a_learned_loss_that_diverged_has_no_figures_of_its_own_and_is_not_taken():
    found = statistics.practice(TEST, VALIDATION, higher_is_better=False, fixed=["a", "b"], learned="new")
    assert found["learned"]["test"] is None and found["learned"]["verdict"] == "diverged (1 of 3)"
    assert found["better"]["taken"] == 1 and found["better"]["test"] == pytest.approx((0.22 + 0.13 + 0.92) / 3)


def test_false_wins_come_at_the_stated_rate():
    """2,000 comparisons of two losses that are the same but for chance: 5 % of the intervals exclude zero."""
    rng = np.random.default_rng(0)
    verdicts = [statistics.paired(rng.normal(size=5), False)["verdict"] for _ in range(2000)]
    wrong = sum(verdict != "tie" for verdict in verdicts)
    assert stats.binomtest(wrong, 2000, 0.05).pvalue > 0.01


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_false_wins_are_no_more_where_a_metric_takes_few_values(seeds):
    """The same of an error rate of 20 rows, where all seeds often differ by the same."""
    rng = np.random.default_rng(seeds)
    differences = np.subtract(*rng.binomial(20, 0.03, size=(2, 2000, seeds))) / 20
    wrong = sum(statistics.paired(difference, False)["verdict"] != "tie" for difference in differences)
    assert stats.binomtest(wrong, 2000, 0.05, alternative="greater").pvalue > 0.01

"""A plan makes every run once, in an order in which a chosen start is known when it is needed, whoever stops when."""

import itertools
import zlib

import pytest

from jaxsurr.comparison import plan as plans
from jaxsurr.comparison.plan import Plan
from jaxsurr.training import default_config, update
from jaxsurr.training.entries import key_of

OURS = "correlated_gradients?start=auto"
STARTS = {fixed: f"correlated_gradients?conventional={fixed}" for fixed in ("coral", "or_cnn", "corn")}
LOSSES = (OURS, "smoothed", *STARTS)  # the one that has to wait comes first


def plan_of(nested=True, trials=2, seeds=4, losses=LOSSES, higher=False):
    config = update(default_config(), seeds=seeds, trials=trials)
    return Plan(config, losses, nested, {OURS: STARTS})


def line(job, **fields):
    """A line of results with figures that follow from the run."""
    value = zlib.crc32(f"{job.setting} {job.seed}".encode()) % 1000 / 1000
    facts = {"key": job.key, "loss": job.loss, "setting": job.setting, "seed": job.seed, "purpose": job.purpose}
    return {**facts, "validation": value, "test": value, "diverged": False, "higher_is_better": False, **fields}


def carry_out(plan, done, number=None):
    """Makes the first group of what can be made, so many times, or until nothing is left; the jobs, group by group."""
    made = []
    while not plan.finished(done) and len(made) != number:
        group = next(plan.groups(done))
        assert not {job.key for job in group} & done.keys()
        for job in group:
            done[job.key] = plans.decided(job, STARTS, done) if job.of else line(job)
        made.append(group)
    return made


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("trials", [1, 3])
def test_every_run_is_made_once_and_the_start_is_chosen_for_each_seed(nested, trials):
    plan, done = plan_of(nested, trials), {}
    expected = plan.left(done)
    made = carry_out(plan, done)
    jobs = list(itertools.chain(*made))
    trained = [job for job in jobs if job.of is None]
    assert len({job.key for job in jobs}) == len(jobs) and plan.left(done) == 0
    assert len(trained) == expected if nested or trials == 1 else len(trained) <= expected
    values = {key: entry["validation"] for key, entry in done.items()}
    chosen = set()
    for seed in plan.seeds:
        fixed = min(STARTS, key=lambda loss, seed=seed: values[key_of("run", loss, seed)])
        pair = [key_of("run", fixed, seed), key_of("run", STARTS[fixed], seed)]
        entry = done[key_of("run", OURS, seed)]
        assert entry["validation"] == min(values[key] for key in pair)
        assert (entry["start"], entry["stayed"]) == (fixed, values[pair[0]] <= values[pair[1]])
        assert entry["starts"] == {loss: values[key_of("run", loss, seed)] for loss in STARTS}
        chosen.add(STARTS[fixed])
    assert len(chosen) > 1  # else this test would see no difference between seeds
    assert {job.loss for job in trained} - set(LOSSES) == chosen  # no learned loss is made for nothing
    if trials > 1:
        tuned = {(job.loss, job.seed) for job in trained if job.purpose == "tune" and job.loss in chosen}
        seeds = {(job.loss, job.seed if nested else 0) for job in trained if job.loss in chosen}
        assert tuned == seeds


@pytest.mark.parametrize("nested", [True, False])
def test_wherever_it_is_cut_off_it_ends_with_the_same_lines(nested):
    whole = {}
    groups = carry_out(plan_of(nested), whole)
    for number in range(len(groups)):
        done = {}
        carry_out(plan_of(nested), done, number)
        assert carry_out(plan_of(nested), done) == groups[number:]
        assert done == whole


def test_runs_that_are_there_already_are_not_made_again():
    done = {}
    carry_out(plan_of(losses=("smoothed", *STARTS)), done)
    before = set(done)
    jobs = list(itertools.chain(*carry_out(plan_of(), done)))
    assert not before & {job.key for job in jobs}
    assert {job.loss for job in jobs} <= {OURS, *STARTS.values()}


def test_a_run_that_diverged_is_neither_a_start_nor_counts_in_the_direction_of_the_metric():
    def entries(values, loss):
        facts = {"higher_is_better": True, "loss": loss, "history": []}
        return {
            key_of("run", loss, seed): facts | {"validation": value, "diverged": value is None}
            for seed, value in enumerate(values)
        }

    plan = plan_of(trials=1, seeds=3)
    done = entries([0.5, None, None], "coral") | entries([0.7, 0.1, None], "or_cnn") | entries([None] * 3, "corn")
    assert plan.begun(OURS, done) == {0: "or_cnn", 1: "or_cnn", 2: "coral"}
    done |= entries([0.6, 0.2, None], STARTS["or_cnn"]) | entries([None, None, None], STARTS["coral"])
    done |= entries([0.0] * 3, "smoothed")
    (group,) = plan.groups(done)
    lines = [plans.decided(job, STARTS, done) for job in group]
    assert [entry["stayed"] for entry in lines] == [True, False, True]
    assert [entry["validation"] for entry in lines] == [0.7, 0.2, None] and lines[2]["diverged"]


def test_a_setting_that_comes_twice_is_made_once():
    config = update(default_config(), seeds=2, trials=3)
    plan = Plan(config, ("cross_entropy?learning_rate=0.1",), nested=True)  # nothing is left to tune
    jobs = list(itertools.chain(*plan.groups({})))
    assert [job.seed for job in jobs] == [0, 1] and plan.left({}) == 4

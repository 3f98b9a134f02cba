"""README.md is one page, its code runs, its links resolve, its table of tasks and its commands fit the code."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import jaxsurr
from jaxsurr import losses, metrics, models, spaces
from jaxsurr.training.kinds import LOSS_HEADS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = (
    "README.md",
    "configs/README.md",
    "notebooks/README.md",
    "notebooks/results/README.md",
    ".github/CONTRIBUTING.md",
)
LABELS = jnp.arange(6) % 2
VISIBLE, SCALE = jnp.ones((6, 3)), jnp.full((6,), 2.0)
TASKS = {  # predictions and targets of the shapes that README's table states
    "classes": [(jnp.zeros((6, 2)), LABELS)],
    "example_costs": [(jnp.zeros((6, 3)), jnp.arange(18.0).reshape(6, 3) % 5)],
    "scores": [(jnp.zeros((6,)), LABELS), (jnp.zeros((6, 1)), LABELS), (jnp.zeros((6, 2)), LABELS)],
    "labels": [(jnp.zeros((6, 3)), (jnp.arange(18).reshape(6, 3) % 4 < 2).astype(int))],
    "levels": [(jnp.zeros((6, 4)), LABELS)],
    "keypoints": [(jnp.zeros((6, 3, 2)), jaxsurr.Keypoints(jnp.ones((6, 3, 2)), VISIBLE, SCALE))],
    "lists": [(jnp.zeros((6, 3)), jaxsurr.RankedLists(jnp.ones((6, 3)), VISIBLE))],
    "numbers": [
        (jnp.zeros((6,)), 0.5 + LABELS),
        (jnp.zeros((6, 1)), 0.5 + LABELS),
        (jnp.zeros((6, 3)), jnp.arange(18.0).reshape(6, 3)),
    ],
    "intervals": [(jnp.zeros((6, 2)), 0.5 + LABELS)],
    "durations": [(jnp.zeros((6,)), jaxsurr.Durations(1.0 + LABELS, LABELS)), (jnp.zeros((6,)), 1.0 + LABELS)],
    "pixels": [(jnp.zeros((6, 2, 2, 3)), jnp.ones((6, 2, 2), int))],
    "tokens": [(jnp.zeros((6, 4, 3)), jaxsurr.Sequences(jnp.ones((6, 4), int), jnp.full((6,), 2)))],
}
OTHER_SHAPES = {"cumulative", "coral", "conditional", "score", "heatmaps", "densities"}
"""Heads whose outputs are not of the shape that the table states."""


def bound(name, predictions):
    """The metric of this name, in the space of one logit where predictions are such."""
    metric = metrics.METRICS[name]
    alone = predictions[0].size == 1 and metric.space is spaces.class_logits
    return metric.bind(space=spaces.binary_scores) if alone else metric


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def tasks():
    """README's table of tasks: for each a list of the names in each column."""
    lines = README.read_text().split("## My task")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    head, _, *rest = rows
    return {
        row[0]: {name: re.findall(r"`([^`]+)`", cell) for name, cell in zip(head, row, strict=True)} for row in rest
    }


def anchors(page):
    """Anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_is_one_page():
    assert len(README.read_text().splitlines()) <= 150


def test_code_runs_and_the_metric_improves(tmp_path):
    source = "\n".join(blocks("python"))
    options = dict(capture_output=True, text=True, check=True, timeout=300, cwd=tmp_path)
    said = subprocess.run([sys.executable, "-c", source], **options).stdout.splitlines()
    before, after = (float(line.split()[2]) for line in said if line.startswith("training error"))
    assert after < before / 2
    assert any(line.startswith("own: correlation of the gradient 0.9") for line in said)


def test_commands_are_one_line_each_and_those_of_ci():
    text = README.read_text()
    commands = [block.strip() for block in blocks("bash")]
    assert len(commands) == 2
    for command, marker in zip(commands, ("run", "tests"), strict=True):
        assert "\n" not in command
        assert command.startswith("python3 -m venv ")
        assert f"<!-- {marker} -->\n```bash\n{command}\n```" in text
    assert "<!-- tests -->" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("tool", [r"ruff", r"pyright\[nodejs\]"])
def test_hooks_have_the_versions_of_ci(tool):
    version = re.search(rf"{tool}==([\d.]+)", (ROOT / ".ci" / "run").read_text())[1]
    assert f"rev: v{version}\n" in (ROOT / ".pre-commit-config.yaml").read_text()
    if "pyright" in tool:
        assert f"pyright[nodejs]=={version}'" in (ROOT / ".github" / "CONTRIBUTING.md").read_text()


def test_the_command_of_a_comparison_is_read_as_it_stands():
    from jaxsurr.training import default_config, update, validate

    (command,) = blocks("sh")
    fields = dict(re.findall(r"--config\.([\w.]+)=\"?([^\s\"]+)", command))
    chosen = re.search(r"--losses=(\S+)", command)[1].split(",")
    validate(update(default_config(), losses=tuple(chosen), seeds=5, **fields))


@pytest.mark.parametrize("name", PAGES)
def test_links_resolve(name):
    page = ROOT / name
    links = re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
        if target.suffix == ".png":
            assert target.read_bytes().startswith(b"\x89PNG")


def named(name):
    """What has this name, a module (not imported: commands define flags) or something in one, or None."""
    module, _, last = name.rpartition(".")
    return importlib.util.find_spec(name) or getattr(importlib.import_module(module), last, None)


def test_the_guide_names_what_there_is():
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    code = [path.read_text() for folder in ("jaxsurr", "tests") for path in (ROOT / folder).rglob("*.py")]
    for name in re.findall(r"`([^`\s]+)`", text):
        if "/" in name and "<" not in name:
            assert (ROOT / name).exists(), name
        elif re.fullmatch(r"jaxsurr(\.\w+)+", name):
            assert named(name) is not None, name
        elif re.fullmatch(r"_?[A-Z][A-Z_]+", name):
            assert any(re.search(rf"^{name}\b", source, re.MULTILINE) for source in code), name


def test_tasks_are_those_of_the_code():
    assert list(tasks()) == list(TASKS)


def test_every_metric_and_loss_has_a_task():
    found = tasks().values()
    assert {name for row in found for name in row["metrics"]} == set(metrics.METRICS)
    assert {name for row in found for name in row["fixed losses"]} == set(losses.LOSSES)
    assert {name for row in found for name in row["head"]} == set(models.HEADS)


@pytest.mark.parametrize("task", list(TASKS))
def test_a_task_has_the_metrics_losses_space_and_heads_that_its_row_says(task):
    row = tasks()[task]
    known = [name for name in row["space"] if name in spaces.SPACES]
    for name in row["metrics"]:
        assert metrics.METRICS[name].space.name in known
    for predictions, targets in TASKS[task]:
        for name in row["metrics"]:
            metric = bound(name, predictions)
            metric.space.check(predictions, targets)
            assert jnp.isfinite(jax.jit(metric.mean)(predictions, targets)), name
        for name in row["fixed losses"]:
            assert losses.KIND[name] == task
            assert set(LOSS_HEADS[name]) & set(row["head"])
            if not set(LOSS_HEADS[name]) <= OTHER_SHAPES:
                loss = jax.jit(losses.get(name))(predictions, targets)
                assert loss.shape == (6,), name
    for head in row["head"]:
        assert task in models.HEADS[head].kinds
    assert bool(row["head"]) == any(task in head.kinds for head in models.HEADS.values())


def test_predictions_of_a_task_serve_a_learned_loss():
    for task, examples in TASKS.items():
        for predictions, targets in examples:
            metric = bound(tasks()[task]["metrics"][0], predictions)
            surrogate = jaxsurr.correlated_gradients(metric, num_pairs=2)
            state = jax.eval_shape(lambda z, y, s=surrogate: s.init(jax.random.key(0), z, y), predictions, targets)
            jax.eval_shape(surrogate.loss, state, predictions, targets)

"""A metric, a space, a family, a learned baseline are a new file, a loss is a function: `.github/CONTRIBUTING.md`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jaxsurr

PACKAGE = Path(jaxsurr.__file__).parent

FILES = {
    "spaces/certainties.py": '''
"""Log odds of each class against all others, independent of each other."""

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.targets import check_classes
from jaxsurr.core.types import Space
from jaxsurr.spaces.invariance import unit_one

__all__ = ["class_odds"]


def _margins(predictions, targets, scale):
    sign = jnp.where(jnp.arange(predictions.shape[1])[None] == targets[:, None], 1.0, -1.0)
    margins = sign * predictions / scale
    return margins[..., None], jnp.full_like(margins, 1 / predictions.shape[1])


def _sample(key, rows, size):
    own, other = jax.random.split(key)
    return jax.random.normal(own, (rows, size)), jax.random.randint(other, (rows,), 0, size)


class_odds = Space(
    name="class_odds",
    unit=unit_one,
    squared_size=lambda predictions, targets: jnp.mean(predictions**2, axis=-1),
    project=lambda noise: noise,
    features=_margins,
    margins=_margins,
    margin_range=(-4.0, 4.0),
    losses=lambda predictions, targets, scale: losses.cross_entropy(predictions, targets)[:, None],
    check=check_classes,
    sample=_sample,
    scale_free=True,
)
''',
    "metrics/certainties.py": '''
"""Errors that are made with certainty."""

import jax.numpy as jnp

from jaxsurr.core.reading import checked, of_examples
from jaxsurr.metrics.base import metric
from jaxsurr.spaces import class_odds

__all__ = ["sure_error"]


@metric(higher_is_better=False, space=class_odds)
def sure_error(predictions, targets, *, where=None, above: float = 0.0):
    """Whether another class than the true one has log odds above a bound; lower is better."""
    z, labels, wrong = checked(class_odds.check, predictions, targets)
    other = jnp.arange(z.shape[1])[None] != labels[:, None]
    return of_examples(jnp.any(other & (z > above), axis=1).astype(z.dtype), where, wrong)
''',
    "surrogates/families/straight.py": '''
"""Functions that are linear in the features."""

import jax.numpy as jnp

from jaxsurr.surrogates.families.base import Named
from jaxsurr.surrogates.families.trained import trained_family

__all__ = ["NAMED", "straight_family"]


def straight_family(space, **learned):
    """The family of functions that are linear in the features of a space."""

    def init(key, view, scale, metrics):
        features, _ = space.features(view.predictions, view.targets, scale)
        return jnp.zeros((features.shape[-1], metrics))

    def apply(params, predictions, targets, scale, metrics, where, power=None):
        features, weights = space.features(predictions, targets, scale)
        return jnp.einsum("bi,bif,fm->bm", weights, features, params)

    return trained_family(init, apply, **learned)


NAMED = {"straight": Named(lambda metric, space, *, network, **learned: straight_family(space, **learned))}
''',
    "surrogates/peers/pulled.py": '''
"""A loss that pulls predictions to zero, whatever the metric."""

import jax.numpy as jnp

from jaxsurr.metrics.base import as_metric
from jaxsurr.core.types import Info
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.surrogates.description import described
from jaxsurr.surrogates.sound import of_sound_batches

__all__ = ["pulled"]


@described
def pulled(metric, *, strength: float = 1.0):
    """`strength |z|^2 / 2`."""
    space = as_metric(metric).space

    def loss(state, predictions, targets, where=None, *, axis_name=None):
        each = state * strength * jnp.sum(predictions**2, axis=-1) / 2
        return each if where is None else jnp.where(where, each, 0)

    def update(state, key, predictions, targets, where=None, **more):
        return state, Info.unknown()

    return of_sound_batches(
        lambda *batch: prepared(space, *batch), lambda key, *batch: jnp.ones(()), loss, update
    )
''',
}

LOSS = '''

__all__ += ["doubled"]


def doubled(predictions, targets, *, where=None, factor: float = 2.0):
    """Cross-entropy times a factor."""
    return factor * cross_entropy(predictions, targets, where=where)
'''

PROGRAM = """
import json, sys
import jax, jax.numpy as jnp
import jaxsurr
from tests.long import properties
from jaxsurr.training import default_config, run, update

place = sys.argv[1]
small = {"epochs": 2, "warm_epochs": 1, "model.name": "linear", "data.limit": 200, "surrogate.burn_in": 1}
fields = {"metric": "sure_error?above=0.5", **small}
losses = {
    "metric": "correlated_gradients?relative_scale=0.5", "loss": "doubled?factor=3", "peer": "pulled?strength=2",
    "family": "correlated_gradients?family=straight",
}
results = {name: run(update(default_config(), **fields | {"loss": loss}), workdir=place + "/" + name)
           for name, loss in losses.items()}

surrogate, state, card = jaxsurr.fit("sure_error", key=jax.random.key(0), steps=2, sizes=3, pairs=4)
jaxsurr.save(place + "/sure.jaxsurr", surrogate, state, card=card)
loaded, again = jaxsurr.load(place + "/sure.jaxsurr")[:2]
z, y = jaxsurr.sample(jaxsurr.spaces.class_odds, jax.random.key(1), 6, 3)
kept = [jaxsurr.frozen(*pair)(z, y) for pair in ((surrogate, state), (loaded, again))]
case = next(case for case in properties.cases() if case.name == "sure_error")
pull = jaxsurr.surrogates.pulled(jaxsurr.metrics.sure_error, strength=2.0)
jaxsurr.save(place + "/pulled.jaxsurr", pull, pull.init(jax.random.key(0), z, y))
made = jaxsurr.load(place + "/pulled.jaxsurr")[0]
print(json.dumps({
    "phases": [entry["phase"] for entry in results["metric"]["history"]],
    "metrics": [one["metric"] for one in results.values()],
    "finite": all(jnp.isfinite(one[part]) for one in results.values() for part in ("validation", "test")),
    "kept": [made.settings["method"], made.settings["options"]],
    "follows": card["follows_scale"],
    "same": kept[0].tolist() == kept[1].tolist(),
    "inputs": properties.examine(case, 12),
}, default=bool))
"""


def test_what_the_recipes_name_is_all_that_is_needed(tmp_path):
    copy = tmp_path / "code" / "jaxsurr"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.jaxsurr"))
    for name, text in FILES.items():
        (copy / name).write_text(text)
    with open(copy / "losses" / "classes.py", "a") as file:
        file.write(LOSS)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(copy.parent), str(Path(__file__).resolve().parents[1])])},
        cwd=copy.parent,  # which comes first where modules are looked for
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "phases": ["conventional", "surrogate"],
        "metrics": ["sure_error(above=0.5)"] * 4,
        "finite": True,
        "kept": ["pulled", {"strength": 2.0}],
        "follows": True,
        "same": True,
        "inputs": {"name": "sure_error", "metric": "sure_error", "inputs": 12, "failures": 0},
    }

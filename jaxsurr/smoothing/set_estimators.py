"""How a metric of sets changes when its predictions are perturbed: one difference for each example.

The gradient of a smoothed set metric `m_s(z) = E m(z + s e)` with respect to prediction i is `E [m(z + s e) -
m(z - s e)] e_i / (2 s)`. There are n examples of d coordinates.

Where all examples move at once, one difference stands for each. Its size comes from all n examples, a single one's part
in it from one: with P pairs the expected squared cosine with the true gradient is about `P / (P + n d - 1)`, so that
the noise over the signal of each example grows with n. Estimators differ in what they do about it.

"groups"
  The set is dealt into random groups of m examples, for each pair again and evenly by class where targets are labels. A
  group has a metric of its own, whose difference stands for its members and counts as the group's share of the set:
  about `P / (P + m d - 1)`, whatever n, for the price of one metric of a set for each sign. What it costs is bias: it
  is the gradient of the metric of a group of m, not of n; they differ by `O(1/m)` for a smooth function of shares, and
  by more where a class is so rare that a group often lacks it. A set of less than 2 m examples is one group. Any
  function will do, also one that depends on the order of the examples where all are one group.

"replace"
  Each example's own difference: the metric of the perturbed set less that of the same set in which this example alone
  has its opposite noise. That is the expectation of the first estimator given an example's noise and its opposite, so
  without bias (Rao-Blackwell): the differences that others cause are left out, not averaged out. About `P / (P + d -
  1)`, whatever n, as for a metric of examples. It needs a metric that knows `replacements`, as all sums over examples
  and all orders do at the price of a few metrics of the set.

"functions"
  All examples move along one function of prediction and target (`jaxsurr.smoothing.function_directions`), as the
  gradient of a metric that does not depend on the order of examples is one. About `P / (P + J - 1)` for J functions,
  whatever n and d, and better where the solution carries over from update to update. Any function of the examples will
  do; what the J functions do not span is not seen.

"auto" is the first of "replace", "functions" and "groups" that there is. The scaling is what linear metrics have
exactly; `python -m jaxsurr.benchmarks.set_fidelity` measures it. The estimators are this library's own arrangement of
known parts (conditional expectation, random grouping).
"""

import jax
import jax.numpy as jnp

from jaxsurr.core import checks, renamed
from jaxsurr.core.reductions import masked, safe_divide, valid
from jaxsurr.core.types import Array, PyTree
from jaxsurr.metrics.base import Metric

__all__ = [
    "ESTIMATORS", "GROUP_SIZE", "check_estimator", "choose_estimator", "grouped", "groups", "one_group", "replaced",
]  # fmt: skip

ESTIMATORS = ("auto", "replace", "functions", "groups")
GROUP_SIZE = 32
_VALUES = 2  # pairs of a chunk in which the value of the whole set is taken, where gradients come from groups


def check_estimator(estimator: str, group_size: int) -> None:
    """Refuses a name that is unknown, and groups of no example."""
    checks.one_of(renamed.word("estimator", estimator, warn=True), "estimator", ESTIMATORS)
    checks.positive_integer(group_size, "group_size")


def choose_estimator(estimator: str, metric: Metric, atoms: int = 0) -> str:
    """The estimator that is meant for a metric of sets.

    Args:
      estimator: as it was asked for.
      metric: of sets.
      atoms: functions that "functions" has for such predictions; 0 where it has none for them.

    Raises:
      ValueError: "replace" is asked for, and the metric does not know `replacements`; or "functions", and there are
        none.
    """
    if estimator == "functions" and not atoms:
        raise ValueError(
            f"estimator='functions' has too many functions to fit for predictions of {metric.name} with so many "
            "classes, levels or groups; use 'groups'."
        )
    if estimator == "replace" and not metric.replaces:
        raise ValueError(
            f"estimator='replace' needs a metric that takes replacements=, and {metric.name} does not; use 'groups'."
        )
    if estimator != "auto":
        return renamed.word("estimator", estimator, warn=False)
    if metric.replaces:
        return "replace"
    return "functions" if atoms else "groups"


def one_group(batch: int, group_size: int) -> bool:
    """Whether a set of so many examples is a single group."""
    return batch < 2 * group_size


def replaced(metric: Metric, above: Array, below: Array, targets: PyTree, where: Array | None) -> tuple[Array, Array]:
    """Values of perturbed sets, and the difference that each example makes alone.

    Args:
      metric: of sets, which knows `replacements`.
      above, below: `[C, B, ...]`, predictions with the noise of C pairs and with its opposite.
      targets: what the metric reads.
      where: `[B]` bool, or None.

    Returns:
      `[C]` or `[C, M]` means of the values of both sets; `[C, B]` or `[C, B, M]` differences, above less below.
    """

    def one(high, low):
        up, down = metric(high, targets, where=where), metric(low, targets, where=where)
        falls = up[None] - metric(high, targets, where=where, replacements=low)
        rises = metric(low, targets, where=where, replacements=high) - down[None]
        return (up + down) / 2, (falls + rises) / 2

    return jax.vmap(one)(above, below)


def groups(key: Array, targets: PyTree, where: Array | None, batch: int, group_size: int) -> tuple[Array, Array]:
    """Deals the examples into random groups, evenly by class where targets are integer labels.

    Args:
      key: typed.
      targets: of the examples.
      where: `[B]` bool; examples that do not count are dealt evenly too.
      batch: B.
      group_size: about how many examples a group has; none has fewer than all have where B is smaller.

    Returns:
      `[G, m]` indices of the examples and `[G, m]` bool, whether a place is taken. Every example has one place.
    """
    number = max(1, batch // group_size)
    size = -(-batch // number)
    keys = [jax.random.uniform(key, (batch,))]
    if hasattr(targets, "ndim") and targets.ndim == 1 and jnp.issubdtype(targets.dtype, jnp.integer):
        keys.append(targets)
    if where is not None:
        keys.append(~valid(where))
    order = jnp.pad(jnp.lexsort(keys), (0, number * size - batch))
    taken = jnp.arange(number * size) < batch
    return order.reshape(size, number).T, taken.reshape(size, number).T


def grouped(
    metric: Metric,
    keys: Array,
    above: Array,
    below: Array,
    targets: PyTree,
    where: Array | None,
    group_size: int,
) -> tuple[Array, Array]:
    """Values of perturbed sets, and the difference that each example's group makes, as its share of the set.

    Arguments and result as for `replaced`, with `keys` `[C]` of the groups of each pair; values are those of the first
    pairs.
    """
    batch = above.shape[1]
    counts = jnp.ones((batch,), bool) if where is None else where
    total = jnp.sum(counts, dtype=above.dtype)

    def one(key, high, low):
        members, taken = groups(key, targets, where, batch, group_size)

        def of_group(index, here):
            wanted = jax.tree.map(lambda leaf: jnp.asarray(leaf)[index], targets)
            up, down = (metric(z[index], wanted, where=here) for z in (high, low))
            return safe_divide((up - down) * jnp.sum(here, dtype=up.dtype), total)

        difference = jax.vmap(of_group)(members, masked(counts[members], taken))
        each = jnp.broadcast_to(difference[:, None], (*members.shape, *difference.shape[1:]))
        each = jnp.where(taken.reshape(*taken.shape, *(1,) * (each.ndim - 2)), each, 0)
        return jnp.zeros((batch, *difference.shape[1:]), each.dtype).at[members].add(each)

    differences = jax.vmap(one)(keys, above, below)
    few = jnp.concatenate([above[:_VALUES], below[:_VALUES]])
    value = jnp.mean(jax.vmap(lambda z: metric(z, targets, where=where))(few), axis=0)
    return jnp.broadcast_to(value[None], (len(above), *value.shape)), differences

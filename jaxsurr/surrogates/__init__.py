"""Surrogate losses, one method a file, each a `Surrogate(init, loss, update)` of pure functions.

The method of `correlated_gradients`, with predictions `z = f(x; theta)` of a model, targets `y`, a metric `m(z, y)` and
a surrogate `S(z, y; phi)`:

1. **Smoothed metric.** `m` is piecewise constant in `z`, so it is averaged over Gaussian noise: `m_s(z) = E m(z + s e)`
   with `e ~ N(0, I)`. Its gradient is estimated from P antithetic pairs, `g = sum_p (m(z + s e_p) - m(z - s e_p)) e_p /
   (2 s P)`, in prediction space; no model is evaluated for it. In d dimensions P pairs give an expected squared cosine
   with the true gradient of about `P / (P + d - 1)`. `Info.ceiling`, the expected cosine, is estimated from the two
   halves of the pairs. (`jaxsurr.smoothing`.)
2. **Objective.** S minimises `w E (S - m_s)^2 / Var(m_s) + 1 - corr(grad_z S, g)` at the model's current predictions,
   with noise of one smoothing scale added. The correlation is the cosine over all coordinates of the batch, or
   Pearson's. Of M metrics at once (`[..., M]`) the Jacobian is taken by `jax.jacrev`, and each is correlated alone.
3. **Calibration.** A correlation does not fix the size of the gradient. S is multiplied by running averages of `<grad
   S, g> / <grad S, grad S>`, so that its gradient has the size of the metric's.
4. **Smoothing scale.** `s` is `relative_scale` times the spread (standard deviation) of the predictions when S begins
   to learn, and is then kept. `jaxsurr.matched_scale` chooses it from data: it is the scale at which the smoothed
   metric of training rows equals the metric of validation rows, because a metric is better on training rows, as if
   predictions for other rows were perturbed. In configs `surrogate.relative_scale=0` does so.
5. **Features.** The prediction space (`jaxsurr.spaces`) says what S reads of a prediction, in units of s: for classes
   the margins to soft maxima of the other classes, permutation-invariant in the classes; for levels one item for each
   threshold between levels; for keypoints distances; or the numbers themselves (`generic`).
6. **Families.** The log odds u_i of the decisions that a metric counts (a class, a threshold, a keypoint): a part that
   rises in the margins and a small network, trained by Adam, with `S = sum_i w_i A_i (1 - a_i)`, `a_i = sigmoid(u_i)`;
   where there are no decisions, a network for the value; for a metric of sets *counts*, linear in soft counts of the
   set, by least squares, or a deep set, where there are too many counts or for a surrogate that is learned once and
   kept; a *basis*, `S = sum_j a_j s_j` with `a_j >= 0`, of bounded monotone functions of the margins and fixed losses,
   solved in closed form as non-negative least squares from running Gram matrices; a *kernel*, the same with functions
   centred at remembered predictions.
7. **Where gradients are compared.** In prediction space; or in parameter space (`objective="parameters"`): the model's
   gradient of S on training examples against the metric's gradient on held-out examples, through the parameters of the
   last layer or of all layers.
8. **From likelihood to metric.** The slope of the smoothed metric vanishes for examples that are far wrong, and so the
   training metric itself ends higher than a likelihood leaves it. The loss of decisions has `(1 - a_i^q) / q` in place
   of `1 - a_i`: the likelihood `-log a_i` at q = 0, the metric at q = 1. q is the `power` of the state; a schedule
   moves it while the model trains. At the natural scale and q = 0 the loss of the error rate is cross-entropy, at a
   fixed q the generalised cross-entropy, and that of the mean absolute error by thresholds OR-CNN's.
   (`jaxsurr.surrogates.families.decisions`.)
9. **Bilevel step** (`jaxsurr.bilevel`). An update of S, then a step of the model on S, in one pure function. On many
   devices the result is that of one device, because the noise of an example is a function of its index.

The idea, a surrogate that approximates the metric and whose gradients correlate with the metric's, is from the abstract
of Yoa, Park and Kim, Learning Non-Parametric Surrogate Losses with Correlated Gradients, IEEE Access 9, 2021. Only the
abstract was at hand; the estimator, the ceiling, networks, features, basis, calibration, scale and schedule are this
library's own. `notebooks/method.ipynb` checks each formula.

The three functions can be called anywhere. Inside `jax.jit` they are part of what is compiled there. In a loop that is
not compiled they look at the values of a batch first, refuse what cannot be in words, and then compile themselves. On
a CPU `jax.jit(step, compiler_options=jaxsurr.compiler_options())` compiles a step of one's own in less time.

The other learned losses here are baselines: `value_fit`, `smoothed`, and the earlier methods `embedding`, `relational`,
`interpolation` and `set_value_fit`. `conventional` makes a `Surrogate` of a fixed loss.
"""

from collections.abc import Callable
from typing import Any

from jaxsurr.core.types import Surrogate
from jaxsurr.smoothing.goal import Estimation
from jaxsurr.surrogates.conventional import conventional
from jaxsurr.surrogates.correlated_gradients import correlated_gradients
from jaxsurr.surrogates.peers import LIKELIHOODS, PEERS
from jaxsurr.surrogates.peers.embedding import embedding
from jaxsurr.surrogates.peers.interpolation import interpolation
from jaxsurr.surrogates.peers.relational import relational
from jaxsurr.surrogates.peers.residual_likelihood import residual_likelihood
from jaxsurr.surrogates.peers.set_value_fit import set_value_fit
from jaxsurr.surrogates.smoothed import smoothed
from jaxsurr.surrogates.state import SurrogateState
from jaxsurr.surrogates.value_fit import value_fit

METHODS: dict[str, Callable[..., Surrogate]] = {
    method.__name__: method for method in (conventional, correlated_gradients, smoothed, value_fit, *PEERS.values())
}
"""Methods whose surrogates say what they are, and so can be kept in a file."""

__all__ = [
    "METHODS",
    "Estimation",
    "SurrogateState",
    "conventional",
    "correlated_gradients",
    "embedding",
    "interpolation",
    "relational",
    "residual_likelihood",
    "set_value_fit",
    "smoothed",
    "value_fit",
]


def __getattr__(name: str) -> Any:
    """Methods of new files in `jaxsurr.surrogates.peers`."""
    if name not in (found := PEERS | LIKELIHOODS):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found[name]

"""Metrics of whole sets and of ranked lists, on a table with ordered levels: F1, AUC, kappa, NDCG.

  python -m jaxsurr.compare --config=configs/sets_and_lists.py:SETTING --config.data.source="csv:FILE?target=NAME..."

each with another --workdir. SETTING is one of
  f_beta, average_precision, roc_auc
      of a rare class: with `&at_least=6` in the source the levels from 6 on are class 1
  quadratic_weighted_kappa
      of the levels
  ndcg
      of lists: `&list_size=16` assigns rows to lists of 16 at random; `&list=COLUMN` where the table has lists

Where a metric depends on a threshold, losses are compared with and without tuning it on validation.
Cost and results: `configs/README.md`, `notebooks/results/README.md`.
"""

from jaxsurr.training import default_config, update

TUNED = "?tune_threshold=True"
OURS = ("correlated_gradients", "correlated_gradients?fallback=True")
BOTH = ("correlated_gradients", f"correlated_gradients{TUNED}", "correlated_gradients?fallback=True")
LOSSES = {
    "f_beta": ("cross_entropy", f"cross_entropy{TUNED}", "soft_f_beta", f"soft_f_beta{TUNED}", *BOTH),
    "average_precision": ("cross_entropy", "smooth_average_precision", "pairwise_auc", *OURS),
    "roc_auc": ("cross_entropy", "pairwise_auc", "auc_margin", *OURS),
    "quadratic_weighted_kappa": (
        *("squared_emd", f"squared_emd{TUNED}", "cross_entropy", f"cross_entropy{TUNED}"),
        *("quadratic_weighted_kappa", f"quadratic_weighted_kappa{TUNED}", *BOTH),
    ),
    "ndcg": ("list_softmax", "list_logistic", *OURS),
}


def get_config(setting: str = "f_beta"):
    if setting not in LOSSES:
        raise ValueError(f"the setting is {setting!r}; there are {', '.join(map(repr, LOSSES))}.")
    return update(
        default_config(),
        metric=setting,
        conventional=LOSSES[setting][0],
        losses=LOSSES[setting],
        seeds=5,
        trials=2,
        epochs=60,
        batch_size=32 if setting == "ndcg" else 256,
        learning_rate=3e-3,
        **{"data.source": "csv:FILE?target=response", "surrogate.burn_in": 50},
        **{"model.name": "mlp", "model.hidden": (64,)},
    )

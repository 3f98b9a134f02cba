"""Every config that comes with the source loads, is valid, and runs when it is made small."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from jaxsurr.comparison import study
from jaxsurr.core.spec import parse_spec
from jaxsurr.training import update, validate
from jaxsurr.training.config import warm_epochs

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
FILES = sorted((ROOT / "configs").glob("*.py"))
SHARED = {  # what stands for FILE or FILES in the source of a config that reads files
    "fashion_mnist": "fashion_mnist",
    "cifar10": "cifar/cifar10_subset.npz",
    "utkface": "utkface/utkface_gray48.npz",
    "ordinal_table": "ordinal_tabular/abalone.csv",
    "lsp_pose": "lspet/lspet_gray64.npz",
    "sets_and_lists": "ordinal_tabular/abalone_ord.csv",
}
SETTINGS = {name: ("cpu", "full") for name in SHARED} | {
    "fashion_mnist": ("noisy_linear", "clean_linear", "clean_cnn", "full"),
    "ordinal_table": ("cpu", "linear", "full"),
    "sets_and_lists": ("f_beta", "average_precision", "roc_auc", "quadratic_weighted_kappa", "ndcg"),
}
# What the source of a setting needs besides.
ENDS = dict.fromkeys(("f_beta", "average_precision", "roc_auc"), "&at_least=4") | {"ndcg": "&list_size=8"}
CASES = [(path, setting) for path in FILES for setting in SETTINGS.get(path.stem, (None,))]
SMALL = [(path, setting) for path, setting in CASES if setting != "full"]  # ResNet-20 compiles for too long
NAMES = [path.stem + (f":{setting}" if setting else "") for path, setting in CASES]


def module_of(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def config_of(path, setting):
    return module_of(path).get_config(*([setting] if setting else []))


@pytest.mark.parametrize(("path", "setting"), CASES, ids=NAMES)
def test_config_is_valid_and_compares_seeds(path, setting):
    config = config_of(path, setting)
    validate(config)
    assert config.seeds >= 5
    assert "correlated_gradients" in {parse_spec(loss)[0] for loss in config.losses}
    assert config.conventional in ("", config.losses[0])  # where it is not named it is the usual one
    assert 0 < warm_epochs(config) < config.epochs


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_docstring_says_command_and_where_cost_and_results_are(path):
    text = module_of(path).__doc__
    assert f"--config=configs/{path.name}" in text
    assert "Cost and results: `configs/README.md`" in text


@pytest.mark.parametrize(("path", "setting"), SMALL, ids=[NAMES[CASES.index(case)] for case in SMALL])
@pytest.mark.filterwarnings("ignore:.*have rows to validate or test on:UserWarning")  # of 100 rows
def test_a_small_copy_runs(path, setting, tmp_path):
    files = DATA / SHARED.get(path.stem, "")
    if path.stem in SHARED and not files.exists():
        pytest.skip(f"{SHARED[path.stem]} is not in ../shared/data")
    config = config_of(path, setting)
    source = config.data.source.replace("n=4000", "n=120").replace("FILES", str(files)).replace("FILE", str(files))
    small = {
        "data.source": source + ENDS.get(setting, ""),
        "data.limit": 100,
        "surrogate.num_pairs": 2,
        "surrogate.burn_in": 0,
    }
    losses = (config.losses[0], "correlated_gradients")
    update(config, losses=losses, seeds=1, epochs=2, warm_epochs=1, batch_size=32, devices=1, **small)
    outcome = study(config, tmp_path)
    assert {row["loss"] for row in outcome["rows"]} == set(losses)
    for result in outcome["runs"]:
        assert len(result["history"]) == 2
        assert np.isfinite(result["test"])
    assert -1 <= outcome["runs"][1]["gradient_correlation"] <= 1


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValueError, match="'noisy_linear', 'clean_linear', 'clean_cnn' and 'full'"):
        config_of(ROOT / "configs" / "fashion_mnist.py", "noisy")

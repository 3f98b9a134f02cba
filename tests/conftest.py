"""What holds for every test."""

import ctypes
import doctest
import gc
import importlib.metadata
import inspect
import math
import os
import runpy
import shutil
import sys
import tempfile

# Tests compile many small programs and run each once or twice. Optimising less halves the time of a compilation, and
# without the newer emitters of fused loops it is a third of that; a program in one piece instead of 32 saves a quarter
# of the rest. XLA ends the process on a flag that it does not know.
os.environ["XLA_FLAGS"] = " ".join(
    [os.environ.get("XLA_FLAGS", ""), "--xla_backend_optimization_level=0"]
    + ["--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1"]
    * importlib.metadata.version("jaxlib").startswith("0.10.")
).strip()

# Workers, notebooks and launched commands compile much that one of them has compiled before. Workers inherit the place.
os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ.get("JAX_COMPILATION_CACHE_DIR") or tempfile.mkdtemp(
    "", "jaxsurr-tests-"
)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import jax
import pytest
from absl import app, flags

from tests.quick.sitecustomize import context

_of_module = doctest.DocTestFinder._from_module


def _also_decorated(finder, module, found):
    """Examples of functions that are decorated, and of metrics, would be passed over: they seem to be elsewhere."""
    return _of_module(finder, module, inspect.unwrap(found) if callable(found) else found)


doctest.DocTestFinder._from_module = _also_decorated


def pytest_unconfigure(config):
    """Removes the cache, where it is one of ours and no worker is in need of it."""
    place = os.environ["JAX_COMPILATION_CACHE_DIR"]
    if not hasattr(config, "workerinput") and os.path.basename(place).startswith("jaxsurr-tests-"):
        shutil.rmtree(place, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file is one worker's: what its tests share is made and compiled once. Notebooks share nothing and come last."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return nodeid if "test_notebooks.py" in nodeid else super()._split_scope(nodeid)

    return Scheduling(config, log)


def _resident():
    """Bytes of memory that this process holds, on Linux."""
    if sys.platform != "linux":
        return math.inf
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


_cleared = 0  # bytes held after programs were forgotten


def pytest_collection_finish():
    """What is imported by now stays: later searches for cycles pass it over."""
    global _cleared
    gc.collect()
    gc.freeze()
    _cleared = _resident()


@pytest.fixture(scope="module", autouse=True)
def rank_promotion_is_an_error():
    """An axis that broadcasts must be written out: silent rank promotion hides transposed batches."""
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_go():
    """Programs are forgotten and their memory goes back whenever half a gigabyte is held by more of them."""
    global _cleared
    yield
    if _resident() < _cleared + 2**29:
        return
    jax.clear_caches()
    if context is not None:
        context.cache_clear()
    gc.collect()
    if sys.platform == "linux":  # which keeps what was freed in pieces
        ctypes.CDLL(None).malloc_trim(0)
    _cleared = _resident()


@pytest.fixture
def launch(monkeypatch, capsys, tmp_path):
    """`launch(*arguments, module="jaxsurr") -> (exit code, standard output, standard error)`, in this process."""
    monkeypatch.chdir(tmp_path)

    def own():
        """The flags of programs, other than those that absl gives to each."""
        defines = flags.FLAGS.find_module_defining_flag
        return {name: flags.FLAGS[name] for name in flags.FLAGS if defines(name) not in ("absl.app", "absl.logging")}

    def without(names):
        for name in names:
            flags.FLAGS.__delattr__(name)
        flags.FLAGS.unparse_flags()

    def launched(*arguments, module="jaxsurr"):
        others = own()  # of modules that other tests import: two programs may each have a flag of the same name
        without(others)
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        for once in (app._run_init, app._register_and_parse_flags_with_usage):  # as in a process of its own
            monkeypatch.setattr(once, "done", False)
        for read in ("config_config", "jaxsurr.__main__"):  # a config file, and flags, that were read before
            sys.modules.pop(read, None)
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                runpy.run_module(module, run_name="__main__", alter_sys=True)
        finally:
            without(own())
            for name, flag in others.items():
                flags.FLAGS[name] = flag
        code = ended.value.code
        return 0 if code is None else code, *capsys.readouterr()

    yield launched

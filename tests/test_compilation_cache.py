"""The folder of compiled programs: where it is, who is kept out, and that results do not depend on it."""

import hashlib
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxsurr import compilation_cache
from jaxsurr.compilation_cache import usual_folder

NAMES = (
    "jax_enable_compilation_cache",
    "jax_compilation_cache_dir",
    "jax_compilation_cache_max_size",
    "jax_persistent_cache_min_compile_time_secs",
)


@pytest.fixture
def settings():
    """The settings of JAX without a cache, put back after the test; gives a function that reads them."""
    before = {name: getattr(jax.config, name) for name in NAMES}
    jax.config.update("jax_compilation_cache_dir", None)
    with warnings.catch_warnings():
        yield lambda: {name: getattr(jax.config, name) for name in NAMES}
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_usual_folder_is_that_of_the_system(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert usual_folder({}, "linux") == Path("/home/me/.cache/jaxsurr/compiled")
    assert usual_folder({"XDG_CACHE_HOME": "here"}, "linux") == Path("/home/me/.cache/jaxsurr/compiled")  # not absolute
    assert usual_folder({}, "darwin") == Path("/home/me/Library/Caches/jaxsurr/compiled")
    assert usual_folder({}, "win32") == Path("/home/me/AppData/Local/jaxsurr/compiled")
    assert usual_folder({"LOCALAPPDATA": "/local"}, "win32") == Path("/local/jaxsurr/compiled")


def test_the_folder_is_made_for_the_user_alone_and_said(settings, tmp_path):
    said = compilation_cache.use(None, {"XDG_CACHE_HOME": str(tmp_path)})
    folder = tmp_path / "jaxsurr" / "compiled"
    assert said.startswith(f"Compiled programs are kept in {folder} (at most 256 MiB)")
    place = folder / compilation_cache.processor()
    assert settings()["jax_compilation_cache_dir"] == str(place)
    assert settings()["jax_compilation_cache_max_size"] == 256 * 2**20
    assert settings()["jax_persistent_cache_min_compile_time_secs"] == 0.1
    assert place.stat().st_mode & 0o777 == 0o700


def test_what_was_chosen_for_jax_stays(settings, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
    before = settings()
    assert compilation_cache.use(None, {"XDG_CACHE_HOME": str(tmp_path)}) == "" and settings() == before
    said = compilation_cache.use(str(tmp_path / "other"), {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "7"})
    assert f"kept in {tmp_path}/other" in said  # a flag counts more than the environment
    least = "jax_persistent_cache_min_compile_time_secs"
    assert settings()[least] == before[least]
    assert list(tmp_path.iterdir()) == [tmp_path / "other"]


def test_off_keeps_nothing(settings, tmp_path):
    assert compilation_cache.use("off", {"XDG_CACHE_HOME": str(tmp_path)}) == ""
    assert not settings()["jax_enable_compilation_cache"] and not list(tmp_path.iterdir())
    assert compilation_cache.use(None, {"XDG_CACHE_HOME": str(tmp_path)}) == "" and not list(tmp_path.iterdir())


def unusable(case, folder):
    """A folder in which programs cannot be kept."""
    if case == "a file":
        folder.write_text("")
    elif case == "others may write":
        place = folder / compilation_cache.processor()
        place.mkdir(parents=True)
        place.chmod(0o777)
    elif case == "of the system":
        return "/proc/compiled"
    elif case == "no name":
        return f"{folder}\0"
    return str(folder)


UNUSABLE = {
    "a file": "(File exists|Not a directory)",
    "others may write": "it belongs to another user, or others may write to it",
    "of the system": "No such file or directory",
    "no name": "embedded null byte",
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_folder_that_cannot_be_used_is_said_and_nothing_changes(case, settings, tmp_path):
    folder, before = unusable(case, tmp_path / "folder"), settings()
    said = compilation_cache.use(folder, {})
    assert said.startswith("Compiled programs are not kept, ") and re.search(UNUSABLE[case], said), said
    assert settings() == before


def test_without_a_home_folder_it_is_said(settings, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert "there is no folder for them: Could not determine home" in compilation_cache.use(None, {})


def test_what_a_killed_process_left_is_removed(settings, tmp_path):
    place = tmp_path / compilation_cache.processor()
    place.mkdir(mode=0o700)
    for name in ("whole-cache", "whole-atime", "cut-cache", "lost-atime", "other"):
        (place / name).write_bytes(b"12345678")
    compilation_cache.use(str(tmp_path), {})
    left = {path.name for path in place.iterdir()} - {".lockfile"}
    assert left == {"whole-cache", "whole-atime", "other"}


SCRIPT = """
import hashlib, sys
import jax, numpy as np
from jaxsurr import compilation_cache
print(compilation_cache.use(sys.argv[1], {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}), file=sys.stderr)
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event) if event.endswith("cache_hits") else None)
from tests.test_compilation_cache import update
print(update(), len(hits))
"""


def update():
    """The SHA-256 of what an update of the learned loss computes."""
    from jaxsurr import metrics, surrogates

    surrogate = surrogates.correlated_gradients(metrics.error_rate, num_pairs=2)
    logits = jax.random.normal(jax.random.key(0), (16, 3))
    labels = np.arange(16) % 3
    state = jax.jit(surrogate.init)(jax.random.key(1), logits, labels)
    state, info = jax.jit(surrogate.update)(state, jax.random.key(2), logits, labels)
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves((state, info)) if leaf.dtype.kind in "fiub"]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def test_results_do_not_depend_on_it_and_processes_share_it(tmp_path):
    left_out = {"JAX_COMPILATION_CACHE_DIR"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    command = [sys.executable, "-W", "error::UserWarning", "-c", SCRIPT, str(tmp_path)]

    def begin():
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    both = [begin(), begin()]
    outputs = [process.communicate(timeout=240) for process in both]
    outputs.append(begin().communicate(timeout=240))
    said = f"Compiled programs are kept in {tmp_path} (at most 256 MiB), "
    for _, err in outputs:
        assert err.startswith(said) and len(err.splitlines()) == 1, err
    found = [out.split() for out, _ in outputs]
    assert {checksum for checksum, _ in found} == {update()}
    assert int(found[2][1]) >= 2  # init and update were read
    names = {path.name for path in (tmp_path / compilation_cache.processor()).iterdir()}
    assert any(name.startswith("jit_update") and name.endswith("-cache") for name in names)

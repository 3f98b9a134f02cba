"""The first step benchmarked: a line for each program and each way to compile it."""

import json

import jax
import jax.numpy as jnp

from jaxsurr.benchmarks import first_step, programs, results_speed


def small(function):
    return function, (jax.ShapeDtypeStruct((3,), jnp.float32),)


def test_every_program_is_compiled_in_every_way(tmp_path, monkeypatch):
    problem = "error rate, 10 classes"
    monkeypatch.setattr(first_step, "PROBLEMS", [problem])
    made = {programs.INIT: jnp.sin, "update": jnp.cos, programs.GRADIENT: jnp.tanh}
    monkeypatch.setattr(programs, "programs_of", lambda *_: {name: small(made[name]) for name in made})
    monkeypatch.setattr(programs, "cross_entropy_gradient", lambda: small(jnp.exp))
    output = tmp_path / "first_step.jsonl"
    first_step.main([f"--output={output}", "--rounds=1"])
    fixed, *lines = map(json.loads, output.read_text().splitlines())
    assert (fixed["problem"], fixed["how"]) == (programs.CROSS_ENTROPY, "jax.jit")
    ways = [(name, how) for name in made for how in first_step.HOW]
    assert [(line["program"], line["how"]) for line in lines] == ways
    assert all(line["lowering"] >= 0 and line["compiling"] >= 0 and line["lines"] > 3 for line in lines)


def test_the_table_has_every_way_and_what_was_before(tmp_path):
    def written(name, seconds):
        """Lines of which each was measured as `seconds` of its way, and the gradient of cross-entropy as 2 s."""
        lines = [{"problem": programs.CROSS_ENTROPY, "program": programs.GRADIENT, "lowering": 1.0, "compiling": 1.0}]
        lines += [
            {"problem": "error", "program": program, "lowering": 1.0, "compiling": took - 1.0, **how}
            for program in (programs.INIT, "update", programs.GRADIENT)
            for how, took in seconds
        ]
        (tmp_path / name).write_text("".join(json.dumps(line | {"lines": 90}) + "\n" for line in lines))

    written("first_step_before.jsonl", [({}, 20.0)])
    written("first_step.jsonl", [({"how": how}, 2.0 + 2 * i) for i, how in enumerate(first_step.HOW)])
    head, _, *rows = results_speed.first_step(tmp_path).splitlines()
    assert [cell.strip() for cell in head.split("|")[3:6]] == ["`jax.jit`", "with `compiler_options()`", "call"]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert cells[0] == ["error", "init", "10.0 → 1.0", "2.0", "3.0", "90 → 90"] and len(cells) == 3

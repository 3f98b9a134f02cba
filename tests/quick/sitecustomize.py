"""What makes small programs cheaper, in the process of the tests and, as Python runs it first, in those they start."""

import functools
import gc
import importlib.metadata

import jax

# Tracing makes so many objects that the search for cycles takes a tenth of the time; fewer searches find the same.
gc.set_threshold(200_000, 20, 50)

# A quarter of what a small program costs is a context with all dialects of MLIR; those of a module share one. There is
# no public way to it, so that it is left out with a version of jax that was not looked at.
if importlib.metadata.version("jax").startswith("0.10."):
    from jax._src.interpreters import mlir

    context = mlir.make_ir_context = functools.cache(mlir.make_ir_context)
else:
    context = None

# A worker once waited for ever for a place in the queue of computations; run at once, they need no queue.
jax.config.update("jax_cpu_enable_async_dispatch", False)

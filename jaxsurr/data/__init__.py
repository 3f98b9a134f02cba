"""Data sets as NumPy arrays: sources named by a string, seeded splits, resumable batches.

>>> from jaxsurr import data
>>> figures = data.load("synthetic:stick_figures?n=200&size=24", seed=0)
>>> figures.kind, figures.outputs, figures.train.inputs.shape
('points', 14, (144, 24, 24, 1))
>>> [batch.inputs.shape[0] for batch in data.batches(figures.test, 16, partial=True)]
[16, 16]
"""

from jaxsurr.data.files import read_csv, read_idx, read_npz
from jaxsurr.data.pipeline import batches, num_batches
from jaxsurr.data.raw import DataWarning
from jaxsurr.data.sources import Data, Split, load
from jaxsurr.data.stick_figures import JOINTS, stick_figures
from jaxsurr.data.stream import stream

__all__ = [
    "JOINTS",
    "Data",
    "DataWarning",
    "Split",
    "batches",
    "load",
    "num_batches",
    "read_csv",
    "read_idx",
    "read_npz",
    "stick_figures",
    "stream",
]

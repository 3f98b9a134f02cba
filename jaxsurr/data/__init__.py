"""Data sets as NumPy arrays: sources named by a string, seeded splits, resumable batches.

A source is `scheme:rest?key=value&key=value` (`load`):

| what there is | source | targets |
| --- | --- | --- |
| nothing | `sklearn:digits` | classes |
| nothing | `sklearn:diabetes` | levels |
| nothing | `synthetic:stick_figures?n=4000&size=32` | keypoints |
| a table of numbers with a header | `csv:FILE?target=COLUMN` | levels |
| the same, classes without order | `csv:FILE?target=COLUMN&kind=classes` | classes |
| the same, kept as numbers | `csv:FILE?target=COLUMN&kind=numbers`, `sklearn:diabetes?kind=numbers` | numbers |
| times until an event, some censored | `csv:FILE?target=TIME&event=COLUMN` (also `npz:`) | durations |
| the same, two classes: 1 from a number on | `csv:FILE?target=COLUMN&at_least=6` | classes |
| a table of lists to be ordered | `csv:FILE?target=RELEVANCE&list=COLUMN` (or `&list_size=16`) | lists |
| arrays `x`, `y`, or `x_train`, `y_train`, `x_test`, `y_test` | `npz:FILE`, `npz:FILE?x=NAME&y=NAME` | classes |
| the same with ordered levels | `npz:FILE?kind=levels` | levels |
| images with keypoints | `npz:FILE?points=kp&visible=visible&scale=torso&names=joint_names` | keypoints |
| the four files of MNIST or Fashion-MNIST | `idx:DIRECTORY` | classes |
| a prepared set of TensorFlow Datasets | `tfds:NAME` (read without TensorFlow; `[tf]` prepares more) | what it holds |
| UTKFace, prepared by this library | `tfds:utkface?manual_dir=DIR` | levels |
| LSP Extended, prepared by this library | `tfds:lsp_extended?manual_dir=DIR` | keypoints |
| a csv table, prepared by this library | `tfds:ordinal_table?file=PATH&target=NAME` | levels |

Every source also takes `kind` ("classes", "levels" or "numbers") and `levels`, the number of levels that numbers are
cut into; the arguments of `load` override them. The formats of files are described in `read_csv`, `read_npz` and
`read_idx`, and the keys of `tfds:` in `jaxsurr.data.tfds.read_prepared`. `sklearn:diabetes` is cut into 8 levels by
default.

`scale` is the length that PCK divides errors by; with the size of the head it is PCKh. Training images can be augmented
at random, `crop,flip` or `flip,rotate=20` (`jaxsurr.data.augment`), as a function of seed, epoch and row, so that a
resumed run is the same.

>>> from jaxsurr import data
>>> figures = data.load("synthetic:stick_figures?n=200&size=24", seed=0)
>>> figures.kind, figures.outputs, figures.train.inputs.shape
('keypoints', 14, (144, 24, 24, 1))
>>> [batch.inputs.shape[0] for batch in data.batches(figures.test, 16, partial=True)]
[16, 16]
"""

from jaxsurr.data.batches import batches, num_batches
from jaxsurr.data.files import read_csv, read_idx, read_npz
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

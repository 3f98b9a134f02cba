"""Data sets as NumPy arrays: sources named by a string, seeded splits, resumable batches.

A source is `scheme:rest?key=value&key=value` (`load`):

| what there is | source | targets |
| --- | --- | --- |
| nothing | `sklearn:digits` | classes |
| nothing | `sklearn:breast_cancer` | scores |
| nothing | `sklearn:multilabel` (synthetic) | labels |
| the package river | `river:yeast` | labels |
| nothing | `sklearn:diabetes` | levels |
| nothing | `sklearn:linnerud` (20 rows) | numbers, three of each row |
| nothing | `synthetic:stick_figures?n=4000&size=32` | keypoints |
| nothing | `synthetic:digit_strings?size=5` | tokens |
| a table with a header, of numbers and words, with gaps | `csv:FILE?target=COLUMN` | levels; of words classes |
| the same, classes without order | `csv:FILE?target=COLUMN&kind=classes` | classes |
| the same, words in order | `csv:FILE?target=COLUMN&order=low,mid,high` | levels |
| times until an event, some censored | `csv:FILE?target=TIME&event=COLUMN` (also `npz:`, `parquet:`) | durations |
| the same, two classes: 1 from a number on | `csv:FILE?target=COLUMN&at_least=6` | classes |
| the same, one score for two values | `csv:FILE?target=COLUMN&kind=scores&positive=yes` | scores |
| the same, numbers as they are | `csv:FILE?target=COLUMN&kind=numbers`, `sklearn:diabetes?kind=numbers` | numbers |
| the same, several columns of 0 and 1 | `csv:FILE?target=COLUMN,COLUMN`, `?target=label_*` | labels; else numbers |
| the same, several columns of costs, one a decision | `csv:FILE?target=cost_*&kind=example_costs` | example_costs |
| a table of lists to be ordered | `csv:FILE?target=RELEVANCE&list=COLUMN` (or `&list_size=16`) | lists |
| a table of the steps of sequences, in their order | `csv:FILE?target=LABEL&sequence=COLUMN` | tokens |
| the same tables | `parquet:FILE?target=COLUMN` (`[parquet]`) | as `csv:` |
| arrays `x`, `y`, or `x_train`, `y_train`, `x_test`, `y_test` | `npz:FILE`, `npz:FILE?x=NAME&y=NAME` | classes |
| the same with ordered levels | `npz:FILE?kind=levels` | levels |
| the same with targets `[N, K]` | `npz:FILE?kind=labels` (or `numbers`, `example_costs`) | as it says |
| images with keypoints | `npz:FILE?points=kp&visible=visible&scale=torso&names=joint_names` | keypoints |
| sequences `x`, a label for each step `y`, and their lengths | `npz:FILE?kind=tokens&lengths=NAME` | tokens |
| the four files of MNIST or Fashion-MNIST | `idx:DIRECTORY` | classes |
| a prepared set of TensorFlow Datasets | `tfds:NAME` (read without TensorFlow; `[tf]` prepares more) | what it holds |
| UTKFace, prepared by this library | `tfds:utkface?manual_dir=DIR` | levels |
| LSP Extended, prepared by this library | `tfds:lsp_extended?manual_dir=DIR` | keypoints |
| a csv table, prepared by this library | `tfds:ordinal_table?file=PATH&target=NAME` | levels |

Every source also takes `kind` (`jaxsurr.data.codings`) and `levels`, the number of levels that numbers are cut into;
the arguments of `load` override them. The formats of files are described in `read_csv`, `read_npz`, `read_steps` and
`read_idx`, and the keys of `tfds:` in `jaxsurr.data.tfds.read_prepared`. `sklearn:diabetes` is cut into 8 levels by
default.

Tables also take `drop=COLUMN,COLUMN` (columns to leave out), `weight=COLUMN` (of the rows), `missing=WORD,WORD` (more
marks of missing values), `categories=COLUMN,COLUMN` (whose numbers are words), and in a csv file `separator` and
`decimal`, which are found from it otherwise. Words become columns of 0 and 1, and gaps the median of the training rows
with a column that says where (`jaxsurr.data.tables`). npz files take `weight=NAME`. All that was changed or left out is
a note (`Data.notes`), the first line that a command prints.

From Python, `from_arrays(x, y)` and `from_frame(frame, "target")` (pandas, polars, pyarrow) stand in place of the text:
`jaxsurr.compare(config, data=from_frame(frame, "grade"), ...)`.

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

from jaxsurr.data.arrays import from_arrays
from jaxsurr.data.batches import batches, num_batches
from jaxsurr.data.delimited import read_csv
from jaxsurr.data.files import read_idx, read_npz
from jaxsurr.data.frames import from_frame, read_parquet
from jaxsurr.data.given import Source
from jaxsurr.data.raw import DataWarning
from jaxsurr.data.sources import Data, Split, load
from jaxsurr.data.steps import digit_strings, read_steps
from jaxsurr.data.stick_figures import JOINTS, stick_figures
from jaxsurr.data.stream import stream

__all__ = [
    "JOINTS",
    "Data",
    "DataWarning",
    "Source",
    "Split",
    "batches",
    "digit_strings",
    "from_arrays",
    "from_frame",
    "load",
    "num_batches",
    "read_csv",
    "read_idx",
    "read_npz",
    "read_parquet",
    "read_steps",
    "stick_figures",
    "stream",
]

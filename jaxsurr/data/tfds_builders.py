"""TFDS builders of sets that TFDS lacks; they write array_record files and need Pillow and SciPy, not TensorFlow.

`jaxsurr.data.load` uses them through `tfds:utkface`, `tfds:lsp_extended` and `tfds:ordinal_table`. The name of a
configuration ends in a digest of the original files, so that a set prepared from other files is never used for them.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from PIL import Image

from jaxsurr.data.delimited import read_csv
from jaxsurr.data.raw import warn
from jaxsurr.data.stick_figures import JOINTS

__all__ = ["LspExtended", "OrdinalTable", "Utkface"]

_FACE = re.compile(r"(\d{1,3})(_\d+){1,3}\.", re.ASCII)
_OLDEST = 130
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
)  # what Pillow raises for files that it cannot decode
_MIN_VISIBLE, _MIN_TORSO = 11, 6.0


def _digest(paths: list[Path]) -> str:
    listing = "\n".join(f"{path.name} {path.stat().st_size}" for path in paths)
    return hashlib.sha256(listing.encode()).hexdigest()[:12]


def _grey(image: Image.Image, size: int) -> Image.Image:
    return image.convert("L").resize((size, size), Image.Resampling.LANCZOS)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A set of one split in array_record files, whose configuration is named for the original files."""

    VERSION = tfds.core.Version("1.0.0")
    HOMEPAGE = ""
    code_path = epath.Path(__file__)

    def __init__(self, config: str, data_dir: str | Path | None):
        super().__init__(data_dir=data_dir, config=tfds.core.BuilderConfig(name=config), file_format="array_record")

    def _described(self, features: dict[str, Any], **more: Any) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            homepage=self.HOMEPAGE or None,
            disable_shuffling=True,
            **more,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        return {"train": self._generate_examples()}


class Utkface(_Builder):
    """Ages from faces: grey images `[size, size, 1]` uint8 and `age` in years, from a directory of jpg files.

    Of identical pictures one is used, and none if their files differ in age. Skipped files, including those whose names
    or contents cannot be read, are counted in a warning.

    Args:
      directory: holds the files `age_gender_race_date.jpg`, in folders of any depth.
      size: height and width of the images, in pixels.
      data_dir: directory of prepared sets; None is that of TFDS.

    Raises:
      FileNotFoundError: there are no jpg files.
      ValueError: no file can be used; raised by the preparation.

    Zhang, Song, Qi, "Age Progression/Regression by Conditional Adversarial Autoencoder", CVPR 2017.
    """

    HOMEPAGE = "https://susanqq.github.io/UTKFace/"

    def __init__(self, *, directory: str | Path, size: int, data_dir: str | Path | None = None):
        self.directory, self.size = Path(directory), size
        pictures = (p for p in self.directory.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
        self.files = sorted(p for p in pictures if p.is_file())
        if not self.files:
            raise FileNotFoundError(
                f"there are no jpg files in {str(directory)!r}; get UTKFace (aligned and cropped) from "
                f"{self.HOMEPAGE} and name the directory that holds its files age_gender_race_date.jpg, manual_dir=DIR"
            )
        super().__init__(f"{size}px-{_digest(self.files)}", data_dir)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"image": tfds.features.Image(shape=(self.size, self.size, 1)), "age": np.int32}
        return self._described(features, supervised_keys=("image", "age"))

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        ages, first, unnamed, damaged = {}, {}, [], []
        for path in self.files:
            match = _FACE.match(path.name)
            if match is None or int(match[1]) > _OLDEST:
                unnamed.append(path.name)
                continue
            picture = hashlib.sha256(path.read_bytes()).digest()
            first.setdefault(picture, path)
            ages.setdefault(picture, []).append(int(match[1]))
        count = 0
        for picture, path in first.items():
            if len(set(ages[picture])) > 1:
                continue
            try:
                with Image.open(path) as image:
                    face = _grey(image, self.size)
            except _DAMAGED:
                damaged.append(path.name)
                continue
            yield count, {"image": face, "age": ages[picture][0]}
            count += 1
        if not count:
            raise ValueError(
                f"none of the {len(self.files)} jpg files of {str(self.directory)!r} is a picture named "
                f"age_gender_race_date.jpg, as in 26_0_1_20170104.jpg; found {_some([p.name for p in self.files])}"
            )
        if count < len(self.files):
            again = len(self.files) - count - len(unnamed) - len(damaged)
            reasons = [
                f"{len(unnamed)} not named age_gender_race_date.jpg ({_some(unnamed)})" if unnamed else "",
                f"{len(damaged)} that cannot be decoded ({_some(damaged)})" if damaged else "",
                f"{again} that repeat a picture or give it another age" if again else "",
            ]
            note = f"utkface: {len(self.files) - count} of {len(self.files)} files were skipped: "
            self.notes = [note + ", ".join(filter(None, reasons))]
            warn(self.notes[0])


class LspExtended(_Builder):
    """Poses of the Leeds Sports Pose Extended training set: a grey crop about each person, and 14 joints.

    Features: `image` `[size, size, 1]` uint8; `points` `[14, 2]` float32, (x, y) in pixels of the crop with pixel
    centres at integers, (0, 0) where not visible; `visible` `[14]` uint8; `torso` float32, from right shoulder to left
    hip, else from left shoulder to right hip; `head` float32, from neck to head top, 0 where one is not visible.
    The crop is a square about the box of the visible joints, whose side is 1.25 to 1.6 times the longer side of the box
    and whose centre is moved by up to 8 % of the side, both fixed by the SHA-256 of the file's name, so that the crop
    does not give the joints away; black outside the photograph. People with fewer than 11 visible joints, without a
    torso, or with one of less than 6 pixels of a 64 pixel crop are left out. This conversion is this library's.

    Args:
      directory: holds `joints.mat` and `images/im00001.jpg`, `images/im00002.jpg`, ...
      size: height and width of the crops, in pixels.
      data_dir: directory of prepared sets; None is that of TFDS.

    Raises:
      FileNotFoundError: `joints.mat` or an image is missing.
      ValueError: `joints.mat` cannot be read, or no picture can be used.

    Johnson and Everingham, "Learning Effective Human Pose Estimation from Inaccurate Annotation", CVPR 2011.
    """

    HOMEPAGE = "http://sam.johnson.io/research/lspet.html"

    def __init__(self, *, directory: str | Path, size: int, data_dir: str | Path | None = None):
        self.size, path = size, Path(directory) / "joints.mat"
        origin = f"get Leeds Sports Pose Extended from {self.HOMEPAGE} and name its directory, manual_dir=DIR"
        if not path.is_file():
            raise FileNotFoundError(f"there is no file joints.mat in {str(directory)!r}; {origin}")
        self.joints = _joints(path)
        self.files = [path.parent / "images" / f"im{i + 1:05d}.jpg" for i in range(len(self.joints))]
        missing = [file.name for file in self.files if not file.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{len(missing)} of the {len(self.files)} images that joints.mat annotates are missing in "
                f"{str(path.parent / 'images')!r} ({_some(missing)}); {origin}"
            )
        super().__init__(f"{size}px-{_digest([path, *self.files])}", data_dir)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(self.size, self.size, 1)),
            "points": tfds.features.Tensor(shape=(len(JOINTS), 2), dtype=np.float32),
            "visible": tfds.features.Tensor(shape=(len(JOINTS),), dtype=np.uint8),
            "torso": np.float32,
            "head": np.float32,
        }
        return self._described(features)

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        count, damaged = 0, []
        for path, joints in zip(self.files, self.joints, strict=True):
            pose = _pose(joints, path.name, self.size)
            if pose is None:
                continue
            box, targets = pose
            try:
                with Image.open(path) as image:
                    crop = _grey(image.convert("L").crop(box), self.size)
            except _DAMAGED:
                damaged.append(path.name)
                continue
            yield count, {"image": crop, **targets}
            count += 1
        if not count:
            raise ValueError(
                f"none of the {len(self.files)} people of {self.files[0].parent.parent.name!r} can be used: they need "
                f"an image that can be decoded ({len(damaged)} cannot), {_MIN_VISIBLE} visible joints and a torso"
            )
        self.notes = []
        if unposed := len(self.files) - count - len(damaged):
            self.notes += [
                f"lsp_extended: {unposed} of {len(self.files)} people were left out, since they have fewer than "
                f"{_MIN_VISIBLE} visible joints or no torso of {_MIN_TORSO:g} pixels of 64"
            ]
        if damaged:
            self.notes += [
                f"lsp_extended: {len(damaged)} of {len(self.files)} images were skipped, since they cannot be decoded "
                f"({_some(damaged)})"
            ]
            warn(self.notes[-1])


def _joints(path: Path) -> np.ndarray:
    """Coordinates and visibility of the joints, `[N, 14, 3]`."""
    from scipy.io import loadmat

    try:
        joints = loadmat(path, variable_names=["joints"])["joints"].astype(np.float64)
    except Exception as error:  # SciPy raises errors of many kinds for files that are not MATLAB's, or damaged
        raise ValueError(
            f"{path.name} is not a MATLAB file with an array 'joints', or it is damaged ({error}); copy it again"
        ) from error
    if joints.ndim == 3 and joints.shape[:2] == (3, len(JOINTS)):
        joints = joints.swapaxes(0, 1)
    if joints.ndim != 3 or joints.shape[:2] != (len(JOINTS), 3):
        raise ValueError(f"{path.name}: 'joints' has shape {joints.shape}, expected ({len(JOINTS)}, 3, N)")
    return joints.transpose(2, 0, 1)


def _pose(joints: np.ndarray, name: str, size: int) -> tuple[tuple[int, int, int, int], dict[str, Any]] | None:
    """The crop (left, top, right, bottom) and the targets of a person, or None for one that is left out."""
    points, visible = joints[:, :2], (joints[:, 2] > 0) & np.isfinite(joints).all(axis=1)
    if visible.sum() < _MIN_VISIBLE:
        return None
    low, high = points[visible].min(axis=0), points[visible].max(axis=0)
    chance = np.frombuffer(hashlib.sha256(name.encode()).digest(), ">u4", count=3) / 2**32
    side = max(round(float((high - low).max() * (1.25 + 0.35 * chance[0]))), 1)
    corner = np.round((low + high) / 2 + 0.08 * side * (2 * chance[1:] - 1) - side / 2).astype(int)
    points = np.where(visible[:, None], (points - corner + 0.5) * size / side - 0.5, 0).astype(np.float32)

    def length(start: str, end: str) -> float:
        pair = [JOINTS.index(start), JOINTS.index(end)]
        return float(np.linalg.norm(points[pair[0]] - points[pair[1]])) if visible[pair].all() else 0.0

    torso = length("r_shoulder", "l_hip") or length("l_shoulder", "r_hip")
    if torso < _MIN_TORSO * size / 64:
        return None
    targets = {
        "points": points,
        "visible": visible.astype(np.uint8),
        "torso": torso,
        "head": length("neck", "head_top"),
    }
    (left, top), (right, bottom) = corner, corner + side
    return (left, top, right, bottom), targets


class OrdinalTable(_Builder):
    """A table of numbers, one column of which is the level: `inputs` `[D]` and `level`, float64.

    Args:
      file: csv file with a header, see `read_csv`.
      target: name of the column of levels.
      data_dir: directory of prepared sets; None is that of TFDS.

    Raises:
      FileNotFoundError, ValueError: as `read_csv`.
    """

    def __init__(self, *, file: str | Path, target: str, data_dir: str | Path | None = None):
        self.table = read_csv(file, target)
        if self.table.unordered or not isinstance(self.table.inputs, np.ndarray):
            raise ValueError(
                f"{Path(file).name} holds words or missing values, and 'tfds:ordinal_table' only numbers; read the "
                f"file itself, 'csv:{file}?target={target}'"
            )
        digest = hashlib.sha256(Path(file).read_bytes() + target.encode()).hexdigest()[:12]
        super().__init__(f"{Path(file).stem}-{digest}", data_dir)

    def _info(self) -> tfds.core.DatasetInfo:
        shapes = {"inputs": self.table.inputs.shape[1:], "level": ()}
        features = {  # as bytes, since what TFDS writes as numbers it rounds to float32
            name: tfds.features.Tensor(shape=shape, dtype=np.float64, encoding="bytes")
            for name, shape in shapes.items()
        }
        return self._described(features, supervised_keys=("inputs", "level"))

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for row, (inputs, level) in enumerate(zip(self.table.inputs, self.table.targets, strict=True)):
            yield row, {"inputs": inputs, "level": level}

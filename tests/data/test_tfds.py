"""Sets of TFDS: our own builders, stock sets, and sets that are only half there. Nothing here uses the network."""

import importlib.util
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from jaxsurr.data import JOINTS, DataWarning, load, read_idx
from jaxsurr.data.tfds import read_prepared

tfds = pytest.importorskip("tensorflow_datasets", reason="needs tensorflow-datasets")
epath = pytest.importorskip("etils.epath", reason="needs etils, which comes with tensorflow-datasets")

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
TENSORFLOW = importlib.util.find_spec("tensorflow") is not None


def picture(path, grey, size=(20, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, grey, np.uint8)).save(path, quality=95)


@pytest.fixture
def faces(tmp_path):
    """Twelve faces of constant grey 10 * i, aged 20 + i."""
    for i in range(12):
        picture(tmp_path / "faces" / f"{20 + i}_{i % 2}_0_2017010{i % 10}.jpg.chip.jpg", 10 * i)
    return tmp_path / "faces"


def options(tmp_path, **more):
    return {"data_dir": str(tmp_path / "prepared")} | {key: str(value) for key, value in more.items()}


def source(name, **query):
    return f"tfds:{name}?" + "&".join(f"{key}={value}" for key, value in query.items())


def shards(tmp_path):
    return sorted((tmp_path / "prepared").rglob("*.array_record-*"))


# --- our own builders -------------------------------------------------------------------------------------------------


def test_faces_and_their_ages(tmp_path, faces):
    raw = read_prepared("utkface", **options(tmp_path, manual_dir=faces, size=16))
    assert raw.kind == "levels" and raw.test_inputs is None
    assert raw.inputs.shape == (12, 16, 16, 1) and raw.inputs.dtype == np.uint8
    assert raw.targets.tolist() == list(range(20, 32))
    np.testing.assert_allclose(raw.inputs.mean((1, 2, 3)), 10.0 * np.arange(12), atol=1.0)  # JPEG is lossy
    with pytest.warns(UserWarning, match="none to train on"):  # one row an age
        data = load(source("utkface", **options(tmp_path, manual_dir=faces, size=16)), seed=0)
    assert (data.kind, data.outputs, data.names[:2]) == ("levels", 12, ("20", "21"))


def test_prepared_once_and_read_without_the_files(tmp_path, faces):
    before = read_prepared("utkface", **options(tmp_path, manual_dir=faces))
    (shard,) = shards(tmp_path)
    made = shard.stat().st_mtime_ns
    read_prepared("utkface", **options(tmp_path, manual_dir=faces))
    assert shard.stat().st_mtime_ns == made
    shutil.rmtree(faces)
    after = read_prepared("utkface", **options(tmp_path))
    np.testing.assert_array_equal(after.inputs, before.inputs)
    named = read_prepared(f"utkface/{shard.parent.parent.name}", **options(tmp_path))
    np.testing.assert_array_equal(named.targets, before.targets)


def test_other_files_and_other_sizes_are_other_sets(tmp_path, faces):
    read_prepared("utkface", **options(tmp_path, manual_dir=faces))
    picture(faces / "70_0_0_20170101.jpg", 200)
    assert 70 in read_prepared("utkface", **options(tmp_path, manual_dir=faces)).targets
    with pytest.raises(ValueError, match=r"holds several sets; name the files .* or one of them, .*48px-\w+, 48px-"):
        read_prepared("utkface", **options(tmp_path))
    with pytest.raises(FileNotFoundError, match="not prepared"):
        read_prepared("utkface", **options(tmp_path, size=32))


def test_faces_that_cannot_be_used_are_counted(tmp_path, faces):
    picture(faces / "portrait.jpg", 1)
    picture(faces / "200_0_0_20170101.jpg", 2)
    (faces / "33_0_0_20170101.jpg").write_bytes(b"no picture")
    cut = faces / "34_0_0_20170101.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:300])
    first = sorted(faces.iterdir())[1]
    shutil.copy(first, faces / "20_0_0_20190101.jpg")  # the same picture and age
    shutil.copy(faces / "31_1_0_20170101.jpg.chip.jpg", faces / "60_0_0_20190101.jpg")  # the same picture, another age
    with pytest.warns(UserWarning) as said:
        raw = read_prepared("utkface", **options(tmp_path, manual_dir=faces))
    (sentence,) = [str(w.message) for w in said if "utkface" in str(w.message)]
    assert "7 of 18 files were skipped" in sentence
    assert "2 not named age_gender_race_date.jpg (200_0_0_20170101.jpg, portrait.jpg)" in sentence
    assert "2 that cannot be decoded (33_0_0_20170101.jpg, 34_0_0_20170101.jpg)" in sentence
    assert "3 that repeat a picture or give it another age" in sentence
    assert raw.targets.tolist() == list(range(20, 31))  # 31 is the one of two ages
    assert raw.notes == (sentence,)
    assert read_prepared("utkface", **options(tmp_path, manual_dir=faces)).notes == (sentence,)  # now it is prepared


def test_no_face_at_all(tmp_path, faces):
    for path in faces.iterdir():
        path.rename(path.with_name("x" + path.name))
    with pytest.raises(ValueError, match=r"none of the 12 jpg files .* is a picture named age_gender_race_date.jpg"):
        read_prepared("utkface", **options(tmp_path, manual_dir=faces))


POSE = np.array(
    [[40, 90], [40, 75], [42, 60], [58, 60], [60, 75], [60, 90],
     [25, 50], [30, 42], [38, 30], [62, 30], [70, 42], [75, 50], [50, 26], [50, 10]], float,
)  # fmt: skip


@pytest.fixture(params=["14 first", "3 first"])
def poses(request, tmp_path):
    """Five people: all joints, no head top, no right shoulder, ten joints, no torso."""
    joints = np.stack([np.column_stack([POSE + 3 * i, np.ones(14)]) for i in range(5)], axis=2)
    joints[13, 2, 1] = joints[8, 2, 2] = joints[:4, 2, 3] = joints[[3, 2], 2, 4] = 0
    for i in range(5):
        picture(tmp_path / "lspet" / "images" / f"im{i + 1:05d}.jpg", 40 + i, (120, 130))
    mat = joints if request.param == "14 first" else joints.swapaxes(0, 1)
    savemat(tmp_path / "lspet" / "joints.mat", {"joints": mat})
    return tmp_path / "lspet"


def test_people(tmp_path, poses):
    raw = read_prepared("lsp_extended", **options(tmp_path, manual_dir=poses, size=64))
    assert raw.kind == "keypoints" and raw.names == JOINTS and raw.inputs.shape == (3, 64, 64, 1)
    people = raw.targets
    assert people.visible.sum(1).tolist() == [14, 13, 13]
    assert (people.points[people.visible == 0] == 0).all()
    assert (people.points[people.visible == 1] > 0).all() and (people.points < 64).all()
    # The crop scales and moves: ratios of distances and directions stay.
    torso = np.linalg.norm(POSE[8] - POSE[3])
    zoom = people.scale[0] / torso
    np.testing.assert_allclose(people.points[0] - people.points[0, 12], (POSE - POSE[12]) * zoom, atol=1e-4)
    assert 64 / (1.61 * 80) < zoom < 64 / (1.24 * 80)  # the box is 80 pixels high
    other = np.linalg.norm(POSE[9] - POSE[2]) / 80  # without the right shoulder
    low, high = people.points[2][people.visible[2] == 1].min(0), people.points[2].max(0)
    assert people.scale[2] / (high - low).max() == pytest.approx(other, rel=1e-5)


def test_crops_show_what_the_points_say(tmp_path):
    """A white square about a joint lies where the joint is said to be, whatever the crop."""
    image = np.zeros((120, 130), np.uint8)
    x, y = POSE[6].astype(int)
    image[y - 3 : y + 4, x - 3 : x + 4] = 255
    (tmp_path / "lspet" / "images").mkdir(parents=True)
    Image.fromarray(image).save(tmp_path / "lspet" / "images" / "im00001.jpg", quality=95)
    savemat(tmp_path / "lspet" / "joints.mat", {"joints": np.column_stack([POSE, np.ones(14)])[..., None]})
    raw = read_prepared("lsp_extended", **options(tmp_path, manual_dir=tmp_path / "lspet", size=64))
    bright = raw.inputs[0, :, :, 0].astype(float) * (raw.inputs[0, :, :, 0] > 40)
    centre = [(bright.sum(0) @ np.arange(64)) / bright.sum(), (bright.sum(1) @ np.arange(64)) / bright.sum()]
    np.testing.assert_allclose(raw.targets.points[0, 6], centre, atol=0.1)


def test_head_as_scale_drops_people_without_one(tmp_path, poses):
    with pytest.warns(UserWarning, match="lsp_extended: 1 of 3 rows have scale 0"):
        raw = read_prepared("lsp_extended", **options(tmp_path, manual_dir=poses, scale="head"))
    head = np.linalg.norm(raw.targets.points[:, 12] - raw.targets.points[:, 13], axis=1)
    np.testing.assert_allclose(raw.targets.scale, head, rtol=1e-5)


def test_people_that_cannot_be_read(tmp_path, poses):
    (poses / "images" / "im00002.jpg").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"1 of 5 images were skipped, since they cannot be decoded \(im00002.jpg\)"):
        raw = read_prepared("lsp_extended", **options(tmp_path, manual_dir=poses))
    assert len(raw.inputs) == 2 and len(raw.notes) == 2
    assert raw.notes[0].startswith("lsp_extended: 2 of 5 people were left out, since they have fewer than 11 visible")
    (poses / "images" / "im00003.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of the 5 images .* missing .*im00003.jpg.* from http"):
        read_prepared("lsp_extended", **options(tmp_path, manual_dir=poses))
    content = (poses / "joints.mat").read_bytes()
    (poses / "joints.mat").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"joints\.mat is not a MATLAB file with an array 'joints', or it is damaged"):
        read_prepared("lsp_extended", **options(tmp_path, manual_dir=poses))
    savemat(poses / "joints.mat", {"joints": np.zeros((14, 2, 5))})
    with pytest.raises(ValueError, match=r"shape \(14, 2, 5\), expected \(14, 3, N\)"):
        read_prepared("lsp_extended", **options(tmp_path, manual_dir=poses))


def test_table_is_what_the_csv_source_reads(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal():.6f},{rng.integers(1, 5)},{rng.normal():.6f}" for _ in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,grade,b", *rows]))
    direct = load(f"csv:{tmp_path / 't.csv'}?target=grade", seed=0)
    table = load(source("ordinal_table", **options(tmp_path, file=tmp_path / "t.csv", target="grade")), seed=0)
    np.testing.assert_array_equal(table.train.inputs, direct.train.inputs)
    np.testing.assert_array_equal(table.test.targets, direct.test.targets)
    assert (table.kind, table.names) == (direct.kind, direct.names)
    with pytest.raises(ValueError, match=r"'\?file=PATH&target=NAME'; give both or neither"):
        load(source("ordinal_table", **options(tmp_path, file=tmp_path / "t.csv")), seed=0)


# --- parts ------------------------------------------------------------------------------------------------------------


def test_parts(tmp_path, faces):
    asked = options(tmp_path, manual_dir=faces, train="train[:75%]", test="train[75%:]")
    raw = read_prepared("utkface", **asked)
    assert raw.targets.tolist() == list(range(20, 29)) and raw.test_targets.tolist() == [29, 30, 31]
    data = load(source("utkface", **asked, levels=2), seed=0)
    assert data.official_test and len(data.test.inputs) == 3
    with pytest.raises(ValueError, match=r"train='train\[:75%\]' and test='train\[50%:\]' share 3 rows"):
        read_prepared("utkface", **(asked | {"test": "train[50%:]"}))
    with pytest.raises(ValueError, match="test='held' names no rows of it"):
        read_prepared("utkface", **(asked | {"test": "held"}))
    with pytest.raises(ValueError, match=r"test='train\[:0\]' names no rows of it"):
        read_prepared("utkface", **(asked | {"test": "train[:0]"}))


# --- half there -------------------------------------------------------------------------------------------------------


def cut_off(shard):
    with shard.open("r+b") as file:
        file.truncate(shard.stat().st_size // 2)


def cut_off_description(shard):
    path = shard.with_name("dataset_info.json")
    path.write_bytes(path.read_bytes()[:99])


def forget_description(shard):
    shard.with_name("dataset_info.json").unlink()


def forget_features(shard):
    shard.with_name("features.json").unlink()


def forget_all(shard):
    for path in shard.parent.iterdir():
        path.unlink()


HALVES = {
    cut_off: "holds 0 of 12 records",
    Path.unlink: "holds 0 of 12 records",
    cut_off_description: "dataset_info.json' cannot be read",
    forget_description: "dataset_info.json' cannot be read",
    forget_features: "features.json' cannot be read",
}


@pytest.mark.parametrize("damage", HALVES)
def test_half_written_set_is_prepared_again(tmp_path, faces, damage):
    before = read_prepared("utkface", **options(tmp_path, manual_dir=faces))
    damage(shards(tmp_path)[0])
    with pytest.raises(ValueError, match=f"half-written: .*{HALVES[damage]}.*; name the files"):
        read_prepared("utkface", **options(tmp_path))
    with pytest.warns(
        UserWarning, match=f"utkface is half-written; what is damaged is removed and prepared again: .*{HALVES[damage]}"
    ):
        after = read_prepared("utkface", **options(tmp_path, manual_dir=faces))
    np.testing.assert_array_equal(after.inputs, before.inputs)


def test_empty_directory_is_not_a_set(tmp_path, faces):
    read_prepared("utkface", **options(tmp_path, manual_dir=faces))
    forget_all(shards(tmp_path)[0])
    with pytest.raises(FileNotFoundError, match="not prepared"):
        read_prepared("utkface", **options(tmp_path))
    with pytest.warns(UserWarning, match="half-written; .* prepared again: .* holds no set"):
        assert len(read_prepared("utkface", **options(tmp_path, manual_dir=faces)).inputs) == 12


def test_killed_while_preparing(tmp_path, faces):
    """A process that is killed in the middle leaves a directory that the next one removes, and says so."""
    program = (
        "import os, sys\n"
        "from jaxsurr.data import tfds as prepared, tfds_builders as builders\n"
        "grey, count = builders._grey, []\n"
        "def die(image, size):\n"
        "    count.append(1)\n"
        "    return os.kill(os.getpid(), 9) if len(count) > 6 else grey(image, size)\n"
        "builders._grey = die\n"
        "prepared.read_prepared('utkface', data_dir=sys.argv[1], manual_dir=sys.argv[2])\n"
    )
    command = [sys.executable, "-c", program, options(tmp_path)["data_dir"], str(faces)]
    assert subprocess.run(command, capture_output=True).returncode == -9
    (left,) = (tmp_path / "prepared").rglob("incomplete.*_1.0.0")
    with pytest.warns(UserWarning, match="half-written; .* prepared again: .* a preparation that was cut off"):
        assert len(read_prepared("utkface", **options(tmp_path, manual_dir=faces)).inputs) == 12
    assert not left.exists()


# --- sets of TFDS itself ----------------------------------------------------------------------------------------------


class Animals(tfds.core.GeneratorBasedBuilder):
    """30 rows to train, 6 to test, 3 labels."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = epath.Path(__file__)

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(6, 5, 1)),
            "label": tfds.features.ClassLabel(names=["cat", "dog", "eel"]),
            "price": np.float32,
            "name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 30), "test": self._generate_examples(30, 36)}

    def _generate_examples(self, first, end):
        for i in range(first, end):
            image = Image.fromarray(np.full((6, 5), i, np.uint8))
            yield i, {"image": image, "label": i % 3, "price": i / 2, "name": str(i)}


class Wild(Animals):
    """A validation split, and rows without a label: all of the test split, and every fifth of the others."""

    def _split_generators(self, dl_manager):
        parts = {"train": (0, 30), "validation": (30, 40), "test": (40, 45)}
        return {name: self._generate_examples(*rows) for name, rows in parts.items()}

    def _generate_examples(self, first, end):
        for i, row in super()._generate_examples(first, end):
            yield i, row | {"label": -1 if i >= 40 or i % 5 == 0 else row["label"]}


def test_rows_without_a_label_and_splits_that_are_not_read_are_said(tmp_path):
    Wild(data_dir=tmp_path / "prepared").download_and_prepare(file_format="array_record")
    with pytest.raises(ValueError, match=r"'tfds:wild, test=test' has no labels; name another split, as in '&test="):
        read_prepared("wild", **options(tmp_path, y="label"))
    with pytest.warns(DataWarning, match="6 of 30 rows have no label"):
        data = load(source("wild", **options(tmp_path, y="label", test="validation")), seed=0)
    assert data.names == ("cat", "dog", "eel")
    assert len(data.test.inputs) == 8 and len(data.train.inputs) + len(data.validation.inputs) == 24
    assert data.notes == (
        "wild, train=train: 6 of 30 rows have no label and are dropped",
        "wild, test=validation: 2 of 10 rows have no label and are dropped",
    )
    part = read_prepared("wild", **options(tmp_path, y="price", test="test"))
    assert part.notes == ("the split 'validation' of wild (10 rows) is not read; name it, as in '&test=validation'",)


@pytest.fixture
def stock(tmp_path):
    """A set that is not ours, already on disk."""
    Animals(data_dir=tmp_path / "prepared").download_and_prepare(file_format="array_record")


def test_prepared_stock_set(tmp_path, stock):
    data = load(source("animals", **options(tmp_path, y="label")), seed=0)
    assert data.official_test and (data.kind, data.names) == ("classes", ("cat", "dog", "eel"))
    assert data.train.inputs.shape[1:] == (6, 5, 1) and len(data.test.inputs) == 6
    assert load(source("animals", **options(tmp_path, levels=2)), seed=0).outputs == 2
    part = read_prepared("animals", **options(tmp_path, train="train[:2]"))
    assert part.inputs[:, 0, 0, 0].tolist() == [0, 1] and part.names == ("cat", "dog", "eel")
    assert read_prepared("animals", **options(tmp_path, y="price")).kind == "levels"
    with pytest.raises(ValueError, match="train='train\\+test' and test='test' share 6 rows"):
        read_prepared("animals", **options(tmp_path, train="train+test"))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"y": "lable"}, "no feature 'lable'. Did you mean 'label'"),
        ({"x": "name"}, "'name' has dtype .*, expected numbers"),
        ({"y": "image"}, r"'image' has shape \(6, 5, 1\), expected one number for each row"),
        ({"points": "image"}, "points need a scale"),
        ({"scale": "price"}, "scale belong to points"),
        ({"size": "32"}, "takes no key 'size'. There are: data_dir, manual_dir"),
    ],
)
def test_wrong_feature_of_a_stock_set(tmp_path, stock, query, message):
    with pytest.raises(ValueError, match=message):
        read_prepared("animals", **options(tmp_path, **query))


@pytest.mark.skipif(TENSORFLOW, reason="TensorFlow is installed, so stock sets can be prepared")
def test_stock_set_without_tensorflow(tmp_path, stock):
    with pytest.raises(ImportError, match=r"not prepared in .*pip install 'jaxsurr\[tf\]'.*tfds build fashion_mnist"):
        read_prepared("fashion_mnist", **options(tmp_path))
    whole = [path for path in shards(tmp_path) if "train" in path.name]
    cut_off(whole[0])
    with pytest.raises(ImportError, match=r"records. To prepare it needs TensorFlow: pip install 'jaxsurr\[tf\]'"):
        read_prepared("animals", **options(tmp_path))
    cut_off_description(whole[0])
    with pytest.raises(ImportError, match=r"dataset_info.json' cannot be read .* To prepare it needs TensorFlow"):
        read_prepared("animals", **options(tmp_path))


@pytest.mark.skipif(not TENSORFLOW, reason="needs TensorFlow, which prepares the sets of TFDS (the extra 'tf')")
def test_fashion_mnist_through_its_real_builder(tmp_path):
    files = SHARED / "fashion_mnist"
    if not files.exists():
        pytest.skip("needs the data set fashion_mnist in shared/data, beside the repository")
    asked = options(tmp_path, manual_dir=files)
    raw, expected = read_prepared("fashion_mnist", **asked), read_idx(files)
    assert raw.names[:2] == ("T-shirt/top", "Trouser") and len(raw.names) == 10
    for mine, theirs in ((raw.inputs, expected.inputs), (raw.test_inputs, expected.test_inputs)):
        order = np.lexsort(mine.reshape(len(mine), -1).T), np.lexsort(theirs.reshape(len(theirs), -1).T)  # it shuffles
        np.testing.assert_array_equal(mine[order[0]], theirs[order[1]])
    assert np.bincount(raw.targets).tolist() == [6000] * 10
    part = read_prepared("fashion_mnist", data_dir=asked["data_dir"], train="train[:1%]", test="test[:1%]")
    np.testing.assert_array_equal(part.inputs, raw.inputs[:600])


# --- wrong input ------------------------------------------------------------------------------------------------------


def test_what_is_missing_and_where_to_get_it(tmp_path):
    for name, page in (("utkface", "https://susanqq"), ("lsp_extended", "http://sam.johnson.io/research/lspet.html")):
        with pytest.raises(FileNotFoundError, match=f"not prepared in .*manual_dir=.*{page}"):
            load(source(name, **options(tmp_path)), seed=0)
        with pytest.raises(FileNotFoundError, match=f"there (are|is) no .*{tmp_path}/nowhere.*{page}"):
            load(source(name, **options(tmp_path, manual_dir=tmp_path / "nowhere")), seed=0)
    with pytest.raises(FileNotFoundError, match="no csv file"):
        load(source("ordinal_table", **options(tmp_path, file=tmp_path / "no.csv", target="y")), seed=0)


def test_unknown_keys_and_sizes(tmp_path, faces):
    with pytest.raises(ValueError, match=r"'maunal_dir' is not a known key .*\. Did you mean 'manual_dir'"):
        load(source("utkface", maunal_dir=faces), seed=0)
    with pytest.raises(ValueError, match="takes no key 'file'"):
        load(source("utkface", **options(tmp_path, file="x.csv")), seed=0)
    with pytest.raises(ValueError, match="give both or neither"):
        load(source("ordinal_table", **options(tmp_path, target="y")), seed=0)
    with pytest.raises(ValueError, match="names a prepared set, and manual_dir the files of one"):
        load(source("utkface/48px-1", **options(tmp_path, manual_dir=faces)), seed=0)
    with pytest.raises(ValueError, match=r"TFDS has no data set 'fashion_mnits'; did you mean 'fashion_mnist'"):
        load("tfds:fashion_mnits", seed=0)
    for size in ("4", "big"):
        with pytest.raises(ValueError, match=f"size='{size}': expected the height"):
            load(source("utkface", **options(tmp_path, manual_dir=faces, size=size)), seed=0)


def test_nothing_is_warned_of_where_all_is_well(tmp_path, faces):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        read_prepared("utkface", **options(tmp_path, manual_dir=faces))

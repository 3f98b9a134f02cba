"""Files of csv, npz and idx are read as they are, or refused with the place that is wrong."""

import gzip
import pickle
import struct
import zipfile

import numpy as np
import pytest

from jaxsurr.data.delimited import read_csv
from jaxsurr.data.files import read_idx, read_npz
from jaxsurr.data.raw import closest


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_closest_lists_the_options_and_names_a_near_one():
    assert closest("rsponse", ["age", "response"]) == "Did you mean 'response'? There are: age, response."
    assert closest("zzz", ["age"]) == "There are: age."
    assert closest("zzz", []) == "There are: none."


class TestCsv:
    def test_reads_numbers_in_order(self, tmp_path):
        raw = read_csv(write(tmp_path / "t.csv", "\ufeffa, response ,b\n1,2,-3.5\n\n4,1,1e-2\n"), "response")
        np.testing.assert_array_equal(raw.inputs, [[1, -3.5], [4, 0.01]])
        np.testing.assert_array_equal(raw.targets, [2, 1])
        assert raw.kind == "levels"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "t.csv is empty"),
            ("\n\n", "t.csv is empty"),
            ("a,response\n", "no rows"),
            ("response\n1\n", "column 'response' only"),
            ("a,respons\n1,2\n", r"no column 'response'. Did you mean 'respons'\?"),
            ("a,a,response\n1,2,3\n", "two columns named 'a'"),
            ("a,response\n1,2\n3\n", "line 3: 1 cells, expected 2"),
            ("a,response\n1,2,3\n", "line 2: 3 cells, expected 2"),
            ("a,response\n1,2\n\nred,2\n", "line 4, column 'a': 'red' is not a finite number"),
            ("a,response\n1,\n", "line 2, column 'response': ''"),
            ("a,response\ninf,1\n", "line 2, column 'a': 'inf' is not a finite number"),
            ("a,response\nnan,1\n", r"no input column has a value \(a\)"),
            ("a,response\n1,-inf\n", "line 2, column 'response': '-inf'"),
        ],
    )
    def test_refuses(self, tmp_path, text, message):
        with pytest.raises(ValueError, match=message):
            read_csv(write(tmp_path / "t.csv", text), "response")

    def test_refuses_what_is_not_text(self, tmp_path):
        for wrong in (b"a,response\n\xff\x01,1\n", b"a,response\n\x81,1\n"):
            (tmp_path / "t.csv").write_bytes(wrong)
            with pytest.raises(ValueError, match=r"t\.csv is not a text file in UTF-8 or Latin-1"):
                read_csv(tmp_path / "t.csv", "response")

    def test_refuses_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no csv file .*t\.csv"):
            read_csv(tmp_path / "t.csv", "response")


class TestNpz:
    def save(self, tmp_path, **arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    def test_official_split_and_names(self, tmp_path):
        x = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
        path = self.save(tmp_path, x_train=x, age_train=[5, 6], x_test=x[:1], age_test=[7], words=["a", "b"])
        raw = read_npz(path, y="age", names="words")
        assert raw.inputs.shape == (2, 3, 4, 1)
        np.testing.assert_array_equal(raw.inputs[..., 0], x)
        np.testing.assert_array_equal(raw.targets, [5, 6])
        np.testing.assert_array_equal(raw.test_targets, [7])
        assert raw.names == ("a", "b")
        assert raw.kind == "classes"

    def test_bare_arrays_and_float_inputs_keep_their_shape(self, tmp_path):
        raw = read_npz(self.save(tmp_path, x=np.zeros((2, 3, 4)), y=[1, 2]))
        assert raw.inputs.shape == (2, 3, 4)
        assert raw.test_inputs is None
        assert read_npz(self.save(tmp_path, x=[1, 2], y=[1, 2])).inputs.shape == (2, 1)

    def test_points(self, tmp_path):
        path = self.save(tmp_path, x=np.zeros((2, 3)), kp=np.ones((2, 4, 2)), size=[1.0, 2.0])
        raw = read_npz(path, points="kp", scale="size")
        assert raw.kind == "keypoints"
        np.testing.assert_array_equal(raw.targets.visible, np.ones((2, 4)))
        np.testing.assert_array_equal(raw.targets.scale, [1, 2])

    @pytest.mark.parametrize(
        ("arrays", "options", "message"),
        [
            ({"x": [1, 2], "z": [1, 2]}, {}, "no array 'y'. There are: x, z"),
            ({"x": [1, 2], "ages": [1, 2]}, {"y": "age"}, r"no array 'age'. Did you mean 'ages'\?"),
            ({"x_train": [1], "y_train": [1]}, {}, "no array 'x_test'"),
            ({"x": [1, 2], "y": [1, 2, 3]}, {}, "'y' has 3 rows, expected 2"),
            ({"x": [1, 2], "y": [[1], [2]]}, {}, r"'y' has shape \(2, 1\), expected \(2\)"),
            ({"x": [1, 2], "y": ["a", "b"]}, {}, "'y' has dtype <U1, expected numbers"),
            ({"x": [1, 2], "y": [1, np.nan]}, {}, "'y' has 1 values that are NaN"),
            ({"x": [np.inf, np.nan], "y": [1, 2]}, {}, "'x' has 2 values that are NaN or infinite"),
            ({"x": 1, "y": [1]}, {}, "'x' is not an array with one row for each example"),
            ({"x": [1]}, {"points": "kp"}, "points need a scale"),
            ({"x": [1], "y": [1]}, {"scale": "s"}, "visible and scale belong to points"),
            ({"x": [1], "kp": np.ones((1, 2, 3)), "s": [1]}, {"points": "kp", "scale": "s"}, r"expected \(1, J, 2\)"),
            ({"x": [1], "kp": np.ones((1, 2, 2)), "s": [0]}, {"points": "kp", "scale": "s"}, "scale must be above 0"),
            (
                {"x": [1, 2], "kp": np.ones((2, 2, 2)), "s": [1, -1]},
                {"points": "kp", "scale": "s"},
                "scale must be above 0, found -1 to 1",
            ),
            (
                {"x": [1], "kp": np.ones((1, 2, 2)), "s": [1], "v": [[0, 2]]},
                {"points": "kp", "scale": "s", "visible": "v"},
                "visible must be 0 or 1, found 0 to 2",
            ),
            (
                {"x": [1], "kp": np.ones((1, 2, 2)), "s": [1], "v": [[1]]},
                {"points": "kp", "scale": "s", "visible": "v"},
                r"visible has shape \(1, 1\), expected \(1, 2\)",
            ),
        ],
    )
    def test_refuses(self, tmp_path, arrays, options, message):
        with pytest.raises(ValueError, match=message):
            read_npz(self.save(tmp_path, **arrays), **options)

    def test_rows_without_a_size_are_dropped_and_counted(self, tmp_path):
        points = np.arange(12.0).reshape(3, 2, 2)
        path = self.save(tmp_path, x=np.arange(3.0), kp=points, head=np.array([2, 0, 1]), v=np.eye(3, 2))
        with pytest.warns(UserWarning, match=r"a\.npz: 1 of 3 rows have scale 0.* are dropped"):
            raw = read_npz(path, points="kp", scale="head", visible="v")
        assert raw.inputs[:, 0].tolist() == [0, 2] and raw.targets.scale.tolist() == [2, 1]
        np.testing.assert_array_equal(raw.targets.points, points[[0, 2]])
        np.testing.assert_array_equal(raw.targets.visible, np.eye(3, 2)[[0, 2]])

    def test_refuses_objects_and_runs_none_of_their_code(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return (open, (str(tmp_path / "ran"), "w"))

        pickle.loads(pickle.dumps(Trap())).close()  # the trap works
        (tmp_path / "ran").unlink()
        path = self.save(tmp_path, x=np.array([Trap()], dtype=object), y=[1])
        with pytest.raises(ValueError, match="objects are refused"):
            read_npz(path)
        assert not (tmp_path / "ran").exists()

    def test_refuses_truncated_damaged_and_other_files(self, tmp_path):
        path = self.save(tmp_path, x=np.arange(1000), y=np.arange(1000))
        content = path.read_bytes()
        for wrong in (content[: len(content) // 2], b"", b"not an archive"):
            path.write_bytes(wrong)
            with pytest.raises(ValueError, match="not an npz file, or it is truncated"):
                read_npz(path)
        middle = len(content) // 4
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :])
        with pytest.raises(ValueError, match="'x' is damaged or truncated"):
            read_npz(path)
        np.save(tmp_path / "b.npy", np.zeros(3))
        with pytest.raises(ValueError, match="not an npz file"):
            read_npz(tmp_path / "b.npy")

    def test_refuses_members_that_are_no_arrays(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("x", b"text")
        with pytest.raises(ValueError, match="'x' is not an array"):
            read_npz(tmp_path / "a.npz")

    def test_refuses_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no npz file .*a\.npz"):
            read_npz(tmp_path / "a.npz")


def idx_bytes(array):
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def idx_directory(tmp_path):
    for part, n in (("train", 6), ("t10k", 4)):
        images = np.arange(n * 28 * 28).reshape(n, 28, 28) % 256
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.arange(n) % 3)))
    return tmp_path


class TestIdx:
    def test_reads_plain_and_gz(self, idx_directory):
        raw = read_idx(idx_directory)
        assert raw.inputs.shape == (6, 28, 28, 1)
        assert raw.inputs[1, 2, 3, 0] == (28 * 28 + 2 * 28 + 3) % 256
        np.testing.assert_array_equal(raw.targets, [0, 1, 2, 0, 1, 2])
        np.testing.assert_array_equal(raw.test_targets, [0, 1, 2, 0])

    def test_truncated_plain_file(self, idx_directory):
        path = idx_directory / "train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:-10])
        size = 16 + 6 * 28 * 28
        with pytest.raises(ValueError, match=rf"train-images-idx3-ubyte: expected {size} bytes .*found {size - 10};"):
            read_idx(idx_directory)

    def test_too_long_file(self, idx_directory):
        path = idx_directory / "train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(ValueError, match=f"expected {16 + 6 * 28 * 28} bytes .*found {17 + 6 * 28 * 28};"):
            read_idx(idx_directory)

    def test_truncated_gz_file(self, idx_directory):
        path = idx_directory / "t10k-labels-idx1-ubyte.gz"
        labels = np.random.default_rng(0).integers(256, size=5000)  # does not compress, so that half of it is half
        path.write_bytes(gzip.compress(idx_bytes(labels))[:2500])
        with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.gz: expected 5008 bytes .*found \d+; fetch"):
            read_idx(idx_directory)

    def test_damaged_gz_file(self, idx_directory):
        (idx_directory / "t10k-labels-idx1-ubyte.gz").write_bytes(b"no gzip at all")
        with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.gz is not a gzip file"):
            read_idx(idx_directory)

    def test_wrong_magic_number(self, idx_directory):
        labels = (idx_directory / "train-labels-idx1-ubyte.gz").read_bytes()
        (idx_directory / "train-images-idx3-ubyte").write_bytes(gzip.decompress(labels) + bytes(16))
        with pytest.raises(ValueError, match=r"train-images-idx3-ubyte: magic number 2049, expected 2051"):
            read_idx(idx_directory)

    def test_no_room_for_the_header(self, idx_directory):
        (idx_directory / "train-images-idx3-ubyte").write_bytes(b"\0\0")
        with pytest.raises(ValueError, match="expected at least 16 bytes of header, found 2"):
            read_idx(idx_directory)

    def test_images_and_labels_of_different_number(self, idx_directory):
        path = idx_directory / "train-labels-idx1-ubyte.gz"
        path.write_bytes(gzip.compress(idx_bytes(np.arange(5))))
        with pytest.raises(ValueError, match="6 train images but 5 labels"):
            read_idx(idx_directory)

    def test_missing_files(self, idx_directory):
        (idx_directory / "t10k-images-idx3-ubyte").unlink()
        with pytest.raises(FileNotFoundError, match=r"neither t10k-images-idx3-ubyte nor t10k-images-idx3-ubyte\.gz"):
            read_idx(idx_directory)
        with pytest.raises(FileNotFoundError, match="no directory"):
            read_idx(idx_directory / "nowhere")

"""A data file of any content ends in rows or in a sentence, in no more memory than its size allows."""

import gzip
import os
import subprocess
import sys
import textwrap
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from jaxsurr.data import load
from jaxsurr.data.delimited import read_csv
from jaxsurr.data.files import read_idx, read_npz


def npy(shape, body=b"", descr="<f4", version=1):
    """The bytes of an array whose header states what it likes."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode().ljust(119) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 if version == 1 else 4, "little") + text + body


def archive(path, method=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def idx(array):
    return np.array([0x800 + array.ndim, *array.shape], ">u4").tobytes() + array.astype(np.uint8).tobytes()


def directory(folder, **files):
    """The four files of a set of the MNIST family, some of them replaced."""
    folder.mkdir(exist_ok=True)
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(np.zeros((6, 4, 4))))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(6)))
    for name, content in files.items():
        name = name.replace("_", "-")
        (folder / name.removesuffix("-gz")).unlink(missing_ok=True)
        (folder / (f"{name.removesuffix('-gz')}.gz" if name.endswith("-gz") else name)).write_bytes(content)
    return folder


Y = npy((4,), bytes(16), "<i4")
ARRAYS = {
    "more rows than there are bytes": (npy((10**12,)), "4000000000000 bytes, and the file holds 0"),
    "more rows than a number holds": (npy((10**30,)), "has shape .* by its header"),
    "rows without a column": (npy((10**18, 0)), "has shape .* by its header"),
    "strings without a character": (npy((10**18,), descr="<U0"), "has shape .* by its header"),
    "long strings": (npy((4,), descr="<U100000000"), "1600000000 bytes, and the file holds 0"),
    "negative": (npy((-4,)), "has a header that is damaged"),
    "not a number": (npy((4.0,)), "has a header that is damaged"),
    "too short": (npy((4,), bytes(12)), "16 bytes, and the file holds 12"),
    "too long": (npy((4,), bytes(20)), "16 bytes, and the file holds 20"),
    "brackets": (b"\x93NUMPY\x02\x00" + (9000).to_bytes(4, "little") + b"(" * 9000, "has a header that is damaged"),
    "a header of gigabytes": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "has a header that is damaged"),
    "no header": (b"\x93NUMPY\x01\x00", "has a header that is damaged"),
    "another version": (npy((4,), bytes(16), version=9), "of version"),
    "objects": (npy((4,), bytes(32), descr="|O"), "objects are refused"),
    "a record": (npy((4,), bytes(16), descr=[("a", "<f4")]), "objects are refused"),
    "dates": (npy((4,), bytes(32), descr="<M8[s]"), "not a plain array of numbers"),
    "text": (b"text", "is not an array"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_an_array_is_as_large_as_its_file(case, tmp_path):
    content, message = ARRAYS[case]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with pytest.raises(ValueError, match=message):
            read_npz(archive(tmp_path / "a.npz", method, x=content, y=Y))


def test_arrays_of_every_plain_kind_are_read_as_numpy_reads_them(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ("i1", "u1", "<i2", ">i2", "<u4", ">i8", "<u8", "<f2", ">f4", "<f8", "?"):
        array = np.asfortranarray((rng.normal(size=(5, 3)) * 9).astype(kind))
        for save in (np.savez, np.savez_compressed):
            save(tmp_path / "a.npz", x=array, y=np.arange(5))
            np.testing.assert_array_equal(read_npz(tmp_path / "a.npz").inputs, array)


@pytest.mark.parametrize(
    ("central", "local", "value", "message"),
    [(8, 6, 1, "'x' is encrypted"), (10, 8, 97, "compressed in an unknown way")],
)
def test_what_only_other_programs_can_unpack(central, local, value, message, tmp_path):
    content = bytearray(archive(tmp_path / "a.npz", x=npy((4,), bytes(16)), y=Y).read_bytes())
    for mark, offset in ((b"PK\x01\x02", central), (b"PK\x03\x04", local)):
        content[content.find(mark) + offset] = value
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_npz(tmp_path / "a.npz")


HEADER = np.array([0x803, 6, 4, 4], ">u4").tobytes()
IMAGES = {
    "more than there is": (np.array([0x803, 2**31, 2**31, 2**31], ">u4").tobytes(), "expected 99035203142830421991"),
    "one byte more": (idx(np.zeros((6, 4, 4))) + b"\0", "expected 112 bytes .*found (113|more);"),
    "one byte less": (idx(np.zeros((6, 4, 4)))[:-1], "expected 112 bytes .*found 111;"),
    "empty": (b"", "expected at least 16 bytes of header, found 0"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_images_are_as_large_as_their_file(case, tmp_path):
    content, message = IMAGES[case]
    with pytest.raises(ValueError, match=message):
        read_idx(directory(tmp_path / "plain", train_images_idx3_ubyte=content))
    with pytest.raises(ValueError, match=message.replace("found 111", "found (111|at most)")):
        read_idx(directory(tmp_path / "packed", train_images_idx3_ubyte_gz=gzip.compress(content)))


def bombs(folder):
    """What reads small files that unpack to much, or have lines and names without end."""
    packer = zlib.compressobj(1, wbits=31)
    packed = packer.compress(HEADER) + b"".join(packer.compress(bytes(2**24)) for _ in range(32)) + packer.flush()
    directory(folder / "i", train_images_idx3_ubyte_gz=packed)
    yield lambda: read_idx(folder / "i")
    with (folder / "line.csv").open("wb") as file:
        file.truncate(2**32)
    yield lambda: read_csv(folder / "line.csv", "a")
    (folder / "quote.csv").write_text('"a,b\n' + "1,2\n" * 10**6)
    yield lambda: read_csv(folder / "quote.csv", "a")
    (folder / "ids.csv").write_text("a,id\n" + "".join(f"{k % 3},{k:x}-{k * k:x}\n" for k in range(10**6)))
    yield lambda: read_csv(folder / "ids.csv", "a")
    header, noise = npy((3 * 2**28,)), np.random.default_rng(0).bytes(2**22)
    content = bytearray(archive(folder / "a.npz", x=header + noise, y=Y).read_bytes())
    size = (len(header) + 3 * 2**30).to_bytes(4, "little")  # as little as deflate would make of so many zeros
    place = content.find(b"PK\x01\x02") + 24
    content[place : place + 4] = size
    (folder / "a.npz").write_bytes(content)
    yield lambda: read_npz(folder / "a.npz")


def test_what_unpacks_to_gigabytes_takes_no_gigabytes(tmp_path):
    """In a process of its own, whose memory is bounded."""
    script = """
        import pathlib, resource, sys
        from tests.data.test_hostile import bombs
        held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + 3 * 2**27, held + 3 * 2**27))
        for use in bombs(pathlib.Path(sys.argv[1])):
            try:
                use()
            except (ValueError, OSError) as error:
                print(str(error)[:200])
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    parts = ("found more", "a line of more than", "field larger", "more than 1000 different words", "needs 3.0 GiB")
    for line, part in zip(said, parts, strict=True):
        assert part in line


def test_mutated_files_are_read_or_refused_in_words(tmp_path):
    """Bytes changed, cut out, doubled and cut off, anywhere in files of each kind."""
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "z.npz", x=rng.normal(size=(9, 3)), y=np.arange(9) % 3)
    np.savez(tmp_path / "p.npz", x=rng.normal(size=(9, 3)), y=np.arange(9) % 3)
    table = "a,b,y\n" + "".join(f"{a:.2f},{b:.1e},{k % 3}\n" for k, (a, b) in enumerate(rng.normal(size=(9, 2))))
    images = idx(np.zeros((6, 4, 4)))
    readers = {
        "z.npz": ((tmp_path / "z.npz").read_bytes(), lambda path: read_npz(path)),
        "p.npz": ((tmp_path / "p.npz").read_bytes(), lambda path: read_npz(path)),
        "t.csv": (table.encode(), lambda path: read_csv(path, "y")),
        "plain": (
            images,
            lambda path: read_idx(directory(path.parent / "d", train_images_idx3_ubyte=path.read_bytes())),
        ),
        "packed": (
            gzip.compress(images),
            lambda path: read_idx(directory(path.parent / "g", train_images_idx3_ubyte_gz=path.read_bytes())),
        ),
    }
    for name, (content, read) in readers.items():
        refused = 0
        for _ in range(150):
            wrong, place = bytearray(content), int(rng.integers(len(content)))
            match rng.integers(5):
                case 0:
                    wrong[place] ^= 1 << int(rng.integers(8))
                case 1:
                    wrong[place] = int(rng.integers(256))
                case 2:
                    del wrong[place : place + int(rng.integers(1, 9))]
                case 3:
                    wrong[place:place] = wrong[place : place + int(rng.integers(1, 9))]
                case _:
                    del wrong[place:]
            (tmp_path / "wrong").write_bytes(wrong)
            try:
                read(tmp_path / "wrong")
            except (ValueError, OSError) as error:
                assert len(str(error).split()) > 3, (name, error)
                refused += 1
        assert refused > 40, name


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    for name in ("pipe", "loop", "folder", "empty", "nothing", "a" * 300, "nul\0"):
        for read in (read_npz, lambda path: read_csv(path, "y"), read_idx):
            with pytest.raises((ValueError, FileNotFoundError), match=r"\w+ \w+ \w+"):
                read(tmp_path / name)
    with pytest.raises(ValueError, match="is a pipe or a device; name a csv file after 'csv:'"):
        read_csv("/dev/zero", "y")


# --- tables -----------------------------------------------------------------------------------------------------------

NUMBERS = [
    "1_000",
    "1_0",
    "infinity",
    "-inf",
    "+inf",
    "\u0661\u0662",
    "\uff11",
    "0x1F",
    "1e400",
    "1,5",
    "1 2",
    "1\0",
    "True",
]


@pytest.mark.parametrize("cell", NUMBERS)
def test_what_python_reads_and_a_table_does_not_mean_is_no_number(cell, tmp_path):
    (tmp_path / "t.csv").write_text(f'a,y\n1,2\n"{cell}",3\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"t\.csv, line 3, column 'a': .* is not a finite number; "):
        read_csv(tmp_path / "t.csv", "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b y\n1 2 3\n", "separated by spaces"),
        ("a,b,y\n1,5,2,5,3,5\n", "6 cells, expected 3 as in the header; are there decimal commas"),
        ('a,y\n"1,5","2"\n', "'1,5' is not a finite number; write a decimal point"),
        ("a b,c\n1,2\n", "no column 'y'"),
    ],
)
def test_another_separator_or_decimal_mark_is_named(text, message, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_csv(tmp_path / "t.csv", "y")


def test_many_columns_take_time_in_proportion(tmp_path):
    """Names are looked up, not searched for: twice as many take less than thrice the comparisons."""

    class Name(str):
        compared = 0

        def __eq__(self, other):
            Name.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    from jaxsurr.data import roles

    for number in (1000, 2000):
        Name.compared = 0
        columns = [Name(f"c{i}") for i in range(number)]
        with pytest.raises(ValueError, match="two columns named 'c5'"):
            roles.check("t.csv", [*columns, Name("c5")], roles.Roles(("c1",)), lambda key, value: "")
        assert Name.compared < 3 * number


def test_a_message_names_some_of_many_columns(tmp_path):
    (tmp_path / "t.csv").write_text(",".join(f"c{i}" for i in range(5000)) + "\n")
    with pytest.raises(ValueError, match=r"Did you mean 'c4999'\? There are: c0, .*, c29 and 4970 more\.") as refused:
        read_csv(tmp_path / "t.csv", "c_4999")
    assert len(str(refused.value)) < 400


# --- integers beyond 2^53, seeds beyond 2^32 --------------------------------------------------------------------------


def test_labels_beyond_2_to_the_53_are_exact_or_refused(tmp_path):
    x, near = np.random.default_rng(0).normal(size=(120, 3)), np.arange(120) % 3
    for dtype, start in ((np.int64, 2**53), (np.int64, -(2**63)), (np.uint64, 2**64 - 4)):
        np.savez(tmp_path / "a.npz", x=x, y=np.asarray([start + int(k) for k in near], dtype))
        data = load(f"npz:{tmp_path / 'a.npz'}", seed=0)
        assert data.names == tuple(str(start + k) for k in range(3))
        assert np.unique(data.train.targets).tolist() == [0, 1, 2]
        with pytest.raises(ValueError, match=r"beyond 2\^53, where neighbours cannot be told apart"):
            load(f"npz:{tmp_path / 'a.npz'}", seed=0, kind="levels")
    np.savez(tmp_path / "a.npz", x=x, y=near * 2.0**54)
    with pytest.raises(ValueError, match=r"beyond 2\^53"):
        load(f"npz:{tmp_path / 'a.npz'}", seed=0)


@pytest.mark.parametrize("column", ["y", "q"])
def test_ids_of_a_table_are_exact_or_refused(column, tmp_path):
    rows = [{"a": 1, "y": k % 3, "q": k // 4} for k in range(60)]
    rows[7][column] = 2**53 + 1
    (tmp_path / "t.csv").write_text("a,y,q\n" + "".join(f"{row['a']},{row['y']},{row['q']}\n" for row in rows))
    with pytest.raises(ValueError, match=rf"t\.csv, line 9, column '{column}': 9007199254740993 lies beyond 2\^53"):
        load(f"csv:{tmp_path / 't.csv'}?target=y&list=q", seed=0)


def test_seeds_beyond_32_bits_are_refused():
    for name in ("seed", "split_seed"):
        with pytest.raises(ValueError, match=rf"{name} must be an integer of .* at most 4294967295.*, got 4294967296"):
            load("sklearn:digits", **{"seed": 0, name: 2**32})
    load("sklearn:digits", seed=2**32 - 1, split_seed=2**32 - 1)


# --- inputs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_inputs_whose_spread_cannot_be_taken_are_refused(size, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2)) * [1, size]
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(60) % 2)
    with pytest.raises(ValueError, match="standard deviation overflows or vanishes; divide them"):
        load(f"npz:{tmp_path / 'a.npz'}", seed=0)


def test_points_that_are_not_visible_may_hold_anything(tmp_path):
    points, visible = np.random.default_rng(0).uniform(1, 9, (60, 2, 2)), np.ones((60, 2))
    visible[::3, 0] = 0
    zeros, anything = points.copy(), points.copy()
    zeros[::3, 0], anything[::3, 0] = 0, np.nan
    found = []
    for held in (zeros, anything):
        np.savez(tmp_path / "a.npz", x=np.arange(60.0), kp=held, v=visible, s=np.ones(60))
        found.append(load(f"npz:{tmp_path / 'a.npz'}?points=kp&visible=v&scale=s", seed=0).train.targets)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    np.savez(tmp_path / "a.npz", x=np.arange(60.0), kp=anything, s=np.ones(60))
    with pytest.raises(ValueError, match="'kp' has 40 values that are NaN or infinite"):
        load(f"npz:{tmp_path / 'a.npz'}?points=kp&scale=s", seed=0)


def test_one_hot_targets_are_recognised(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 2)), y=np.eye(3)[np.arange(6) % 3])
    with pytest.raises(ValueError, match=r"'y' has shape \(6, 3\), expected \(6\); it seems to be one-hot"):
        read_npz(tmp_path / "a.npz")

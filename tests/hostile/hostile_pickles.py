"""Of `hostile_cases`: a trainer.pt that torch.save would not write."""

import os
import pickle
import struct
import zipfile

from changes import content, pipe

TRAINER = "run/checkpoints/last/trainer.pt"


def number(value):
    digits = pickle.encode_long(value)
    return b"\x8a" + bytes([len(digits)]) + digits


def called(name, *arguments):
    return b"c" + name.replace(" ", "\n").encode() + b"\n(" + b"".join(arguments) + b"tR"


def text_of(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def tensor(stored, shape, stride):
    """A tensor of 32-bit numbers, of a storage with so many."""
    storage = b"(" + text_of("storage") + b"ctorch\nFloatStorage\n" + text_of("0") + text_of("cpu")
    storage += number(stored) + b"tQ"
    shapes = [b"(" + b"".join(map(number, sizes)) + b"t" for sizes in (shape, stride)]
    hooks = called("collections OrderedDict")
    return called("torch._utils _rebuild_tensor_v2", storage, number(0), *shapes, b"\x89", hooks)


def trainer(value, stored=4, moment=True, compression=zipfile.ZIP_STORED, **names):
    """A trainer.pt whose first moment of the first weight is what a pickle makes."""

    def change(folder):
        state = b"}" + text_of("state") + b"}K\x00}" + text_of("exp_avg") + value + b"sss"
        state = b"}" + text_of("optimizer") + state + b"s"
        members = {"data.pkl": b"\x80\x02" + (state if moment else value) + b"."}
        members |= {"version": b"3\n", "byteorder": b"little", **names}
        with zipfile.ZipFile(folder / TRAINER, "w", compression, compresslevel=1) as archive:
            for name, inside in members.items():
                archive.writestr(f"archive/{name}", inside)
            with archive.open("archive/data/0", "w", force_zip64=True) as file:
                for at in range(0, stored, 2**20):
                    file.write(bytes(min(2**20, stored - at)))

    return change


def of_old_torch(value):
    """The same as torch before 1.6 wrote it."""
    system = {"protocol_version": 1001, "little_endian": True,
              "type_sizes": {"short": 2, "int": 4, "long": 4}}  # fmt: skip
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    return content(TRAINER, b"".join([*parts, b"\x80\x02" + value + b".", pickle.dumps(["0"], 2)]))


HUGE = 5 * 10**8
# 2^50 bytes of a few, each time as many again.
DOUBLED = text_of("\\" * 1000) + b"q\x00"
for _ in range(50):
    DOUBLED = called("_codecs encode", called("_codecs encode", DOUBLED, text_of("unicode_escape")),
                     text_of("hex"))  # fmt: skip

PICKLES = {
    "trainer of 2 GB of zeros": trainer(tensor(HUGE, (HUGE,), (1,)), 4 * HUGE,
                                        compression=zipfile.ZIP_DEFLATED),
    "trainer of a shape of 10^18": trainer(tensor(1, (10**9, 10**9), (0, 0))),
    "trainer of another shape": trainer(tensor(1, (1, 1, 1, 1, 1), (1,) * 5)),
    "trainer that makes a bytearray": trainer(called("builtins bytearray", number(2 * 10**9))),
    "trainer that makes a tensor": trainer(called("torch FloatTensor", number(10**11))),
    "trainer that makes a storage": trainer(
        called("torch.storage UntypedStorage", number(10**11))),
    "trainer of a sparse tensor": trainer(called("torch.sparse FloatTensor", number(10**6))),
    "trainer of a meta tensor": trainer(
        called("torch._utils _rebuild_meta_tensor_no_storage", number(1))),
    "trainer that doubles a text": trainer(DOUBLED),
    "trainer of 10^6 nested lists": trainer(b"]" * 10**6 + b"a" * (10**6 - 1), moment=False),
    "trainer of 10^5 nested lists": trainer(b"]" * 10**5 + b"a" * (10**5 - 1)),
    "trainer that calls os": trainer(called("os system", text_of("touch canary"))),
    "trainer with two pickles": trainer(tensor(1, (1,), (1,)), **{"DATA.PKL": b"cos\nsystem\n."}),
    "trainer without an optimizer": trainer(b"}", moment=False),
    "trainer of old torch": of_old_torch(called("torch FloatTensor", number(10**11))),
    "trainer of old torch, cut short": of_old_torch(tensor(10**11, (10**11,), (1,))),
    "trainer that is a pipe": pipe(TRAINER),
    "trainer larger than its weights": lambda folder: os.truncate(folder / TRAINER, 2**30),
}  # fmt: skip

"""Files are read in few places, which bound them and name them in errors; nowhere else.

`reclf.config.foreign_files` reads JSON and arrays, `reclf_study.yaml_files` YAML, `foreign_model`
and `foreign_tokenizer` weights, pickles and tokenizers, `reclf.datasets.tables_on_disk` tables.
Who reads by a library's own function elsewhere stands below, with the reason why it may.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("reclf", "study", "benchmarks", "widgets", "phantom")
# As a call is written, without the modules in front of the last one.
READERS = {
    "json.load", "json.loads", "yaml.load", "yaml.safe_load", "yaml.full_load", "yaml.compose",
    "np.load", "np.fromfile", "np.memmap", "np.loadtxt", "np.genfromtxt", "torch.load",
    "safe_open", "load_file", "pickle.load", "pickle.loads", "ZipFile", "zipfile.ZipFile",
    "tarfile.open", "gzip.open", "gzip.decompress", "zlib.decompress", "Image.open", "cv2.imread",
    "pydicom.dcmread", "dcmread", "pd.read_csv", "pd.read_parquet", "pd.read_excel", "pd.read_json",
    "csv.reader", "csv.DictReader", "ParquetFile", "parquet.ParquetFile", "ElementTree.parse",
    "ElementTree.fromstring", "tomllib.load", "tomllib.loads", "load_from_disk",
    "arrow.load_from_disk", "exec", "eval", "AutoTokenizer.from_pretrained",
}  # fmt: skip
ALLOWED = {
    # -- the one way for each format
    "reclf/config/foreign_files.py": {"json.loads", "ZipFile", "np.load"},
    "study/reclf_study/yaml_files.py": set(),
    "reclf/models/foreign_model.py": {"safe_open", "zipfile.ZipFile", "torch.load"},
    "reclf/models/foreign_tokenizer.py": {"AutoTokenizer.from_pretrained"},
    "reclf/datasets/tables_on_disk.py": {
        "gzip.open", "zipfile.ZipFile", "csv.reader", "parquet.ParquetFile",
    },
    "reclf/data/image_files.py": {"Image.open"},
    "reclf/data/dicom_files.py": {"pydicom.dcmread", "Image.open"},
    # -- after they were looked at
    "reclf/models/stored_model.py": {"load_file"},  # read_shapes
    "reclf/import_encoder.py": {"load_file"},  # tensors alone, as large as their file
    "reclf/datasets/prepared.py": {"arrow.load_from_disk", "json.loads"},  # _refuses_damage
    "reclf/datasets/arrow_schema.py": {"json.loads"},  # within _refuses_damage
    "reclf/datasets/open_i.py": {  # defused; archives of the publisher, bounded by _refuses_damage
        "ElementTree.fromstring", "gzip.open", "tarfile.open", "zipfile.ZipFile",
    },
    "reclf/datasets/prepare.py": {"Image.open"},  # headers
    "reclf/runs/metrics_log.py": {"json.loads"},  # a damaged line is left out and named
    "reclf/explain/explanation.py": {"json.loads"},  # a header of bounded arrays, a DamagedFile
    # -- text that is no file, or a file of the package itself
    "reclf/config/overrides.py": {"json.loads"},
    "reclf/runs/notebook.py": {"json.loads"},
    "reclf/datasets/labels.py": {"json.loads"},  # a cell; what is no JSON is read otherwise
    "reclf/datasets/patients.py": {"json.loads"},
    "reclf/datasets/phantom/words.py": {"json.loads"},
    "reclf/data/sections.py": {"json.loads"},
    "benchmarks/reclf_benchmarks/data_path.py": {"Image.open", "cv2.imread"},  # which it wrote
    "benchmarks/reclf_benchmarks/two_versions.py": {"json.loads"},
    "study/reclf_study/paper_table/notebook_parameters.py": {"exec"},  # a shipped cell
    "study/reclf_study/results_page.py": {"Image.open"},  # figures of the repository
}  # fmt: skip


def readers_in(source):
    """Names of READERS that are called in Python source."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            parts = ast.unparse(node.func).split(".")
            found |= {".".join(parts[-2:]), parts[-1] if len(parts) == 1 else ""} & READERS
    return found


def files():
    return [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]


def test_nobody_else_reads():
    found = {str(path.relative_to(ROOT)): readers_in(path.read_text()) for path in files()}
    assert len(found) > 150
    others = {name: calls - ALLOWED.get(name, set()) for name, calls in found.items()}
    assert {name: calls for name, calls in others.items() if calls} == {}
    gone = {name: calls - found.get(name, set()) for name, calls in ALLOWED.items()}
    assert {name: calls for name, calls in gone.items() if calls} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import json\njson.loads(Path(x).read_text())", {"json.loads"}),
        ("json.load(open(x))['a']", {"json.load"}),
        ("f(yaml.safe_load(x))", {"yaml.safe_load"}),
        ("from safetensors import safe_open\nwith safe_open(x, 'pt') as f: pass", {"safe_open"}),
        ("lib.io.torch.load(x)", {"torch.load"}),
        ("json.dumps(x); read_json(x); model.load_state_dict(x)", set()),
    ],
)
def test_a_call_is_found(source, found):
    assert readers_in(source) == found

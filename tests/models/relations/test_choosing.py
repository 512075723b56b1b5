"""Which aggregator, with which options: by name, or by an import string."""

import pytest

from reclf.models.relations import AGGREGATORS, SRM, make_aggregator, options_of

S = 6


def test_make_aggregator():
    for name, cls in AGGREGATORS.items():
        assert type(make_aggregator(name, S, {})) is cls
    own = make_aggregator("reclf.models.relations.semantic:SRM", S, {"steps": 2})
    assert len(own.semantic.steps) == 2
    with pytest.raises(ValueError, match=r"model\.aggregator must be one of reclf, srm, irm, mean"):
        make_aggregator("SRM", S, {})
    with pytest.raises(ValueError, match=r"aggregator_options do not fit 'srm': .*'step'"):
        make_aggregator("srm", S, {"step": 2})
    unknown = r"no option 'step'; did you mean 'steps'\? Its options: boundary, nearness, "
    with pytest.raises(ValueError, match=unknown):
        make_aggregator("srm", S, {"step": 2})
    with pytest.raises(ValueError, match=r"'global': no option 'steps'\. Its options: none"):
        make_aggregator("global", S, {"steps": 2})
    with pytest.raises(ValueError, match="composition must be one of"):
        make_aggregator("reclf", S, {"composition": "serial"})


class Passing(SRM):
    def __init__(self, dim: int, *, own: int = 0, **options):
        super().__init__(dim, **options)


class Nothing:
    pass


class Mixed(Nothing, SRM):
    def __init__(self, dim: int, **options):
        super().__init__(dim, **options)


def test_options_are_found_where_a_class_passes_them_on():
    srm = {"steps", "scaled", "residual", "read_out", "nearness", "boundary", "overlap"}
    assert options_of("srm") == srm
    assert options_of(f"{__name__}:Passing") == srm | {"own"}
    assert options_of(f"{__name__}:Mixed") == srm
    assert options_of("global") == set()
    with pytest.raises(ValueError, match=r"model\.aggregator must be one of reclf, srm, irm, mean"):
        options_of("SRM")


def test_classes_by_import_string():
    assert isinstance(make_aggregator("reclf.models.relations.semantic:SRM", S, {}), SRM)
    refused = {
        ":SRM": 'must look like "module:Name"',
        "reclf.nowhere:SRM": r"cannot import 'reclf\.nowhere:SRM': No module named",
        "reclf.models.relations:Missing": r"cannot import 'reclf\.models\.relations:Missing'",
        "__main__:Mine": "'Mine'; define it in a cell that runs before",
    }
    for spec, words in refused.items():
        with pytest.raises(ValueError, match=words):
            make_aggregator(spec, S, {})
    with pytest.raises(
        TypeError, match=r"must be a subclass of reclf\.models\.relations\.base\.Aggregator"
    ):
        make_aggregator("reclf.models.relations:Pairs", S, {})

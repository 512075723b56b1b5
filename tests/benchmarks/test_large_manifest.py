"""The benchmark of a large manifest opens all of its studies, and remembers the headers."""

from reclf_benchmarks import large_manifest


def test_three_openings_of_a_small_one(tmp_path, capsys):
    large_manifest.main([str(tmp_path), "--rows", "2400"])
    lines = [line.split("|") for line in capsys.readouterr().out.splitlines() if "|" in line][2:]
    assert [line[1].strip() for line in lines] == ["files", "headers", "headers, again"]
    assert {line[2].strip() for line in lines} == {"2,400"}
    assert all(float(line[3]) > 0 and float(line[4]) > 50 for line in lines)
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 1  # train alone is large enough

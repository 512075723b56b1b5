"""What syncs cost is measured by turning them off: all of a checkpoint's must be among them."""

from reclf_benchmarks.syncing import SLOW, seconds_per_checkpoint


def test_every_file_of_a_checkpoint_is_synced_and_slow_syncs_are_seen(tmp_path):
    seconds, syncs = seconds_per_checkpoint(tmp_path, rounds=1)
    files = list((tmp_path / "run/checkpoints/last").rglob("*"))
    assert syncs > len(files) > 5
    assert seconds["slow disk"] > syncs * SLOW

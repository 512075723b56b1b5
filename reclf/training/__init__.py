"""The training loop and what it stands on: presets, sampler, schedule, devices."""

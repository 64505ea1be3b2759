"""Meta-training: episodes, data, learners, calibration."""

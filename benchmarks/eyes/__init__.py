"""Meta-training on a lent accelerator: photos travel in small files, runs share the GPU, the best weights come back."""

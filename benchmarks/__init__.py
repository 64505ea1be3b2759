"""Speed, memory and accuracy, each benchmark runnable alone: `python -m benchmarks.NAME`. Nothing imports this."""

"""Other ways to serve the same recognition, each as its documentation shows; started by `benchmarks.peers`."""

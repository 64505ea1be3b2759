"""Classes without end to meta-train on: damage that random programs draw over sound surfaces, real or drawn."""

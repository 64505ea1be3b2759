"""Every command of `haja`."""

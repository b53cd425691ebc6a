"""The package on a device that is not the CPU."""

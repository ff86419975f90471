"""Latent dynamics: integrators and the kinetic energy of what they integrate."""

"""Keras models, built for any back end."""

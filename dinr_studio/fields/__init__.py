"""Fields: networks from coordinates to values, and the presets that choose them."""

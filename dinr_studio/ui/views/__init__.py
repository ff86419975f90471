"""Looking at data and field: slices with deep zoom, and volumes in 3D."""

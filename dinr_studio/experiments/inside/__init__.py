"""What goes on inside a field: its tangent kernel, the Jacobians of its dynamics, its trajectories."""

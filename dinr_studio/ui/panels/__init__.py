"""What stands beside and below the pictures: data, field, and the monitor of a fit."""

"""What a finished image is judged by: one small module a check."""

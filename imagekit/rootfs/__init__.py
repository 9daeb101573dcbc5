"""Files on their way into a layer: what they are, where they come from, and how a layer is written."""

"""Reading texts and splitting them."""

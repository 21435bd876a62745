"""What the texts of each arm and round are like: the data themselves, whatever was trained on them."""

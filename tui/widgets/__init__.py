"""The parts screens are made of. Every one that shows a peer's text strips it and never reads it as markup."""

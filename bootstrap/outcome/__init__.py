"""A published outcome, for anybody: checked offline, and put on a page.

docs/spec/outcome.md. Needs no profile, no node and no network. A file is hostile until it has been checked.
"""

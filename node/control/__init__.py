"""What clients ask of a node: methods, views, and the Unix socket they come through.

docs/spec/control.md. The socket's server is one caller of `methods` among others: tests and the demo call it directly.
"""

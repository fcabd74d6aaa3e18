"""The citizen's disk: the vault (opened only with the passphrase) and the archive (frames carried for everyone).

DESIGN §5 *At rest*. Everything here blocks: the service calls it from a worker thread, one call at a time.
Invariant: what a call has returned from is on the disk; what it raised from left nothing behind.
"""

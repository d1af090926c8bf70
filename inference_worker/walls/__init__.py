"""The walls that code of a model package runs behind, whatever it is: built by the process itself before it reads one.

`plan` says what the process may touch, `build` raises the walls and says which stand, `__main__` is what is started;
`landlock`, `syscalls` and `namespaces` are one wall each, `kernel` is how the kernel is asked. Standard library alone:
nothing may start a thread before the walls stand.
"""

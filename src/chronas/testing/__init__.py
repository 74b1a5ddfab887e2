"""Contract suites: what every space, network, supernet and method must keep, for parts of your own too.

Each `check_*` function returns None or raises AssertionError with the broken rule in words:

    from chronas.testing.spaces import check_space
    from chronas.testing.nets import check_builder, check_supernet
    from chronas.testing.methods import check_method
"""

"""Equity: who has how much, how unequal that is, and how sure we are. Frames in, frames out.

=================== ==============================================================================================
``inequality``      the front: Gini, Theil, Atkinson and their kin with errors, Lorenz curves, scalars; begins here
``concentration``   inequality along another rank: concentration index and curve, Kakwani, what lies behind the index
``decomposition``   between and within groups, by source, Shapley
``gap``             why two groups differ: Oaxaca-Blinder, Yun, Fairlie, influence-function regressions
``trend``           whether a gap widens, narrows, or cannot be told; convergence; jumps that are breaks
``levels``          access, use, outcome as a declared index with intervals; which columns may not be pooled
``targeting``       whom a threshold misses and whom it wrongly reaches, on aggregates only
``frontier``        what closing a gap costs: plans under a budget, proven optimal
``space``           neighbours, autocorrelation, hot and cold spots, rates of small places
``access``          services within reach, shared with all who can reach them too
``segregation``     how unevenly groups live or learn apart, with inference
``speedtests``      speed tests by tile: small samples, areas, who tests
``poverty``         who falls below a line, how often, how far, how unequally
``measures``        the formulas, each with its influence function
``sampling``        rows that count, groups, declared errors (linearised, replicate weights, bootstrap)
=================== ==============================================================================================
"""

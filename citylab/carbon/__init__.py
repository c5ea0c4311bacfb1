"""Carbon: what a city emits, how sure that is, what drove it, what it emits today. Frames in, frames out.

============================= ====================================================================================
``factors``                   emission factors and warming potentials, dated, with range, source and mark
``inventory``                 activity x factor x GWP in the rows of the GPC; ``unfold``, ``example_city``
``sheets``                    templates that a city fills in (CSV, Excel), written, read and checked
``uncertainty``               IPCC approach 1 and 2, contributions to variance, ``draw_numbers``
``cuts``                      production, transport and consumption side by side, never added
``footprint``                 consumption by an input-output table of one region or several
``sinks``                     biomass, soil, engineered storage: negative lines beside the gross total
``actors``                    facilities by actor, reconciled to a sub-sector, the residual shown
``digital``                   base stations, data centres, terminals
``drivers``                   LMDI, Kaya, Tapio
``indicators``                intensities, paths to targets, the sub-centre claim
``reconcile``                 sources compared, and what lies between them
``pulse``                     daily emissions from proxies
``buildings``                 benchmarks and retrofits of buildings
============================= ====================================================================================
"""

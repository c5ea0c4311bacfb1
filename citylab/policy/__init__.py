"""Policy: what people would do, what was done, and who gains; it may ask every domain, and no domain asks it.

=================== ==============================================================================================
``scenario``        the reference and dated changes, as Python or YAML, told as a diff; begins here
``levers``          what a city can do, one file each: bounds, dates, beliefs about the effect with their source
``reference``       the path without any change, with its uncertainty
``world``           persons collapsed to cells, exact for the levers
``simulate``        reference and scenario on the same draws: tonnes, air, money, access, who gains, how sure
``portfolio``       the best levers for a budget
``explore``         which assumption matters, regret over futures, how much is needed for a target
``rules``           statutory rules on persons and households with dated parameters (``beijing_rules``: twelve)
``market``          emission trading: allocation, price, who pays, banking, auctions
``load``            hourly load of homes: panels, battery, tariff
``inclusive``       碳普惠: mode choice, incentives, who gains
``state``           what levers change, and the emissions of it; ``factored`` makes it quick, ``travel`` books trips
=================== ==============================================================================================
"""

"""Emission trading as a market: firms and what abating costs them, allocation, equilibrium, banking and auctions.

Firms take prices, abate where it is cheaper than buying, and may buy and sell allowances of one kind. What a real
market has beside that (market power, speculation, uneven information, firms that keep what they got) is not in it.
"""

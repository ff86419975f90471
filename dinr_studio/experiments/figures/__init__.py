"""Figures for print of what was measured: SVG, PDF or PNG by matplotlib, one module for each topic."""

"""Figures and tables of results; matplotlib is imported by the first figure."""

from jaxsurr.report.canvas import save
from jaxsurr.report.curves import gradient_correlation_curve, learning_curves
from jaxsurr.report.diagnosis import diagnosis_panels
from jaxsurr.report.fields import gradient_fields
from jaxsurr.report.forest import forest_plot
from jaxsurr.report.growth import growth_curves
from jaxsurr.report.slices import value_slice
from jaxsurr.report.table import summary_table
from jaxsurr.report.trade_off import trade_off_curve

__all__ = [
    "diagnosis_panels",
    "forest_plot",
    "gradient_correlation_curve",
    "gradient_fields",
    "growth_curves",
    "learning_curves",
    "save",
    "summary_table",
    "trade_off_curve",
    "value_slice",
]

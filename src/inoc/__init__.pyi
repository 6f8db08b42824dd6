"""Types of the public functions."""

from inoc.python.compute import judge as judge
from inoc.python.compute import read as read
from inoc.python.compute import score as score
from inoc.python.results import Results as Results
from inoc.python.results import load as load

__version__: str

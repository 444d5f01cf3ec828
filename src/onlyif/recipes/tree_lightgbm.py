"""The trees of LightGBM, from the text that it saves."""

import re
from collections.abc import Mapping
from typing import Any

import nshape

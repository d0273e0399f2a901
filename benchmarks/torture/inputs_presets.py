"""Presets: one that works, and files that are none."""

__all__ = ["PRESETS"]

TINY = """
from mttjax.config.settings import Data, Experts, Settings
from mttjax.config.methods import Distill
from mttjax.config.protocol import Protocol
from mttjax.core.networks import NetworkSpec
IPCS = (1,)
SHORT = {"steps": 1, "evaluate_every": 0, "validation": Protocol(networks=0)}
REAL = SHORT | {"real_batch": 2}
METHODS = {name: {1: REAL} for name in ("dd", "ld", "dc", "dsa", "dm", "cafe", "cafe_dsa")}
def get_config(ipc):
    return Settings(
        name="tiny", ipc=ipc, ops=(), data=Data(classes=(0, 1)),
        network=NetworkSpec(depth=1, width=2), experts=Experts(count=1),
        distill=Distill(student_steps=1, expert_epochs=1, max_start=1, lr_img=1, **SHORT),
        evaluate=Protocol(networks=1, epochs=1))
"""

_HEAD = "from mttjax.config import *\nIPCS = (1,)\n"
_ODD = {
    "empty.py": "",
    "no_function.py": "IPCS = (1,)\nget_config = 3\n",
    "no_ipcs.py": _HEAD.replace("IPCS", "X") + "def get_config(ipc): return Settings(ipc=ipc)\n",
    "odd_ipcs.py": "IPCS = ('1', None)\ndef get_config(ipc): pass\n",
    "raises.py": "raise RuntimeError('on purpose')\n",
    "raises_later.py": _HEAD + "def get_config(ipc):\n    return 1 / 0\n",
    "exits.py": "import sys\nsys.exit(7)\n",
    "exits_later.py": _HEAD + "def get_config(ipc): raise SystemExit('bye')\n",
    "syntax.py": "def get_config(ipc:\n",
    "binary.py": "\0\0\0",
    "imports.py": "import a_module_that_is_nowhere\n",
    "none.py": _HEAD + "def get_config(ipc): return None\n",
    "dictionary.py": _HEAD + "def get_config(ipc): return {'ipc': ipc}\n",
    "other_ipc.py": _HEAD + "def get_config(ipc): return Settings(ipc=ipc + 1)\n",
    "arguments.py": _HEAD + "def get_config(): return Settings()\n",
    "deep.py": _HEAD + "def get_config(ipc): return get_config(ipc)\n",
    "types.py": _HEAD + "def get_config(ipc): return Settings(ipc=ipc, distill=Select())\n",
    "nan.py": _HEAD + "def get_config(ipc): return Settings(ipc=ipc, distill=Distill(lr=1e999))\n",
    "text.py": _HEAD + "def get_config(ipc): return Settings(ipc=ipc, seed='0', network='x')\n",
    "name.py": _HEAD + "def get_config(ipc): return Settings(ipc=ipc, name='../../x')\n",
    "null.py": _HEAD + "def get_config(ipc): return Settings(ipc=ipc, run=Run('a\\0b'))\n",
    "field.py": _HEAD + "def get_config(ipc): return Settings(ipc=ipc, wdith=3)\n",
    "methods.py": _HEAD + "METHODS = 3\ndef get_config(ipc): return Settings(ipc=ipc)\n",
    "rows.py": _HEAD + "METHODS = {'dm': 3}\ndef get_config(ipc): return Settings(ipc=ipc)\n",
    "unknown.py": TINY.replace('"real_batch"', '"reel_batch"'),
    "wide.py": TINY.replace("width=2", "width=10**9"),
}

PRESETS = {"tiny.py": TINY.encode()} | {name: text.encode() for name, text in _ODD.items()}
PRESETS["latin.py"] = "name = 'ä'\n".encode("latin-1")
"""File name -> content."""

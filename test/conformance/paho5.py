"""Runs the MQTT 5.0 cases of Paho's own tests against a broker that is there already.

python3 paho5.py FOLDER PORT: FOLDER is the unpacked source package of paho-mqtt, PORT a plain MQTT port
on localhost. A line of JSON for each case: name, outcome, detail. Detail: the suite's line and its error.
What must come may take longer here than the suite's two or five seconds, since a machine may be busy.
"""

import io
import json
import os
import sys
import traceback
import types
import unittest
from contextlib import redirect_stdout

folder, port = sys.argv[1], int(sys.argv[2])
sys.path[:0] = [os.path.join(folder, "src"), folder]
# They would start a broker of their own, and look whether it is there.
sys.modules["mqtt"] = types.ModuleType("mqtt")
sys.modules["mqtt.brokers"] = sys.modules["mqtt"].brokers = types.ModuleType("mqtt.brokers")

from tests import test_mqttv5 as suite  # noqa: E402


def use_ours(cls, port=None):
    cls._test_broker_port = globals()["port"]


# Seconds.
PATIENCE = 15


def patiently(queue):
    return lambda callbacks: getattr(callbacks, queue).get(timeout=PATIENCE)


for name in ("connected", "disconnected", "published", "subscribed", "unsubscribed"):
    setattr(suite.Callbacks, f"wait_{name}", patiently(f"{name}s"))
suite.Callbacks.get_messages.__defaults__ = (PATIENCE,)
suite.DEFAULT_TIMEOUT = PATIENCE

suite._TestBase._start_broker = classmethod(use_ours)
suite._TestBase.tearDownClass = classmethod(lambda cls: None)


class Lines(unittest.TestResult):
    def tell(self, test, outcome, error=None):
        detail = ""
        if error:
            frames = [f for f in traceback.extract_tb(error[2]) if f.filename == suite.__file__]
            said = str(error[1]).strip().split("\n")[0] or type(error[1]).__name__
            detail = f"line {frames[-1].lineno if frames else '?'}: {said}"
        print(json.dumps({"name": test.id().split(".")[-1], "outcome": outcome, "detail": detail}),
              file=sys.__stdout__, flush=True)

    def addSuccess(self, test):
        self.tell(test, "passed")

    def addFailure(self, test, error):
        self.tell(test, "failed", error)

    def addError(self, test, error):
        self.tell(test, "failed", error)

    def addSkip(self, test, reason):
        self.tell(test, "skipped")


with redirect_stdout(io.StringIO()):
    unittest.defaultTestLoader.loadTestsFromTestCase(suite.Test).run(Lines())
os._exit(0)

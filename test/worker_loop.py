"""The requests of a worker process: one JSON object a line on stdin, one answer a line on stdout."""

import json
import sys
import time

#: What seconds are: those that pass, or those that a processor works for the process, which do not grow
#: when others use the machine.
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def serve(answer):
    """Calls answer(what, arguments) for each request until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = answer(request.pop("do"), request)
        except Exception as error:  # every fault goes to the asker
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)

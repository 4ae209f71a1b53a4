"""What Streamlit's AppTest lacks: a gesture in a component, which comes to Python as a trigger."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60  # s: the machine may be busy


def opened(page: str = "explore", **parameters: str | list[str]):
    """Return an AppTest that has drawn a page of the app at these URL parameters."""
    from streamlit.testing.v1 import AppTest  # noqa: TID251

    test = AppTest.from_file(str(ROOT / "xai_core" / "ui" / "main.py"), default_timeout=PATIENCE)
    for name, value in parameters.items():
        test.query_params[name] = value
    test.switch_page(str(ROOT / "pages" / f"{page}.py"))
    return sound(test.run())


def triggered(test, key: str, event: str, value: object):
    """Return the AppTest after a component of this key has sent an event; private API of Streamlit 1.67."""
    from streamlit.components.v2.bidi_component.main import _make_trigger_id  # noqa: TID251
    from streamlit.proto.WidgetStates_pb2 import WidgetState  # noqa: TID251

    component = next(element for element in test.get("bidi_component") if element.key == key)
    states = test._tree.get_widget_states()
    sent = WidgetState(id=_make_trigger_id(component.proto.id, "events"))
    sent.json_trigger_value = json.dumps([{"event": event, "value": value}])
    states.widgets.append(sent)
    return sound(test._run(states))


def forget() -> None:
    """Forget what the pages keep between runs, such as the runs of the folder that another test worked in."""
    import streamlit as st  # noqa: TID251

    st.cache_resource.clear()


def sound(test):
    """Return the AppTest, once no exception stands on its page."""
    assert not test.exception, test.exception[0].stack_trace
    return test


def count_of(test) -> int:
    """Return how many records pass, as the page says."""
    line = next(text.value for text in test.markdown if "records pass the filters" in text.value)
    return int(line.rpartition("**")[0].rpartition("**")[2].split()[0].replace(",", ""))

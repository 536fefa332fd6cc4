"""Nothing leaves for another host, however long it runs and whatever the model writes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.chromium import Guard
from tests.end_to_end.server import Server
from tests.phone.conftest import OpenPhone
from tests.talks import imported

pytestmark = [pytest.mark.browser, pytest.mark.process]

# Everything that could make a browser ask somebody: pictures, links, formulas with pictures, code of many languages, addresses.
TEMPTING = r"""# A picture ![here](https://example.com/x.png)

<img src="https://example.com/y.png"> <link rel="stylesheet" href="https://example.com/z.css"> <script src="https://example.com/a.js"></script>

[a link](https://example.com/page) and https://example.com/bare and ![](//example.com/b.png)

$$\includegraphics{https://example.com/c.png} \href{https://example.com}{x} \frac{a}{b}$$

Inline $\sqrt{x}$, \(y^2\) and $\mathbb{R}^\mathcal{F}_\mathfrak{g}$.

```python
import urllib.request
urllib.request.urlopen("https://example.com/d")
```

```html
<img src="https://example.com/e.png">
```

| a | b |
| --- | --- |
| ![t](https://example.com/f.png) | `x` |
"""


def test_a_long_session_asks_nobody_else(phone_server: Server, open_phone: OpenPhone, guard: Guard) -> None:
    """uni-app asks its maker for a picture three seconds after the start; KaTeX has its fonts; both must come from here or not at all."""
    imported(phone_server, "tempting", [("show me", TEMPTING), ("and more", "$$e^{i\\pi} + 1 = 0$$\n\n```js\nconst a = 1;\n```")])
    phone = open_phone(phone_server.port)
    phone.open_drawer()
    phone.row("tempting").tap()
    expect(phone.answers).to_have_count(2)
    expect(phone.page.locator(".thread")).to_contain_text("bare")
    phone.ask("![x](https://example.com/g.png) $x^2$ <img src=https://example.com/h.png>")
    phone.open_settings()
    phone.page.go_back()
    phone.new_chat()
    phone.ask("hello")
    phone.page.wait_for_timeout(10_000)
    assert len(guard.asked) > 10
    guard.check()


def test_it_works_where_every_other_host_is_unreachable(phone_server: Server, open_phone: OpenPhone) -> None:
    """Nothing waits for an answer from outside before it goes on."""
    phone = open_phone(phone_server.port)
    phone.page.context.route(re.compile(r"^(?!http://127\.0\.0\.1)"), lambda route: route.abort())
    phone.reload()
    assert phone.ask("hello") == "echo: hello"

"""A page of another site sends forms to a service on plain HTTP, to which browsers send no Sec-Fetch-Site."""

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Request, Route, expect

from tests.browser.conftest import PHONE
from tests.browser.test_signing_in import _key

pytestmark = pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both")

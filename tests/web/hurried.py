"""web.serving in a hurry, and with little room: a test can see the end of both."""

from web import arriving, porter
from web.serving import *  # noqa: F403

arriving.HEAD_SECONDS = 1.0
arriving.BODY_SECONDS = 1.0
arriving.UPLOAD_SECONDS = 2.0
porter.ANSWER_SECONDS = 1.0
porter.SLOW_SECONDS = 0.3
porter.HELD_MAX = 40 * 1024 * 1024
worker_connections = 300

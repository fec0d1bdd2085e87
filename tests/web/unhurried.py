"""web.serving with endless patience and little room: whoever is given up was in the way of others."""

from web import arriving, porter
from web.serving import *  # noqa: F403

arriving.HEAD_SECONDS = arriving.BODY_SECONDS = arriving.UPLOAD_SECONDS = porter.ANSWER_SECONDS = 3600.0
porter.SLOW_SECONDS = 0.3
porter.HELD_MAX = 40 * 1024 * 1024
worker_connections = 300

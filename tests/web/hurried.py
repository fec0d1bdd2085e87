"""web.serving in a hurry: a test can see the end of its patience."""

from web import arriving, porter
from web.serving import *  # noqa: F403

arriving.HEAD_SECONDS = 1.0
arriving.BODY_SECONDS = 1.0
arriving.UPLOAD_SECONDS = 2.0
porter.ANSWER_SECONDS = 1.0

"""How Celery is set up, each value with its reason. Every public name here is a Celery setting."""

from kombu.entity import Exchange as _Exchange
from kombu.entity import Queue as _Queue

from models.settings import settings as _settings

broker_url = result_backend = _settings().redis_url or "redis://127.0.0.1:6379/0"

# Two queues: judging waits for slow models, money never waits for judging. Celery sends to a queue
# by its name, not through the exchange, so a flushed Redis loses no binding that messages need.
task_queues = tuple(_Queue(name, _Exchange(name), routing_key=name) for name in ("judge", "money"))
task_default_queue = "money"
task_routes = {"workers.tasks.ballot": {"queue": "judge"}, "workers.tasks.pulse": {"queue": "judge"}}

# A message is done when its work is; every task is safe to run twice.
task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1

# Of a judge worker, whose threads wait for models; a money worker says its own on the command line.
worker_concurrency = _settings().ballots_at_once

# Only a chord's header keeps results. An hour is more than any drop takes to be judged; a chord
# whose results are gone never runs its body, and then the sweep does.
task_ignore_result = True
result_expires = 3600

# A frozen Redis must cost seconds, not minutes; each connection has its own timeouts. Workers wait for
# messages a second at a time.
_socket = {"socket_timeout": 3, "socket_connect_timeout": 2, "socket_keepalive": True}
broker_transport_options = {
    **_socket,
    # Who publishes tries once; else a Redis that is not there costs six seconds each time.
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
    # How long the message of a dead worker stays away. The sweep is faster; this is the second net.
    "visibility_timeout": 60,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 5,
}
redis_socket_timeout = 3
redis_socket_connect_timeout = 2
redis_socket_keepalive = True
redis_backend_health_check_interval = 5
result_backend_transport_options = {"retry_policy": {"max_retries": 1, "interval_max": 0.2}}
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # Redis may take its time; work waits in PostgreSQL
task_publish_retry = False  # the sweep is the retry

# SIGTERM: finish what runs, hand back the rest, then go (with REMAP_SIGTERM=SIGQUIT).
worker_soft_shutdown_timeout = 3
worker_enable_remote_control = False  # liveness is a row in PostgreSQL; pings cost more than work
worker_send_task_events = False
worker_redirect_stdouts = False

# Intervals need no memory of the last run, and a schedule file may be torn by a crash. No message
# expires: a machine with a wrong clock would throw every one of them away.
beat_scheduler = "celery.beat:Scheduler"
beat_schedule = {
    "sweep": {"task": "workers.tasks.sweep", "schedule": _settings().sweep_seconds},
    "remit_owed": {"task": "workers.tasks.remit_owed", "schedule": _settings().sweep_seconds},
    "pulse": {"task": "workers.tasks.pulse", "schedule": 1.0},
    "rate": {"task": "workers.tasks.rate", "schedule": 5.0},
    "audit": {"task": "workers.tasks.audit", "schedule": 60.0},  # reads every row: seconds on large books
    "tidy": {"task": "workers.tasks.tidy", "schedule": 3600.0},  # as `uploads.TIDY_EVERY` promises
}

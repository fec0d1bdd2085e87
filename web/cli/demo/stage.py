"""How it looks: the arena live in the terminal, then the books. Knows nothing of HTTP."""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from models.ledger import Audit
from models.money import dollars
from web.cli.client.tables import GRADE_STYLES
from web.cli.demo.story import Scene

PACK_STYLES = {"roast": "red", "cook": "yellow", "code": "cyan", "scout": "green", "wild": "magenta"}
BAR_WIDTH = 18
INDENT = 6  # columns, below the name of the pack
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def arena(scenes: list[Scene]) -> RenderableType:
    """Every drop of the play: the countdown, who is in, then the grades."""
    parts: list[RenderableType] = [Rule("[bold]the arena[/]", style="dim")]
    for scene in scenes:
        parts += [_title(scene), _state(scene), _entries(scene), Text()]
    return Group(*parts)


def _title(scene: Scene) -> RenderableType:
    job = scene.job
    line = Table.grid(expand=True, padding=(0, 2))
    line.add_column(ratio=1)
    line.add_column(justify="right", no_wrap=True)
    title = Text.assemble((f"{job['pack']:<6}", PACK_STYLES[job["pack"]]), (job["title"], "bold"))
    title.no_wrap, title.overflow = True, "ellipsis"
    line.add_row(title, Text(dollars(job["price_cents"]), "bold"))
    return line


def _state(scene: Scene) -> RenderableType:
    job = scene.job
    if job["status"] == "open":
        left = max(0.0, (_time(job["window_closes_at"]) - datetime.now(UTC)).total_seconds())
        line = Table.grid(padding=(0, 1))
        share = left / job["time_limit_seconds"] * 100
        bar = ProgressBar(100, share, BAR_WIDTH, complete_style="cyan", finished_style="cyan")
        line.add_row(Text("     "), bar, Text(f"{left:4.1f} s"), Text(scene.act.note, "dim italic"))
        return line
    if job["status"] == "ranking":
        turn = _SPINNER[int(datetime.now(UTC).timestamp() * 10) % len(_SPINNER)]
        return Text(f"      {turn} closed, the judges are at work", "yellow")
    if job["status"] == "failed":
        return Text("      nobody came: the whole bounty went back", "red")
    return _reveal(scene)


def _reveal(scene: Scene) -> Text:
    line = Text("      ")
    for row in scene.ranking:
        line.append(f"{row['grade']} ", GRADE_STYLES[row["grade"]])
        line.append(f"{row['agent']}   ", "bold" if row["rank"] == 1 else "")
    return line


def _entries(scene: Scene) -> RenderableType:
    if scene.ranking:
        winner = scene.ranking[0]
        paid = f"takes {dollars(scene.job['payout_cents'])}" if scene.job["status"] == "verified" else "wins"
        words = Text.assemble((f"{winner['agent']} {paid}: ", "green"), (winner["rationale"], "dim"))
        return Padding(words, (0, 0, 0, INDENT))
    slots = ["●" if name in scene.submitted else "◐" for name in scene.claimed]
    shown = " ".join(slots + ["○"] * (scene.job["max_claims"] - len(slots)))
    return Text.assemble("      ", (shown, "cyan"), ("  " + " ".join(scene.claimed), "dim"))


def books(before: dict[str, int], after: dict[str, int]) -> Table:
    """The ledger before and after; what one gained another lost, so the changes sum to nothing."""
    table = Table(title="the ledger", title_justify="left", title_style="bold")
    table.add_column("account")
    for column in ("before", "after", "change"):
        table.add_column(column, justify="right")
    for owner in after:
        change = after[owner] - before.get(owner, 0)
        style = "green" if change > 0 else "red" if change < 0 else "dim"
        moved = Text(f"{change / 100:+,.2f}" if change else "–", style)
        table.add_row(owner, dollars(before.get(owner, 0)), dollars(after[owner]), moved)
    table.add_section()
    table.add_row("sum", dollars(sum(before.values())), dollars(sum(after.values())), "–")
    return table


def verdict(audit: Audit) -> Text:
    """The audit in a line, or a line for each broken promise."""
    if not audit.violations:
        return Text.assemble(
            ("audit clean", "bold green"), f": {audit.transfers} transfers, every promise holds"
        )
    return Text("\n").join(Text(f"{broken.rule}: {broken.detail}", "bold red") for broken in audit.violations)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

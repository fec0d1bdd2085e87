"""`clorp judge-bench`: how well a judge agrees with people, so that an operator can choose one."""

import json
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import chain
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.settings import settings
from web.cli.commands import Command
from web.cli.judge_bench import chart, data, measuring, report
from web.cli.judge_bench.data import DataError, File, Injection
from web.cli.judge_bench.measuring import Away, Question
from web.cli.judge_bench.rows import Keep, Opened, OutError, Row, Run, opened
from web.cli.servers import use

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended
AT_ONCE, AT_ONCE_MAX = 4, 64  # lists; each has as many calls under way as it has entries
_OVERRIDES = {
    "judge": "CLORP_JUDGE",
    "model": "CLORP_LLM_MODEL",
    "base_url": "CLORP_LLM_BASE_URL",
    "dialect": "CLORP_LLM_DIALECT",
}
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    "judge-bench",
    cls=Command,
    examples=(
        "clorp judge-bench --data lists/ --limit 20",
        "clorp judge-bench --data lists/ --judge llm --model NAME --out rows.jsonl",
    ),
)
@click.option(
    "--data",
    "where",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Folder of *.jsonl with rated lists, or one such file.",
)
@click.option("--injections", type=_FILE, help="Texts to plant in lists that were judged right.")
@click.option("--plants", default=1, show_default=True, type=click.IntRange(1), help="Of them in each list.")
@click.option("--judge", type=click.Choice(["local", "llm"]), help="Instead of CLORP_JUDGE.")
@click.option("--model", help="Instead of CLORP_LLM_MODEL, and of a second one, too.")
@click.option("--fallback-model", help="The second one; instead of CLORP_LLM_FALLBACK_MODEL.")
@click.option("--base-url", help="Instead of CLORP_LLM_BASE_URL.")
@click.option("--dialect", type=click.Choice(["openai", "anthropic"]), help="Instead of CLORP_LLM_DIALECT.")
@click.option("--limit", type=click.IntRange(1), help="Lists of each file, by lot.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same lots.")
@click.option(
    "--concurrency",
    default=AT_ONCE,
    show_default=True,
    type=click.IntRange(1, AT_ONCE_MAX),
    help="Lists at once.",
)
@click.option("--out", type=_FILE, help="Keep each result here, and go on from there the next time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.option("--chart", "picture", type=_FILE, help="Draw top-1 of each file as PNG; wants the extra bench.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before models are.")
def command(
    where: Path,
    injections: Path | None,
    plants: int,
    limit: int | None,
    seed: int,
    concurrency: int,
    out: Path | None,
    as_json: bool,
    picture: Path | None,
    yes: bool,
    fallback_model: str | None,
    **overrides: str | None,
) -> None:
    """Measure how often the judge ranks first what people rated highest.

    A list is `{"id", "pack", "prompt", "submissions": [{"text", "score"}]}`, one a line. It is decided as a
    drop is, with as many ballots and calls; the caps on cents of a drop and a day do not count here.
    """
    if picture and not chart.possible():
        raise click.UsageError(
            "--chart draws with matplotlib, which is missing here: `make setup` brings it."
        )
    if picture and not picture.absolute().parent.is_dir():
        raise click.UsageError(f"--chart: there is no folder {picture.absolute().parent}")
    models = _models(overrides, fallback_model)
    console = Console(stderr=True, highlight=False)
    try:
        files, others = data.files(where)
        texts = data.injections(injections) if injections else []
        if others:
            console.print(f"left out, for they hold no lists: {', '.join(others)}", markup=False)
        bench = _Bench(files, texts, models, plants, limit, seed, concurrency, console)
        told = bench.told(_run(files, models, seed), out, yes)
    except (DataError, OutError) as error:
        raise click.ClickException(str(error)) from None
    _tell(told, as_json, picture)


def _models(overrides: dict[str, str | None], fallback_model: str | None) -> list[str]:
    """Have the options count; the models that are to be asked, and can be."""
    use(**{_OVERRIDES[name]: value for name, value in overrides.items() if value is not None})
    if settings().judge == "unruly":
        raise click.UsageError("the judge that is set breaks on demand: choose one with --judge")
    if settings().judge == "local" and (overrides["model"] or fallback_model):
        raise click.UsageError("models are asked by the judge llm: add --judge llm")
    # Who names a model wants to know that one alone, whatever second one is set.
    models = list(settings().models[: 1 if overrides["model"] or fallback_model else None])
    models += [fallback_model] if fallback_model else []
    if trouble := measuring.trouble(models):
        raise click.ClickException(f"The model cannot be asked: {trouble}.")
    return models


def _run(files: list[File], models: list[str], seed: int) -> Run:
    return Run(
        judge=measuring.name(models),
        code=measuring.code(models),
        models=models,
        server=measuring.server(models),
        data={file.name: file.digest for file in files},
        seed=seed,
    )


def _tell(told: report.Report, as_json: bool, picture: Path | None) -> None:
    if as_json:
        click.echo(json.dumps(report.document(told)))
    else:
        Console(highlight=False).print(*report.tables(told), sep="\n")
    if picture:
        try:
            chart.draw(told, picture)
        except OSError as error:
            raise click.ClickException(f"{picture}: cannot be written ({error.strerror})") from None


class _Bench:
    """A run: the lists first, then injections in those that were judged right."""

    def __init__(
        self,
        files: list[File],
        injections: list[Injection],
        models: list[str],
        plants: int,
        limit: int | None,
        seed: int,
        concurrency: int,
        console: Console,
    ) -> None:
        self.plain = [
            Question(file.name, rated)
            for file in files
            for rated in data.sample(file.lists, limit, seed, file.name)
        ]
        self.injections, self.models, self.plants = injections, models, plants
        self.seed, self.concurrency, self.console = seed, concurrency, console
        self.rows: dict[tuple[str, str, str | None], Row] = {}

    def told(self, run: Run, out: Path | None, yes: bool) -> report.Report:
        """Ask what is not kept yet; the report of what was wanted.

        Raises:
            OutError: the file is of another run, or in use.
            ClickException: the model went away meanwhile.
        """
        nowhere: Opened = nullcontext(([], _forget))
        with opened(out, run) if out else nowhere as (kept, keep):
            return self._told(run, kept, keep, out, yes)

    def _told(self, run: Run, kept: list[Row], keep: Keep, out: Path | None, yes: bool) -> report.Report:
        self.rows = {row.key: row for row in kept}
        if kept:
            self.console.print(f"{out} has {len(kept)} results; going on from there", markup=False)
        if self.models:
            self._announce(yes)
        try:
            self._ask("lists", self.plain, keep)
            spoilt = self._spoilt()
            self._ask("injections", spoilt, keep)
        except KeyboardInterrupt:
            told = f"Interrupted: {_how_to_go_on(out, len(self.rows))}"
            self.console.print(told, markup=False, soft_wrap=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except Away as error:
            raise click.ClickException(
                f"The model does not answer any more: {error}. {_how_to_go_on(out, len(self.rows))}"
            ) from None
        wanted = [self.rows[question.key] for question in chain(self.plain, spoilt)]
        return report.of(run, settings().priced, wanted)

    def _announce(self, yes: bool) -> None:
        """Say what the models are about to be asked; where somebody sits there, ask whether they may be."""
        wanted = [*self.plain, *self._spoilt(hopefully=True)]
        missing = [question for question in wanted if question.key not in self.rows]
        if not missing:
            return
        number, microcents = measuring.cost(missing)
        price = f", {microcents / 1e6:.2f} to {2 * microcents / 1e6:.2f} ¢" if microcents else ""
        injected = sum(question.injection is not None for question in missing)
        among = f", at most {injected} of them with injections" if injected else ""
        told = f"{len(missing)} lists to be judged{among}: {number} to {2 * number} calls{price}"
        self.console.print(told, markup=False, soft_wrap=True)
        if not yes and sys.stdin.isatty():
            click.confirm("Go on?", default=True, abort=True, err=True)

    def _spoilt(self, hopefully: bool = False) -> list[Question]:
        """The lists that were judged right, with injections; `hopefully` also those not judged yet."""
        rows = [(question, self.rows.get(question.key)) for question in self.plain]
        return [
            spoilt
            for question, row in rows
            if (row.right if row else hopefully)
            for spoilt in measuring.planted(question, self.injections, self.plants, self.seed)
        ]

    def _ask(self, what: str, questions: list[Question], keep: Keep) -> None:
        missing = [question for question in questions if question.key not in self.rows]
        rows = measuring.rows(missing, self.models, self.concurrency, self.seed)
        for row in self._shown(what, len(questions), len(missing), rows):
            keep(row)
            self.rows[row.key] = row

    def _shown(self, what: str, of: int, missing: int, rows: Iterable[Row]) -> Iterable[Row]:
        """The same rows, with a bar where somebody looks."""
        if not (self.console.is_terminal and missing):
            yield from rows
            return
        columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(what, total=of, completed=of - missing)
            for row in rows:
                yield row
                progress.advance(task)


def _forget(_row: Row) -> None:
    """Keep nothing."""


def _how_to_go_on(out: Path | None, answered: int) -> str:
    if out:
        return f"{answered} results are in {out}; the same command goes on from there."
    return "Nothing is kept. With --out FILE the same command goes on where it stopped."

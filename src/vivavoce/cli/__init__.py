"""The `vivavoce` command. Each subcommand has a file of its own, imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vivavoce import __version__
from vivavoce.cli.failure import failed
from vivavoce.cli.voice_commands import Url, voices
from vivavoce.errors import EngineUnavailable, InvalidRequest, VivavoceError

app = typer.Typer(
    name="vivavoce",
    help="A self-hosted speech server that any OpenAI client can point at.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(voices, name="voices")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vivavoce {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    """Speak with open voices, on your own machine."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (PORT).")] = None,
) -> None:
    """Run the server until Ctrl-C."""
    from vivavoce.cli.serve import run

    try:
        run(host=host, port=port)
    except VivavoceError as exc:
        raise failed(exc) from None


@app.command()
def say(
    text: Annotated[
        str | None,
        typer.Argument(
            help="What to say: text, the name of a .txt or .md file, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; its ending chooses the format."),
    ] = None,
    voice: Annotated[str | None, typer.Option(help="See: vivavoce voices.")] = None,
    speed: Annotated[
        float | None, typer.Option(help="0.25 to 4.0; the pitch stays. Default: 1.")
    ] = None,
    response_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="mp3, opus, aac, flac, wav, pcm, ogg, g711_ulaw or g711_alaw."
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Such as en; default: automatic.")] = None,
    instructions: Annotated[str | None, typer.Option(help="How to say it.")] = None,
    clip: Annotated[
        Path | None, typer.Option(help="Say it in the voice of this audio file.")
    ] = None,
    words: Annotated[str | None, typer.Option(help="The words of that file.")] = None,
    description: Annotated[str | None, typer.Option(help="Say it in a voice like this.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="Same text, same seed: same audio."),
    ] = None,
    trim: Annotated[
        bool, typer.Option("--trim", help="Cut silence at the beginning and the end.")
    ] = False,
    loudness: Annotated[
        float | None,
        typer.Option(min=-40, max=-10, help="LUFS to bring the voice to; default: LOUDNESS."),
    ] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="File to write subtitles to: .srt or .vtt.")
    ] = None,
) -> None:
    """Say something: into a file, or aloud."""
    from vivavoce.cli.say import read_clip, run
    from vivavoce.service.order import SpeechOrder

    try:
        if sum(given is not None for given in (voice, clip, description)) > 1:
            raise InvalidRequest("Choose one of --voice, --clip and --description.")
        order = SpeechOrder(
            text="",
            voice=voice,
            description=description,
            clip=None if clip is None else read_clip(clip),
            transcript=words,
            speed=speed,
            language=language,
            instructions=instructions,
            seed=seed,
            trim=trim,
            loudness=loudness,
        )
        run(text, order, output, response_format, subtitles)
    except VivavoceError as exc:
        raise failed(exc) from None


@app.command()
def pull(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Hub ids, folders (only verified), or the words preset, clone, design for "
            "MODEL_ID, CLONE_MODEL_ID, DESIGN_MODEL_ID; without any: preset.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Download checkpoints of Qwen3-TTS, and verify every byte of them."""
    from vivavoce.cli.pull import run

    try:
        run(models or [])
    except VivavoceError as exc:
        raise failed(exc) from None


@app.command()
def codes(
    model: Annotated[str | None, typer.Option(help="Folder of a checkpoint.")] = None,
    mode: Annotated[str | None, typer.Option(help="preset, design or clone.")] = None,
    text: Annotated[str | None, typer.Option(help="What to say, as it is.")] = None,
    language: Annotated[str | None, typer.Option(help="Such as English; default: Auto.")] = None,
    speaker: Annotated[str | None, typer.Option(help="A speaker of the checkpoint's.")] = None,
    instruct: Annotated[str | None, typer.Option(help="How to say it, or who does.")] = None,
    ref_audio: Annotated[
        str | None, typer.Option(help="A recording of the voice to clone.")
    ] = None,
    ref_text: Annotated[str | None, typer.Option(help="What is said in the recording.")] = None,
    x_vector_only: Annotated[
        bool | None, typer.Option("--x-vector-only", help="Clone without --ref-text, less like it.")
    ] = None,
    text_streaming: Annotated[
        bool | None,
        typer.Option(
            "--text-streaming/--text-whole",
            help="Text word by word as the speech goes on (default for clones), or all before it.",
        ),
    ] = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(help="At most one frame less than these; default: the checkpoint's."),
    ] = None,
    greedy: Annotated[
        bool | None, typer.Option("--greedy", help="The likeliest codes, not drawn ones.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="For drawing; default: by chance.")] = None,
    dtype: Annotated[str | None, typer.Option(help="fp32 (default) or bf16.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu (default) or cuda.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The .npz file to write.")
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(help="These options as a line of JSON, or - to read one; options given win."),
    ] = None,
) -> None:
    """Write the codes that Qwen3-TTS makes of a text: to inspect, to compare.

    Defaults, and what is ignored, are as in the official package, qwen-tts 0.1.1.

    A line of JSON about them goes to standard output.
    """
    from vivavoce.cli.codes import run

    flags = {
        "model": model,
        "mode": mode,
        "text": text,
        "language": language,
        "speaker": speaker,
        "instruct": instruct,
        "ref_audio": ref_audio,
        "ref_text": ref_text,
        "x_vector_only": x_vector_only,
        "text_streaming": text_streaming,
        "max_new_tokens": max_new_tokens,
        "greedy": greedy,
        "seed": seed,
        "dtype": dtype,
        "device": device,
        "output": output,
    }
    try:
        run(flags, settings)
    except VivavoceError as exc:
        raise failed(exc) from None


@app.command()
def mcp(
    url: Annotated[
        str, typer.Option(envvar="VIVAVOCE_URL", help="Where the server is.")
    ] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str | None,
        typer.Option(envvar="VIVAVOCE_API_KEY", show_default=False, help="Its key, if it has any."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(file_okay=False, exists=True, help="Let files be saved, in this folder only."),
    ] = None,
) -> None:
    """Give assistants that speak MCP, on standard input and output, a running server's voices."""
    try:
        from vivavoce.cli.mcp import run
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in ("mcp", "mcp_types", "httpx2"):
            raise
        message = "This needs the package mcp, version 2. Install it: pip install 'vivavoce[mcp]'"
        raise failed(VivavoceError(message)) from None
    run(url, api_key, folder)


@app.command()
def doctor() -> None:
    """Tell what this machine can run, and why not the rest."""
    from vivavoce.cli.doctor import run

    if not run():
        raise typer.Exit(1)


@app.command()
def ready(url: Url = None) -> None:
    """Tell whether a running server takes requests; the status is 1 if not. For health checks."""
    from vivavoce.cli.server import Server

    try:
        reason = Server(url, None).unready()
        if reason is not None:
            raise EngineUnavailable(f"Not ready. {reason}")
    except VivavoceError as exc:
        raise failed(exc) from None
    typer.echo("ready")


@app.command()
def bench(
    json: Annotated[
        Path | None, typer.Option("--json", help="File to write the figures to, as JSON.")
    ] = None,
) -> None:
    """Measure this machine, in about a minute: load, first audio, real-time factor."""
    from vivavoce.cli.bench import run

    try:
        run(json)
    except VivavoceError as exc:
        raise failed(exc) from None

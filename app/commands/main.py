"""The command line: what can be called, and how.

A command imports what it does when it is called, so that help, a typing error and a small command cost little.
"""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from app.acting import Role
from app.commands.output import err
from models.options import Views

cli = typer.Typer(
    help="Haja recognises a construction defect after about five photos. Settings: environment variables HAJA_*.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
blob_commands = typer.Typer(help="Where the bytes of photos live.", no_args_is_help=True)
key_commands = typer.Typer(help="API keys: who may do what.", no_args_is_help=True)
cli.add_typer(blob_commands, name="blobs")
cli.add_typer(key_commands, name="keys")

CatalogOption = Annotated[str, typer.Option(help="Name of the catalog.")]
DataOption = Annotated[
    Path, typer.Option(help="Folder of <source>/<class>/*.jpg; for the Omniglot configurations, of Omniglot's zips.")
]


def main() -> None:
    """Run the command; errors that a person can mend end it with a sentence, not with a traceback."""
    try:
        cli()
    except Exception as error:
        from app.commands.failures import explained

        sentences, code = explained(error)
        if not sentences:
            raise
        for sentence in sentences:
            err.print(sentence, highlight=False)
        raise SystemExit(code) from None


@cli.command()
def backup(file: Annotated[Path, typer.Argument(help="The file to make; there must be none of this name.")]) -> None:
    """Write the whole site, photos included, into one file, while the service runs."""
    from app.commands.backup import back_up

    back_up(file)


@cli.command()
def restore(
    file: Annotated[Path, typer.Argument(help="Made by `haja backup`.")],
    keep_keys: Annotated[
        bool, typer.Option("--keep-keys", help="Let its keys go on, also those that were revoked since it was made.")
    ] = False,
) -> None:
    """Fill an empty database, and HAJA_BLOBS, with all that a backup holds; its keys end."""
    from app.commands.backup import restore_from

    restore_from(file, keep_keys=keep_keys)


@cli.command()
def batch(
    folder: Annotated[Path, typer.Argument(help="Holds photos, also in folders.", exists=True, file_okay=False)],
    catalog: CatalogOption = "default",
    top_k: Annotated[int, typer.Option(help="How many classes an answer names.", min=1, max=100)] = 5,
) -> None:
    """Classify every photo of a folder as jobs of the database; services that run on it work along.

    Where this ends in the middle, a service that runs on the database does the rest.
    """
    from app.commands.batch import classify_folder

    classify_folder(folder, catalog, top_k)


@cli.command()
def reembed(
    checkpoint: Annotated[
        str | None, typer.Option(help="Instead of HAJA_BACKBONE: a shipped checkpoint, a manifest's path, timm/NAME.")
    ] = None,
    views: Annotated[Views | None, typer.Option(help="Instead of HAJA_VIEWS.")] = None,
    catalogs: Annotated[list[str] | None, typer.Option("--catalog", help="A catalog; all where not given.")] = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="Then let the new backbone answer; the services need no restart.")
    ] = False,
) -> None:
    """Embed the examples of catalogs by another backbone, and compare it with the one that answers.

    The service goes on answering meanwhile. Ended in the middle, the next run goes on. Switching back is the same
    command with the former checkpoint.
    """
    from app.commands.reembed import embed_again

    embed_again(checkpoint, views, catalogs, switch=switch)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of HAJA_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of HAJA_PORT.")] = None,
) -> None:
    """Run the service; an empty database is set up first."""
    from app.commands.serve import run_service

    run_service(host, port)


@cli.command()
def worker(
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Join the cluster of this head, instead of being the head.")
    ] = None,
    cpus: Annotated[int | None, typer.Option(help="Cores for embedders; 0: only reach those of others.", min=0)] = None,
) -> None:
    """Run embedders on Ray for services with HAJA_EMBEDDER=ray: the head of a cluster, or one more machine."""
    from app.commands.serve import run_worker

    run_worker(address, cpus)


@cli.command()
def demo(
    photos: Annotated[Path, typer.Option(help="Folder for the photos that it draws.")] = Path("demo-photos"),
) -> None:
    """Show the whole job: draw photos, start the service, register five defect types, classify new photos."""
    from app.commands.demo import show

    show(photos)


@cli.command()
def openapi() -> None:
    """Print the document of the REST interface, which generators of clients read."""
    from app.commands.serve import print_openapi

    print_openapi()


@cli.command()
def migrate() -> None:
    """Bring the database to the schema of this version. Back it up first."""
    from app.commands.check import migrate_database

    migrate_database()


@cli.command("import")
def import_photos(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Holds one folder per defect class, or the photos of --coco.", exists=True, file_okay=False
        ),
    ],
    catalog: CatalogOption = "default",
    coco: Annotated[
        Path | None, typer.Option(help="Boxes of the photos in DIR, as COCO writes them.", exists=True, dir_okay=False)
    ] = None,
    rest_is_sound: Annotated[
        bool,
        typer.Option("--rest-is-sound", help="With --coco: nothing is wrong outside the boxes of a photo."),
    ] = False,
) -> None:
    """Register photos as examples; classes that exist get them added. Exit code 1 where anything was left out.

    Without --coco every folder of DIR is a defect class. With it every category is one, and a photo shows it in its
    boxes.
    """
    from app.commands.exchange import import_coco, import_folders

    if coco is not None:
        import_coco(folder, catalog, coco, rest_is_sound=rest_is_sound)
    elif rest_is_sound:
        raise typer.BadParameter("--rest-is-sound is for photos with boxes: give --coco too.")
    else:
        import_folders(folder, catalog)


@cli.command("export")
def export_photos(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", file_okay=False)],
    catalog: CatalogOption = "default",
) -> None:
    """Write the support photos of a catalog into DIR, and their boxes as DIR/annotations.json in COCO."""
    from app.commands.exchange import export_catalog

    export_catalog(folder, catalog)


@cli.command()
def classify(
    files: Annotated[list[Path], typer.Argument(help="Photos.", exists=True, dir_okay=False)],
    catalog: CatalogOption = "default",
    top_k: Annotated[int, typer.Option(help="How many classes to show.", min=1, max=100)] = 3,
) -> None:
    """Classify photos and keep the answers."""
    from app.commands.photos import classify_files

    classify_files(files, catalog, top_k)


@cli.command()
def replay(classification: Annotated[UUID, typer.Argument(metavar="ID", help="Id of a classification.")]) -> None:
    """Judge a kept photo again by the catalog as it was then; exit code 1 where another answer comes out."""
    from app.commands.photos import judge_again

    judge_again(classification)


@cli.command()
def check(
    repair: Annotated[bool, typer.Option("--repair", help="First remove stored bytes that no photo owns.")] = False,
) -> None:
    """Check that database, photos and prototypes agree; exit code 1 where they do not."""
    from app.commands.check import check_site

    check_site(repair=repair)


@cli.command()
def convert(
    checkpoint: Annotated[str, typer.Argument(help="A shipped checkpoint, or a manifest's path.")],
) -> None:
    """Write the graph of a checkpoint anew, by which a CPU answers without torch, from its weights."""
    from models.extras import require_torch

    require_torch("haja convert", "gpu")
    from app.commands.learning import write_graph_of

    write_graph_of(checkpoint)


@cli.command("sound-surfaces")
def sound_surfaces(
    checkpoint: Annotated[str, typer.Argument(help="A shipped checkpoint, or a manifest's path.")],
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Each holds photos of one kind of surface, without a defect.", exists=True, file_okay=False
        ),
    ],
) -> None:
    """Write what a checkpoint knows of sound surfaces anew, from which defects are told in a wide photo."""
    from models.extras import require_torch

    require_torch("haja sound-surfaces", "learn")
    from app.commands.learning import write_sound_of

    write_sound_of(checkpoint, folders)


@cli.command("meta-train")
def meta_train(
    config_file: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="Such as models/learning/configs/defects_ridge.toml.")
    ],
    data: DataOption,
    run: Annotated[Path, typer.Option(help="Folder of this run; the same command goes on where it was stopped.")],
    validation: Annotated[
        Path | None,
        typer.Option(help="Folder like --data of classes to choose the best weights by; they are not trained on."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Manifest to write, NAME.json; the weights go beside it. Needs --validation.")
    ] = None,
) -> None:
    """Meta-train as a configuration says; with --checkpoint, write what `haja serve` loads."""
    from models.extras import require_torch

    require_torch("haja meta-train", "learn")
    from app.commands.learning import train

    train(config_file, data, run, validation, checkpoint)


@cli.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A checkpoint's name or manifest, or the folder of a finished run.")],
    data: DataOption,
    against: Annotated[str | None, typer.Option(help="A second model, compared on the same episodes.")] = None,
    shots: Annotated[list[int], typer.Option(help="Support photos of a class; may be given several times.")] = [  # noqa: B006
        1,
        5,
        10,
        20,
    ],
    ways: Annotated[
        int | None, typer.Option(help="Classes in an episode; all of the source where it has fewer or none is given.")
    ] = None,
    queries: Annotated[int, typer.Option(min=1, help="Query photos of a class.")] = 10,
    episodes: Annotated[int, typer.Option(min=30, help="Episodes for each figure.")] = 1000,
    pictures: Annotated[Path | None, typer.Option(help="Folder for a confusion matrix of each figure.")] = None,
) -> None:
    """Accuracy on classes that training never showed, inside one source, with 95 % intervals."""
    from models.extras import require_torch

    require_torch("haja evaluate", "learn")
    from app.commands.learning import compare

    compare(model, data, against, shots, ways, queries=queries, episodes=episodes, pictures=pictures)


@blob_commands.callback()
def _group() -> None:
    """Keep `move` a command of its own, although it is the only one."""


@blob_commands.command()
def move(
    to: Annotated[str, typer.Option(help="`database`, or `s3://bucket/prefix`.")],
    source: Annotated[
        str | None,
        typer.Option("--from", help="Default: HAJA_BLOBS, or the database where that is the target already."),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Then delete at the source what was read back from the target unharmed.")
    ] = False,
) -> None:
    """Copy the bytes of all photos to another place while the service runs; resumable, repeatable."""
    from app.commands.blobs import move_blobs

    move_blobs(to, source, remove=remove)


@key_commands.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses it.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    catalog: Annotated[list[str] | None, typer.Option(help="Only in this catalog; may be given several times.")] = None,
    days: Annotated[int | None, typer.Option(help="It ends after so many days.", min=1, max=3650)] = None,
    email: Annotated[str | None, typer.Option(help="Whoever signs in with this address acts as it.")] = None,
) -> None:
    """Make a key. It is printed once, alone on standard output; only its hash is kept."""
    from app.commands.keys import create_key

    create_key(name, role, catalog or [], days, email)


@key_commands.command("list")
def list_keys() -> None:
    """Show all keys, also those that have ended; never their secrets."""
    from app.commands.keys import show_keys

    show_keys()


@key_commands.command()
def revoke(key: Annotated[str, typer.Argument(metavar="KEY", help="As `list` shows it, or its prefix.")]) -> None:
    """End a key and its sessions for ever; running services go by it within two seconds."""
    from app.commands.keys import revoke_key

    revoke_key(key)

"""How large a table may become, by the size of its file: packed ones may hold a thousand times as much."""

from pathlib import Path

from onlyif.core.errors import StorageError

# What every file may unpack to, and what each of its bytes may become.
FREE_BYTES, BYTES_A_BYTE = 2**27, 64
FREE_CELLS, CELLS_A_BYTE = 2**24, 32


def need_cells(file: Path, n_rows: int, n_columns: int) -> None:
    """The counts that a file of columns gives are in proportion to its size.

    Args:
        file: The file.
        n_rows: Its rows, by what it says of itself.
        n_columns: Its columns.

    Raises:
        StorageError: otherwise.
    """
    most = FREE_CELLS + CELLS_A_BYTE * file.stat().st_size
    if n_rows * n_columns > most:
        raise StorageError(
            f"{file.name} says that it holds {n_rows} rows of {n_columns} columns; "
            f"a file of {file.stat().st_size} bytes may hold {most} values"
        )


def need_bytes(file: Path, n_bytes: int) -> None:
    """What a file unpacks to is in proportion to its size.

    Args:
        file: The file.
        n_bytes: Bytes when it is unpacked, or so far.

    Raises:
        StorageError: otherwise.
    """
    size = file.stat().st_size
    most = FREE_BYTES + BYTES_A_BYTE * size
    if n_bytes > most:
        raise StorageError(
            f"{file.name} unpacks to more than {most} bytes, too many for a file of {size}; unpack it first"
        )

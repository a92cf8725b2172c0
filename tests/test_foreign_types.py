"""Arrays and frames are recorded by shape, element type and size, lazy objects by their kind."""

from __future__ import annotations

import array
import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tracekit._values.attribute_values import to_attribute_value


class Matrix(np.ndarray):
    """An array of a subclass."""


class Frame(pd.DataFrame):
    """A frame of a subclass."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.zeros((3, 4)), "<numpy.ndarray, shape (3, 4), float64, 96 bytes>"),
        (
            np.zeros((1_000, 1_000), "i1"),
            "<numpy.ndarray, shape (1000, 1000), int8, 1,000,000 bytes>",
        ),
        (np.array(5), "<numpy.ndarray, shape (), int64, 8 bytes>"),
        (np.array([None]), "<numpy.ndarray, shape (1,), object, 8 bytes>"),
        (np.zeros(2).view(Matrix), f"<{__name__}.Matrix, shape (2,), float64, 16 bytes>"),
        (np.ma.array([1.0]), "<numpy.MaskedArray, shape (1,), float64, 8 bytes>"),
        (pd.DataFrame(np.zeros((1_000, 5))), "<pandas.DataFrame, 1,000 rows × 5 columns>"),
        (Frame({"a": [1]}), f"<{__name__}.Frame, 1 rows × 1 columns>"),
        (pd.Series([1, 2]), "<pandas.Series, shape (2,), int64, 16 bytes>"),
        (pd.Index([1, 2]), "<pandas.Index, shape (2,), int64, 16 bytes>"),
        (pd.DataFrame({"a": [1]}).groupby("a"), "<pandas.DataFrameGroupBy>"),
        (array.array("d", [1, 2, 3]), "<array.array, 3 items, d, 24 bytes>"),
        ([np.zeros(1), 1], "[<numpy.ndarray, shape (1,), float64, 8 bytes>, 1]"),
    ],
    ids=itertools.count(),
)
def test_arrays(value: object, expected: str) -> None:
    """Of an array or frame, shape, element type and size are recorded, and no content."""
    assert expected == to_attribute_value(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(1.5), 1.5),
        (np.float32(1.5), 1.5),
        (np.float16(1.5), 1.5),
        (np.int8(5), 5),
        (np.uint64(2**64 - 1), str(2**64 - 1)),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.bytes_(b"ab"), "<numpy.bytes_, 2 bytes>"),
        (np.complex128(1j), "1j"),
        (np.datetime64("2024-02-29T12:00:00.000000001"), "2024-02-29T12:00:00.000000001"),
        (np.timedelta64(5, "s"), "5 seconds"),
        (pd.Timestamp("2024-02-29 12:00:00.000000001"), "2024-02-29T12:00:00.000000001"),
        (pd.Timedelta(days=1), "1 days 00:00:00"),
        (pd.NaT, "NaT"),
        (pd.NA, "<NA>"),
        ([np.float64(1.5), np.int8(5), np.bool_(True)], "[1.5, 5, True]"),
    ],
    ids=itertools.count(),
)
def test_scalars(value: object, expected: object) -> None:
    """Scalars of numpy and pandas become Python primitives, or their usual text."""
    converted = to_attribute_value(value)
    assert type(expected) is type(converted)
    assert expected == converted


class Untouchable:
    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    def __repr__(self) -> str:
        raise AssertionError

    __iter__ = __len__ = __repr__


def foreign(module: str, name: str, base: type = object, **namespace: Any) -> Any:
    """Return a class with the module and name of another package's class."""
    return type(name, (base,), {"__module__": module, **namespace})


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("django.db.models.query", "QuerySet", "<django.QuerySet>"),
        ("django.utils.functional", "Promise", "<django.Promise>"),
        ("sqlalchemy.orm.query", "Query", "<sqlalchemy.Query>"),
        ("dask.array.core", "Array", "<dask.Array>"),
        ("dask.dataframe.dask_expr._collection", "FrameBase", "<dask.FrameBase>"),
        ("polars.lazyframe.frame", "LazyFrame", "<polars.LazyFrame>"),
        ("pyspark.sql.dataframe", "DataFrame", "<pyspark.DataFrame>"),
        ("torch.nn.modules.module", "Module", "<torch.Module>"),
        ("ibis.expr.types.core", "Expr", "<ibis.expr.types.core.Expr>"),
        ("multiprocessing.managers", "BaseProxy", "<multiprocessing.managers.BaseProxy>"),
    ],
)
def test_lazy_objects(module: str, name: str, expected: str) -> None:
    """Objects that might run a query or a computation are recorded by their kind."""
    lazy = foreign(module, name, Untouchable)
    below = foreign("app", "Mine", lazy)
    assert expected == to_attribute_value(lazy())
    assert "<app.Mine>" == to_attribute_value(below())


@pytest.mark.parametrize(
    ("kind", "attributes", "expected"),
    [
        (
            ("torch", "Tensor"),
            {"shape": (2, 3), "dtype": "torch.float32", "nbytes": 24},
            "<torch.Tensor, shape (2, 3), float32, 24 bytes>",
        ),
        (
            ("jaxlib._jax", "ArrayImpl"),
            {"shape": (2,), "dtype": np.dtype("f4"), "nbytes": 8},
            "<jaxlib.ArrayImpl, shape (2,), float32, 8 bytes>",
        ),
        (
            ("tensorflow.python.framework.ops", "Tensor"),
            {"shape": ("?", None), "dtype": SimpleNamespace(name="int32")},
            "<tensorflow.Tensor, shape ('?', None), int32>",
        ),
        (
            ("polars.dataframe.frame", "DataFrame"),
            {"shape": (1_000, 5)},
            "<polars.DataFrame, 1,000 rows × 5 columns>",
        ),
        (
            ("pyarrow.lib", "Array"),
            {"type": "int64", "nbytes": 24, "__len__": lambda _: 3},
            "<pyarrow.Array, 3 items, int64, 24 bytes>",
        ),
        (
            ("pyarrow.lib", "Table"),
            {"shape": (3, 2)},
            "<pyarrow.Table, 3 rows × 2 columns>",
        ),
        (
            ("scipy.sparse._csr", "spmatrix"),
            {"shape": (3, 3), "dtype": np.dtype("f8"), "nnz": 4},
            "<scipy.spmatrix, shape (3, 3), float64, 4 stored>",
        ),
        (
            ("xarray.core.dataset", "Dataset"),
            {"sizes": {"x": 3, "y": 4_000}, "data_vars": {"t": 1}},
            "<xarray.Dataset, 1 variables, x: 3, y: 4,000>",
        ),
    ],
    ids=itertools.count(),
)
def test_packages_that_are_not_imported(
    kind: tuple[str, str], attributes: Any, expected: str
) -> None:
    """Tensors and frames of packages that are not imported are recognised by name."""
    assert expected == to_attribute_value(foreign(*kind, **attributes)())


def test_failing_detail() -> None:
    """A detail of an array that cannot be read is left out."""

    def fail(self: Any) -> Any:
        raise RuntimeError("deleted")

    kind = foreign("torch", "Tensor", shape=(2,), dtype="torch.int8", nbytes=property(fail))
    assert "<torch.Tensor, shape (2,), int8>" == to_attribute_value(kind())

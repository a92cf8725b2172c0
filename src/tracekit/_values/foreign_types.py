"""Arrays, tensors, data frames and lazy things of other packages, recognised without importing.

A type is looked up by its package and name along its bases, so nothing of an unknown object is
touched. Arrays tell their shape, element type and size; what would run a query or a computation
when looked at tells nothing but its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracekit._values.bounded_text import cut
from tracekit._values.limits import MAX_NESTED_STRING
from tracekit._values.type_names import package_of, qualified_name, short_name

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGES = (
    "numpy pandas torch jax jaxlib tensorflow polars pyarrow xarray scipy cupy cupyx dask pyspark "
    "django sqlalchemy"
)
_SHORT_NAMED = frozenset(_PACKAGES.split())
# Sparse matrices have no number of bytes and say how many elements they store.
_SIZES = ("nbytes", "nnz")


def array_text(array: Any) -> str:
    """`<numpy.ndarray, shape (3, 4), float64, 96 bytes>`."""
    return _bracketed(array, [_shape(array), _element_type(array), _size(array)])


def frame_text(frame: Any) -> str:
    """`<pandas.DataFrame, 1,000 rows × 5 columns>`."""
    rows, columns = frame.shape
    return _bracketed(frame, [f"{int(rows):,} rows × {int(columns):,} columns"])


def dataset_text(dataset: Any) -> str:
    """`<xarray.Dataset, 2 variables, x: 3, y: 4>`."""
    sizes = [f"{name}: {int(length):,}" for name, length in dataset.sizes.items()]
    return _bracketed(dataset, [f"{len(dataset.data_vars):,} variables", *sizes])


def typed_array_text(array: Any) -> str:
    """`<array.array, 3 items, d, 24 bytes>`."""
    size = len(array) * array.itemsize
    return _bracketed(array, [f"{len(array):,} items", array.typecode, f"{size:,} bytes"])


def opaque_text(value: object) -> str:
    """`<django.QuerySet>`: the kind, and nothing else is looked at."""
    return _bracketed(value, [])


def plain_scalar(scalar: Any) -> object:
    """A numpy scalar as Python's own value, or as text where Python has none."""
    plain = scalar.item()
    return plain if type(plain) in {bool, int, float, str} else str(scalar)


def _bracketed(value: object, details: list[str]) -> str:
    return f"<{', '.join([_name(type(value)), *filter(None, details)])}>"


def _name(kind: type) -> str:
    # The modules between package and name move from release to release.
    package = package_of(kind)
    return f"{package}.{short_name(kind)}" if package in _SHORT_NAMED else qualified_name(kind)


def _shape(array: Any) -> str:
    shape = _read(array, "shape")
    if shape is None:
        return f"{len(array):,} items"
    return f"shape {_dimensions(shape)}"


def _dimensions(shape: Any) -> str:
    try:
        return str(tuple(map(int, shape)))
    except (TypeError, ValueError):
        return str(shape)  # tensorflow and jax have dimensions that are not known yet


def _element_type(array: Any) -> str:
    dtype = _read(array, "dtype")
    dtype = _read(array, "type") if dtype is None else dtype
    name = _read(dtype, "name")
    text = name if isinstance(name, str) else str("" if dtype is None else dtype)
    return cut(text.removeprefix("torch."), MAX_NESTED_STRING)


def _size(array: Any) -> str:
    size, stored = (_read(array, name) for name in _SIZES)
    if size is not None:
        return f"{int(size):,} bytes"
    return "" if stored is None else f"{int(stored):,} stored"


def _read(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:
        return None  # one detail less; the others still say what the value is


_ARRAYS = (
    "numpy.ndarray pandas.Series pandas.Index pandas.ExtensionArray torch.Tensor torch.Storage "
    "torch.UntypedStorage torch.TypedStorage jax.Array jax.Tracer jaxlib.ArrayImpl jaxlib.Array "
    "jaxlib.DeviceArray tensorflow.Tensor tensorflow.Variable tensorflow.SparseTensor "
    "tensorflow.RaggedTensor polars.Series pyarrow.Array pyarrow.ChunkedArray xarray.DataArray "
    "xarray.Variable scipy._spbase scipy.spmatrix cupy.ndarray cupy._ndarray_base cupyx.spmatrix"
)
_FRAMES = "pandas.DataFrame polars.DataFrame pyarrow.Table pyarrow.RecordBatch"
_OPAQUE = (
    "django.QuerySet django.RawQuerySet django.BaseManager django.Promise django.LazyObject "
    "sqlalchemy.Query sqlalchemy.Result sqlalchemy.ResultProxy sqlalchemy.Session "
    "sqlalchemy.AsyncSession sqlalchemy.scoped_session sqlalchemy.AppenderMixin "
    "dask.Array dask.DataFrame dask.Series dask.Index dask.FrameBase dask.Bag dask.Delayed "
    "dask.Scalar dask_expr.FrameBase polars.LazyFrame polars.Expr polars.GroupBy "
    "polars.LazyGroupBy pyspark.DataFrame pyspark.RDD pyspark.Column pyspark.Frame "
    "pyspark.Series pyspark.Index pyspark.SparkSession pandas.GroupBy pandas.BaseWindow "
    "pandas.Styler ibis.Expr duckdb.DuckDBPyRelation _duckdb.DuckDBPyRelation peewee.BaseQuery "
    "mongoengine.BaseQuerySet tortoise.QuerySet pymongo.Cursor h5py.HLObject zarr.Group "
    "torch.Module tensorflow.Module keras.Layer wrapt.LazyObjectProxy shelve.Shelf "
    "multiprocessing.BaseProxy"
)

TEXTS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(_ARRAYS.split(), array_text),
    **dict.fromkeys(_FRAMES.split(), frame_text),
    **dict.fromkeys(_OPAQUE.split(), opaque_text),
    "xarray.Dataset": dataset_text,
    "array.array": typed_array_text,
}
"""What is recorded of each foreign type, by the table name of a class among its bases."""

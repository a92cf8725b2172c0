"""Texts of arrays, data frames and lazy objects of other packages, which are not imported.

A type is recognised by its package and name among its bases, so that an unknown object is not
touched. For an array, shape, element type and size are recorded. For an object that might run a
query or a computation, only its kind is recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracekit._values.bounded_text import cut
from tracekit._values.limits import MAX_NESTED_STRING
from tracekit._values.type_names import lookup_name, package_of, qualified_name

if TYPE_CHECKING:
    from collections.abc import Callable

# Types of these packages are written by their lookup name.
_PACKAGES = frozenset(
    (
        "numpy pandas torch jax jaxlib tensorflow polars pyarrow xarray scipy cupy cupyx dask "
        "pyspark django sqlalchemy"
    ).split()
)


def array_text(array: Any) -> str:
    """Return `<numpy.ndarray, shape (3, 4), float64, 96 bytes>`."""
    return _bracketed(array, _shape(array), _element_type(array), _size(array))


def frame_text(frame: Any) -> str:
    """Return `<pandas.DataFrame, 1,000 rows × 5 columns>`."""
    rows, columns = frame.shape
    return _bracketed(frame, f"{int(rows):,} rows × {int(columns):,} columns")


def dataset_text(dataset: Any) -> str:
    """Return `<xarray.Dataset, 2 variables, x: 3, y: 4>`."""
    sizes = [f"{name}: {int(length):,}" for name, length in dataset.sizes.items()]
    return _bracketed(dataset, f"{len(dataset.data_vars):,} variables", *sizes)


def typed_array_text(array: Any) -> str:
    """Return `<array.array, 3 items, d, 24 bytes>`."""
    size = len(array) * array.itemsize
    return _bracketed(array, f"{len(array):,} items", array.typecode, f"{size:,} bytes")


def opaque_text(value: object) -> str:
    """Return the kind alone: `<django.QuerySet>`."""
    return _bracketed(value)


def plain_scalar(scalar: Any) -> object:
    """Return a numpy scalar as a Python primitive, or as text if no primitive fits."""
    plain = scalar.item()
    return plain if type(plain) in {bool, int, float, str} else str(scalar)


def _bracketed(value: object, *details: str) -> str:
    kind = type(value)
    name = lookup_name(kind) if package_of(kind) in _PACKAGES else qualified_name(kind)
    return f"<{', '.join([name, *filter(None, details)])}>"


def _shape(array: Any) -> str:
    shape = _attribute(array, "shape")
    if shape is None:
        return f"{len(array):,} items"
    try:
        return f"shape {tuple(map(int, shape))}"
    except (TypeError, ValueError):
        return f"shape {shape}"  # tensorflow and jax have dimensions that are not known yet


def _element_type(array: Any) -> str:
    dtype = _attribute(array, "dtype")
    dtype = _attribute(array, "type") if dtype is None else dtype
    name = _attribute(dtype, "name")
    text = name if isinstance(name, str) else str("" if dtype is None else dtype)
    return cut(text.removeprefix("torch."), MAX_NESTED_STRING)


def _size(array: Any) -> str:
    size = _attribute(array, "nbytes")
    if size is not None:
        return f"{int(size):,} bytes"
    # Sparse matrices have no number of bytes, but a number of stored elements.
    stored = _attribute(array, "nnz")
    return "" if stored is None else f"{int(stored):,} stored"


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:
        return None  # the other details are recorded without this one


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
"""The function that returns the text of each foreign type, by lookup name."""
